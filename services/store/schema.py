"""The tables. One schema for SQLite and PostgreSQL; times are milliseconds since 1970, UTC."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

# SQLite only counts up by itself on INTEGER, PostgreSQL needs BIGINT to last.
_Id = BigInteger().with_variant(Integer, "sqlite")

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("environment", String(40), nullable=False),
    Column("sli", String(100), nullable=False),
    Column("closed_ms", BigInteger),  # until here hours are rolled up; null: never rolled up
    Column("rolled_by", SmallInteger),  # the rules that rolled it up
    UniqueConstraint("environment", "sli"),
)

# Raw measurements. Without a row id, SQLite keeps them in key order, at about 12 bytes each.
samples = Table(
    "samples",
    metadata,
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Float),
    Column("good", SmallInteger),  # 1 good, 0 bad, null: unknown, which is never good
    Column("lag_ms", Integer, nullable=False, default=0),  # how late the prober itself was
    Column("interval_s", Integer, nullable=False, default=0),  # seconds to the next one; 0: not stated
    sqlite_with_rowid=False,
)

# Sums of a minute, hour or day of a series, mergeable; `slot` is its beginning in minutes since 1970, UTC.
rollups = Table(
    "rollups",
    metadata,
    Column("tier", SmallInteger, primary_key=True, autoincrement=False),  # 0 minute, 1 hour, 2 day
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("events", Integer, nullable=False),
    Column("good", Integer, nullable=False),
    Column("bad", Integer, nullable=False),
    Column("covered_ms", BigInteger, nullable=False),
    Column("total", Float, nullable=False),
    Column("lowest", Float),
    Column("highest", Float),
    Column("p50", Float),
    Column("p95", Float),
    Column("p99", Float),
    Column("sketch", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# What was deployed when: reported by the person who deploys, or seen as a changed version.
deploys = Table(
    "deploys",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("environment", String(40), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("version", String(120), nullable=False),
    Column("source", String(10), nullable=False),  # told, seen
    Column("note", String(500), nullable=False, default=""),
    Column("detail", Text, nullable=False, default="{}"),  # who, branch, commit; what was checked after it
    UniqueConstraint("environment", "at_ms", "version"),
)

# What was read last of each kind, per environment: runs in progress, the platform's settings.
readings = Table(
    "readings",
    metadata,
    Column("environment", String(40), primary_key=True),
    Column("kind", String(40), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

# Declared maintenance: outside the computation, and shown. A withdrawn one stays, marked.
maintenance = Table(
    "maintenance",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("environment", String(40), nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("declared_by", String(120), nullable=False),
    Column("declared_ms", BigInteger, nullable=False),
    Column("withdrawn_by", String(120)),
    Column("withdrawn_ms", BigInteger),
    Index("maintenance_by_time", "environment", "until_ms"),
)

# The newest result of each probe, with the state that hysteresis gives it.
conditions = Table(
    "conditions",
    metadata,
    Column("environment", String(40), primary_key=True),
    Column("probe", String(80), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("interval_s", Float, nullable=False),
    Column("state", String(10), nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("successes", Integer, nullable=False),
    Column("code", String(60), nullable=False),
    Column("latency_ms", Float),
    Column("detail", Text, nullable=False),
)

# Runs of one state: a ribbon's cells and the list of changes. Time between two spans was not observed.
spans = Table(
    "spans",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("environment", String(40), nullable=False),
    Column("probe", String(80), nullable=False),
    Column("state", String(10), nullable=False),
    Column("code", String(60), nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Index("spans_by_time", "environment", "probe", "until_ms"),
)


def misfiled_by(place: str) -> str:
    """The condition of the index of records whose columns say otherwise than their content, and of some whose names
    JSON escapes; as text, since a database takes an index only where a query repeats its condition word for word."""
    names = (("environment", "environment"), ("check", "check_name"), ("outcome", "outcome"))
    told = [f"""'"{name}":"' || {column} || '"'""" for name, column in names]
    told.append("""'"at_ms":' || CAST(at_ms AS TEXT) || ','""")
    return "(" + " OR ".join(f"{place}(body, {told_as}) = 0" for told_as in told) + ")"


evidence = Table(
    "evidence",
    metadata,
    Column("seq", _Id, primary_key=True),
    Column("environment", String(40), nullable=False),
    Column("check_name", String(80), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # the canonical JSON that the hash covers
    Column("previous_hash", String(64), nullable=False, unique=True),  # unique: a chain can't fork
    Column("hash", String(64), nullable=False, unique=True),
    Index("evidence_by_check", "environment", "check_name", "seq"),
    Index(
        "evidence_misfiled",
        "seq",
        sqlite_where=text(misfiled_by("instr")),
        postgresql_where=text(misfiled_by("strpos")),
    ),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("environment", String(40), nullable=False),
    Column("name", String(40), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("signal", String(10), nullable=False),  # start, ok, fail
    Column("exit_status", Integer),
    Column("note", Text, nullable=False),
    Index("heartbeats_by_job", "environment", "name", "id"),
)

claims = Table(
    "claims",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False, default=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("environment", String(40), nullable=False),
    Column("state", String(10), nullable=False),  # queued, running, done, failed
    Column("requested_ms", BigInteger, nullable=False),
    Column("requested_by", String(120), nullable=False),
    Column("owner", String(80)),
    Column("lease_until_ms", BigInteger),
    Column("finished_ms", BigInteger),
    Column("done_steps", Integer, nullable=False, default=0),
    Column("total_steps", Integer, nullable=False, default=0),
    Column("message", Text, nullable=False, default=""),
    Index("jobs_by_state", "state", "requested_ms"),
)

# Finished runs of an environment's Inngest, once each by their id; `at_ms`, the time of their samples, is their end,
# moved on by a millisecond where two end in the same one.
inngest_runs = Table(
    "inngest_runs",
    metadata,
    Column("environment", String(40), primary_key=True),
    Column("run_id", String(60), primary_key=True),
    Column("function", String(120), nullable=False),
    Column("status", String(10), nullable=False),  # COMPLETED, FAILED, CANCELLED
    Column("at_ms", BigInteger, nullable=False),
    Column("wait_s", Float),
    Column("took_s", Float),
    UniqueConstraint("environment", "at_ms"),
)

# Which due moment of a schedule ran, by whom: Inngest or the fallback scheduler.
schedule_runs = Table(
    "schedule_runs",
    metadata,
    Column("duty", String(80), primary_key=True),  # the task, as an older version called it
    Column("due_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("by", String(10), nullable=False),  # inngest, fallback
    Column("worker", String(80), nullable=False),
    Column("begun_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("outcome", String(10), nullable=False),  # running, done, failed
    Column("tries", Integer, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("address", String(200), nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("trouble", Text, nullable=False, default=""),
)

# What an environment's configuration was, as keyed marks; a row is lengthened while nothing changes.
env_snapshots = Table(
    "env_snapshots",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("environment", String(40), nullable=False),
    Column("source", String(200), nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("fingerprint", String(40), nullable=False),
    Column("key_id", String(8), nullable=False),
    Column("marks", Text, nullable=False),
    Index("env_snapshots_by_time", "environment", "first_ms"),
)

# Golden sets as they were when a run used them: a page must show a case as it was judged.
golden_sets = Table(
    "golden_sets",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("version", String(40), nullable=False),
    Column("body", Text, nullable=False),
)

replay_runs = Table(
    "replay_runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger),
    Column("finished_ms", BigInteger),
    Column("state", String(10), nullable=False),  # queued, running, done, cancelled, failed
    Column("runner", String(10), nullable=False),  # worker, command: who may take its cases
    Column("requested_by", String(120), nullable=False),
    Column("environment", String(40), nullable=False, default=""),
    Column("simulated", Boolean, nullable=False, default=False),
    Column("agent", String(200), nullable=False),
    Column("subset", String(40), nullable=False, default=""),
    Column("options", Text, nullable=False),
    Column("golden_name", String(80), nullable=False),
    Column("golden_sha256", String(64), nullable=False),
    Column("judge_sha256", String(64), nullable=False),
    Column("total", Integer, nullable=False),
    Column("verdict", String(15), nullable=False, default=""),
    Column("summary", Text, nullable=False, default="{}"),
    Column("message", Text, nullable=False, default=""),
    Index("replay_runs_by_time", "created_ms"),
    Index("replay_runs_by_state", "state"),
)

# One row a case and repeat, from the run's first second; the worker that has it holds it by a lease.
replay_results = Table(
    "replay_results",
    metadata,
    Column("run_id", String(40), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("case_id", String(80), nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("state", String(10), nullable=False),  # pending, running, done
    Column("owner", String(80)),
    Column("lease_until_ms", BigInteger),
    Column("outcome", String(10), nullable=False, default=""),  # passed, failed, error, unscored
    Column("body", Text, nullable=False, default=""),
    Index("replay_results_by_state", "run_id", "state", "position"),
    sqlite_with_rowid=False,
)

# Which run others are compared with; the newest row of a golden set and agent counts.
replay_baselines = Table(
    "replay_baselines",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("golden_name", String(80), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("run_id", String(40), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("chosen_by", String(120), nullable=False),
)

# Cases on their way into the golden set; they count once they are published in its file.
golden_drafts = Table(
    "golden_drafts",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("state", String(10), nullable=False),  # draft, published, dropped
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("edition", Integer, nullable=False),  # grows with each change: who writes over another's is refused
    Column("body", Text, nullable=False),  # the case, where it comes from, what was taken out, who agrees
    Index("golden_drafts_by_state", "state", "changed_ms"),
)

# What somebody should know, by environment and cause; the environment is empty for Greenlight itself.
alerts = Table(
    "alerts",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("environment", String(40), nullable=False),
    Column("cause", String(160), nullable=False),
    Column("source", String(20), nullable=False),  # who judges whether it is still so
    Column("event", String(40), nullable=False),  # of the table services/alerts/rules.py
    Column("severity", String(10), nullable=False),  # page, notify, digest
    Column("state", String(10), nullable=False),  # open, resolved, merged
    Column("simulated", Boolean, nullable=False, default=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("told_ms", BigInteger),  # since when its opening is in the outbox; null while it is muted
    Column("well_ms", BigInteger),  # since when all is well again, while that has to last
    Column("flapping", Boolean, nullable=False, default=False),
    Column("acknowledged_ms", BigInteger),
    Column("acknowledged_by", String(140), nullable=False, default=""),
    Column("reminded_ms", BigInteger),
    Column("body", Text, nullable=False),  # sentences, what is down with it, moments of change, the closing record
    Index("alerts_by_state", "state", "environment"),
    Index("alerts_by_time", "opened_ms"),
    Index(
        "alerts_one_open",
        "environment",
        "cause",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
)

# What happened to an alert, and who did it.
alert_events = Table(
    "alert_events",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("alert_id", String(20), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("by", String(140), nullable=False, default=""),
    Column("note", Text, nullable=False, default=""),
    Index("alert_events_by_alert", "alert_id", "id"),
)

# The outbox: one row a message and channel, written with the change that causes it.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key", String(60), nullable=False, unique=True),  # the idempotency key: the same however often it is sent
    Column("alert_id", String(20), nullable=False),  # empty: a digest or a test
    Column("channel", String(40), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("state", String(10), nullable=False),  # waiting, sent, dead
    Column("made_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("tried_ms", BigInteger),
    Column("code", String(40), nullable=False, default=""),  # of the last try
    Column("status", Integer),
    Column("owner", String(80)),
    Column("lease_until_ms", BigInteger),
    Column("sent_ms", BigInteger),
    Column("seen_ms", BigInteger),  # a test's link was opened
    Column("seen_by", String(140), nullable=False, default=""),
    Column("body", Text, nullable=False),
    Index("deliveries_due", "state", "due_ms"),
    Index("deliveries_by_alert", "alert_id"),
    Index("deliveries_by_channel", "channel", "tried_ms"),
)

# What each judge said of each sealed answer in each run: a judge is compared with its own earlier words.
replay_sealed = Table(
    "replay_sealed",
    metadata,
    Column("run_id", String(40), primary_key=True),
    Column("judge", String(200), primary_key=True),
    Column("answer", String(80), primary_key=True),
    Column("criterion", String(80), primary_key=True),
    Column("judge_sha256", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("label", Boolean, nullable=False),
    Column("passed", Boolean),  # null: it said nothing usable
    Column("score", Float),
    Index("replay_sealed_by_judge", "judge_sha256", "at_ms"),
)

# Flaky cases that count for nothing until a day; an ended one stays, marked.
replay_quarantine = Table(
    "replay_quarantine",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("golden_name", String(80), nullable=False),
    Column("case_id", String(80), nullable=False),
    Column("owner", String(120), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("put_by", String(140), nullable=False),
    Column("reminded_ms", BigInteger),
    Column("ended_ms", BigInteger),  # lifted, or its day came and the entry says so
    Column("ended_by", String(140), nullable=False, default=""),
    Index("replay_quarantine_by_set", "golden_name", "until_ms"),
    Index(
        "replay_quarantine_one_open",
        "golden_name",
        "case_id",
        unique=True,
        sqlite_where=text("ended_ms IS NULL"),
        postgresql_where=text("ended_ms IS NULL"),
    ),
)

# What people say of answers without knowing whose they are; two may label the same.
replay_labels = Table(
    "replay_labels",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("position", Integer, nullable=False),
    Column("criterion", String(80), nullable=False),
    Column("person", String(64), nullable=False),  # hash of who signed in, or of the name that was entered
    Column("by", String(140), nullable=False),
    Column("label", String(8), nullable=False),  # pass, fail, unknown
    Column("at_ms", BigInteger, nullable=False),
    UniqueConstraint("run_id", "position", "criterion", "person"),
    Index("replay_labels_by_person", "person", "at_ms"),
)
