"""The daily summary of an environment. One written summary an environment: its dependencies, queues, errors of the last
day and budgets. Kept as evidence; nothing in it is computed again that a page shows too."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from services import clock
from services.clock import DAY_MS
from services.dependencies.messages import advice
from services.evidence import chain
from services.evidence.model import Evidence
from services.health.evaluate import Dependency, Health, evaluate
from services.health.view import wanted
from services.settings.model import Environment, Settings
from services.slo import view, words
from services.slo.view import Row
from services.store import Store, inngest_runs
from services.store.inngest_runs import Tally
from services.units import milliseconds, seconds, share

CHECK = "health.daily"
STATES = {"ready": "ready", "degraded": "degraded", "not_ready": "not ready", "unknown": "not known"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The summary of one environment: a headline, and lines under four headings."""

    environment: str
    at_ms: int
    headline: str
    dependencies: tuple[str, ...]
    queues: tuple[str, ...]
    errors: tuple[str, ...]
    budgets: tuple[str, ...]
    evidence: tuple[str, ...] = ()

    def text(self) -> str:
        """As Markdown."""
        parts = [self.headline]
        headed = (
            ("Dependencies", self.dependencies),
            ("Queues", self.queues),
            ("Errors of the last 24 hours", self.errors),
            ("Error budgets", self.budgets),
            ("Evidence", self.evidence),
        )
        for title, lines in ((title, lines) for title, lines in headed if lines):
            parts += ["", f"**{title}**", "", *(f"- {line}" for line in lines)]
        return "\n".join(parts) + "\n"


def write(store: Store, settings: Settings, *, due_ms: int) -> tuple[str, ...]:
    """Write the summaries of that due moment, once; returns the headlines of what was written."""
    now = clock.now_ms()
    with store.read() as connection:
        waiting = [e for e in settings.environments if not _is_written(connection, e.name, due_ms)]
        found = [(e, _of(connection, e, settings, now)) for e in waiting]
    records = [_evidence(environment, health, made, due_ms) for environment, (health, made) in found]
    with store.write() as connection:
        chain.append(store, connection, records)
    return tuple(made.headline for _, (_, made) in found)


def newest(store: Store, environment: str) -> tuple[int, str] | None:
    """The last summary that was written: when, and its text; None where none was."""
    with store.read() as connection:
        record = _last(connection, environment)
    return None if record is None else (record.at_ms, str(record.detail.get("summary", "")))


def _last(connection: Connection, environment: str) -> Evidence | None:
    return next((e for e in chain.latest(connection, environment) if e.check == CHECK), None)


def _is_written(connection: Connection, environment: str, due_ms: int) -> bool:
    last = _last(connection, environment)
    return last is not None and int(last.detail.get("due_ms", 0)) >= due_ms


def _of(connection: Connection, environment: Environment, settings: Settings, now: int) -> tuple[Health, Summary]:
    health = evaluate(environment.name, wanted(connection, environment), now, strict=environment.strict)
    minute_days = settings.retention.minute_days
    own = view.computed(connection, environment, now, days=None, minute_days=minute_days)
    day = view.computed(connection, environment, now, days=1, minute_days=minute_days)
    tallies = inngest_runs.tallies(connection, environment.name, since_ms=now - DAY_MS)
    queues = [d for d in health.dependencies if d.name.startswith("queue:")]
    mark = " (simulated)" if environment.simulated else ""
    return health, Summary(
        environment=environment.name,
        at_ms=now,
        headline=f"{environment.name}{mark}: {STATES[health.state]}, policy {health.policy}, as of {clock.iso(now)}",
        dependencies=tuple(_dependency(d) for d in health.dependencies if d not in queues)
        or ("Nothing measured yet.",),
        queues=tuple(_queue(d) for d in queues) or ("No queue is configured.",),
        errors=(*(_errors(row) for row in day.rows if row.status.good + row.status.bad), *map(_runs, tallies))
        or ("Nothing was measured in the last 24 hours.",),
        budgets=tuple(f"{words.title(row.slo.sli)}: {words.sentence(row)}" for row in own.rows),
        evidence=_head(connection),
    )


def _head(connection: Connection) -> tuple[str, ...]:
    link = chain.newest_link(connection)
    return () if link is None else (f"Record {link[0]:,} has the hash {link[1]}.",)


def _dependency(d: Dependency) -> str:
    took = "" if d.leading.latency_ms is None else f", {milliseconds(d.leading.latency_ms)}"
    said = advice(d.leading.code, d.leading.detail.get("words"))
    return f"{d.name}: {d.state}{took}. {said.what if d.state == 'ok' else said}"


def _queue(d: Dependency) -> str:
    facts = d.leading.detail.get("facts")
    name = d.name.removeprefix("queue:")
    if d.state == "unknown" or not isinstance(facts, dict) or facts.get("depth") is None:
        return f"{name}: its depth is not known. {advice(d.leading.code, d.leading.detail.get('words')).what}"
    if not facts["depth"]:
        return f"{name}: empty."
    return f"{name}: {facts['depth']} waiting, the oldest for {seconds(facts.get('oldest_s'))} ({d.state})."


def _errors(row: Row) -> str:
    s = row.status
    total = s.good + s.bad
    return f"{words.title(row.slo.sli)}: {s.bad:,} of {total:,} bad ({share(s.bad / total)})."


def _runs(tally: Tally) -> str:
    ended = tally.completed + tally.failed
    return f"Inngest function {tally.function}: {tally.failed} of {ended} runs failed."


def _evidence(environment: Environment, health: Health, made: Summary, due_ms: int) -> Evidence:
    return Evidence(
        environment=environment.name,
        check=CHECK,
        outcome={"ready": "pass", "not_ready": "fail"}.get(health.state, "unknown"),  # type: ignore[arg-type]
        at_ms=made.at_ms,
        value=health.state,
        threshold="ready",
        version=health.version,
        simulated=environment.simulated,
        detail={"policy": health.policy, "summary": made.text(), "due_ms": due_ms},
    )
