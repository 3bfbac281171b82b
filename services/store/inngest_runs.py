"""The Inngest runs of an environment that have ended. Each is kept, and counted, once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, func, insert, select, update

from services.store.schema import inngest_runs as table

if TYPE_CHECKING:
    from services.dependencies.model import RunSeen

CHUNK = 500  # ids in one question: SQLite allows 32,766 parameters


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A run that ended at `at_ms`; times in seconds, None where the server didn't say."""

    environment: str
    run_id: str
    function: str
    status: str
    at_ms: int
    wait_s: float | None
    took_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """Runs of a function since a moment."""

    function: str
    completed: int
    failed: int
    cancelled: int
    mean_s: float | None
    newest_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What was new: runs, and times of runs that were kept before without them."""

    runs: tuple[Ended, ...] = ()
    timed: tuple[Ended, ...] = ()


def keep(connection: Connection, environment: str, seen: Iterable[RunSeen]) -> Kept:
    """Keep the finished runs that are new, with the moments under which they are counted, and times learnt later."""
    finished = {run.id: run for run in seen if run.finished}
    timed = []
    ids = list(finished)
    for start in range(0, len(ids), CHUNK):
        known = select(table).where(table.c.environment == environment, table.c.run_id.in_(ids[start : start + CHUNK]))
        for row in connection.execute(known).all():
            run = finished.pop(row.run_id)
            if row.took_s is None and run.took_s is not None:
                times = {"wait_s": run.wait_s, "took_s": run.took_s}
                own = (table.c.environment == environment) & (table.c.run_id == run.id)
                connection.execute(update(table).where(own).values(times))
                timed.append(Ended(**dict(row._mapping) | times))
    return Kept(runs=_new(connection, environment, finished) if finished else (), timed=tuple(timed))


def _new(connection: Connection, environment: str, finished: Mapping[str, RunSeen]) -> tuple[Ended, ...]:
    ordered = sorted(finished.values(), key=lambda run: (run.ended_ms or 0, run.id))
    taken = _taken(connection, environment, ordered[0].ended_ms or 0)
    new = []
    for run in ordered:
        at_ms = run.ended_ms or 0
        while at_ms in taken:
            at_ms += 1
        taken.add(at_ms)
        new.append(
            Ended(
                environment=environment, run_id=run.id, function=run.function, status=run.status, at_ms=at_ms,
                wait_s=run.wait_s, took_s=run.took_s,
            )
        )  # fmt: skip
    connection.execute(insert(table), [{name: getattr(e, name) for name in Ended.__dataclass_fields__} for e in new])
    return tuple(new)


def _taken(connection: Connection, environment: str, since_ms: int) -> set[int]:
    query = select(table.c.at_ms).where(table.c.environment == environment, table.c.at_ms >= since_ms)
    return set(connection.execute(query).scalars())


def tallies(connection: Connection, environment: str, *, since_ms: int) -> tuple[Tally, ...]:
    """Runs by function since then, most failures first."""
    counted = {
        name: func.count().filter(table.c.status == status)
        for name, status in (("completed", "COMPLETED"), ("failed", "FAILED"), ("cancelled", "CANCELLED"))
    }
    rows = connection.execute(
        select(
            table.c.function,
            *(column.label(name) for name, column in counted.items()),
            func.avg(table.c.took_s).label("mean_s"),
            func.max(table.c.at_ms).label("newest_ms"),
        )
        .where(table.c.environment == environment, table.c.at_ms >= since_ms)
        .group_by(table.c.function)
        .order_by(counted["failed"].desc(), table.c.function)
    )
    return tuple(Tally(**row._mapping) for row in rows)


def failures(connection: Connection, environment: str, *, since_ms: int, limit: int = 20) -> tuple[Ended, ...]:
    """The newest runs that failed since then, newest first."""
    rows = connection.execute(
        select(table)
        .where(table.c.environment == environment, table.c.status == "FAILED", table.c.at_ms >= since_ms)
        .order_by(table.c.at_ms.desc())
        .limit(limit)
    )
    return tuple(Ended(**row._mapping) for row in rows)


def drop_before(connection: Connection, moment_ms: int) -> int:
    """Forget runs that ended before then; returns how many."""
    return connection.execute(delete(table).where(table.c.at_ms < moment_ms)).rowcount
