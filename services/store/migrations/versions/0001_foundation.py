"""Foundation: series and samples, conditions and spans, evidence, claims, jobs, workers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables; evidence can only be appended to, and the database itself sees to that."""
    op.create_table(
        "series",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("environment", sa.String(40), nullable=False),
        sa.Column("sli", sa.String(100), nullable=False),
        sa.UniqueConstraint("environment", "sli"),
    )
    op.create_table(
        "samples",
        sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("value", sa.Float),
        sa.Column("good", sa.SmallInteger),
        sa.Column("lag_ms", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "conditions",
        sa.Column("environment", sa.String(40), primary_key=True),
        sa.Column("probe", sa.String(80), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("interval_s", sa.Float, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("successes", sa.Integer, nullable=False),
        sa.Column("code", sa.String(60), nullable=False),
        sa.Column("latency_ms", sa.Float),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_table(
        "spans",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("environment", sa.String(40), nullable=False),
        sa.Column("probe", sa.String(80), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("code", sa.String(60), nullable=False),
        sa.Column("from_ms", sa.BigInteger, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("spans_by_time", "spans", ["environment", "probe", "until_ms"])
    op.create_table(
        "evidence",
        sa.Column("seq", _ID, primary_key=True),
        sa.Column("environment", sa.String(40), nullable=False),
        sa.Column("check_name", sa.String(80), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
    )
    op.create_index("evidence_by_check", "evidence", ["environment", "check_name", "seq"])
    op.create_table(
        "claims",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("environment", sa.String(40), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("requested_ms", sa.BigInteger, nullable=False),
        sa.Column("requested_by", sa.String(120), nullable=False),
        sa.Column("owner", sa.String(80)),
        sa.Column("lease_until_ms", sa.BigInteger),
        sa.Column("finished_ms", sa.BigInteger),
        sa.Column("done_steps", sa.Integer, nullable=False),
        sa.Column("total_steps", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
    )
    op.create_index("jobs_by_state", "jobs", ["state", "requested_ms"])
    op.create_table(
        "workers",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("address", sa.String(200), nullable=False),
        sa.Column("started_ms", sa.BigInteger, nullable=False),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
        sa.Column("trouble", sa.Text, nullable=False),
    )
    _append_only()


def _append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER evidence_no_{verb.lower()} BEFORE {verb} ON evidence "
                "BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION evidence_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'evidence is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER evidence_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence "
        "FOR EACH STATEMENT EXECUTE FUNCTION evidence_is_append_only()"
    )
