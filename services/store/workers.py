"""The workers that are alive. Each says so every few seconds; a page believes nothing older than SILENT_AFTER_MS."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from services.clock import DAY_MS
from services.store.schema import workers

HEARTBEAT_S = 3.0
SILENT_AFTER_MS = 15_000
FORGET_AFTER_MS = 7 * DAY_MS


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """A worker's last sign of life; `trouble` is one sentence, empty while all is well."""

    id: str
    address: str
    started_ms: int
    seen_ms: int
    trouble: str = ""


def beat(connection: Connection, worker: Worker) -> None:
    """Say that this worker lives, and forget those long dead."""
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(workers)
    values = {name: getattr(worker, name) for name in Worker.__dataclass_fields__}
    connection.execute(
        insert.values(**values).on_conflict_do_update(
            index_elements=["id"], set_={"seen_ms": worker.seen_ms, "trouble": worker.trouble}
        )
    )
    connection.execute(delete(workers).where(workers.c.seen_ms < worker.seen_ms - FORGET_AFTER_MS))


def leave(connection: Connection, id_: str) -> None:
    """Strike off a worker that stops in order."""
    connection.execute(delete(workers).where(workers.c.id == id_))


def load(connection: Connection) -> tuple[Worker, ...]:
    """All workers that didn't leave in order, most recently seen first."""
    rows = connection.execute(select(workers).order_by(workers.c.seen_ms.desc()))
    return tuple(Worker(**row._mapping) for row in rows)
