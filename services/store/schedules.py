"""The due moments of the schedules that ran, who ran them, and how they ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.store.schema import schedule_runs as table

_task = table.c.duty  # the name of an older version
_ALL = (_task.label("task"), *(column for column in table.c if column is not _task))


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleRun:
    """A due moment of a task; `by` is `inngest` or `fallback`, `outcome` running, done or failed."""

    task: str
    due_ms: int
    by: str
    worker: str
    begun_ms: int
    ended_ms: int | None
    outcome: str
    tries: int


def begin(connection: Connection, *, task: str, due_ms: int, by: str, worker: str, now_ms: int) -> None:
    """Note that somebody runs it now; a further try takes the place of the one before."""
    make = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)
    values = {"by": by, "worker": worker, "begun_ms": now_ms, "ended_ms": None, "outcome": "running"}
    connection.execute(
        make.values({_task: task, **values, "due_ms": due_ms, "tries": 1}).on_conflict_do_update(
            index_elements=[_task, table.c.due_ms], set_={**values, "tries": table.c.tries + 1}
        )
    )


def end(connection: Connection, *, task: str, due_ms: int, worker: str, outcome: str, now_ms: int) -> None:
    """Note how it ended."""
    connection.execute(
        update(table)
        .where(_task == task, table.c.due_ms == due_ms, table.c.worker == worker)
        .values(ended_ms=now_ms, outcome=outcome)
    )


def newest(connection: Connection) -> tuple[ScheduleRun, ...]:
    """The newest due moment of each task."""
    last = select(_task.label("task"), func.max(table.c.due_ms).label("due_ms")).group_by(_task).subquery()
    newest_of_each = (_task == last.c.task) & (table.c.due_ms == last.c.due_ms)
    return _runs(connection, select(*_ALL).join(last, newest_of_each).order_by(_task))


def history(connection: Connection, *, limit: int = 200) -> tuple[ScheduleRun, ...]:
    """The newest due moments, newest first."""
    return _runs(connection, select(*_ALL).order_by(table.c.begun_ms.desc()).limit(limit))


def _runs(connection: Connection, query: Select[Any]) -> tuple[ScheduleRun, ...]:
    return tuple(ScheduleRun(**row._mapping) for row in connection.execute(query))


def drop_before(connection: Connection, moment_ms: int) -> int:
    """Forget due moments before then; returns how many."""
    return connection.execute(delete(table).where(table.c.due_ms < moment_ms)).rowcount
