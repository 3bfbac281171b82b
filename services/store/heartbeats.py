"""The calls of jobs: rows in, rows out. Few are kept of each job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Connection, func, select

from services.store.schema import heartbeats

Signal = Literal["start", "ok", "fail"]
SIGNALS: tuple[Signal, ...] = get_args(Signal)
KEPT = 200  # calls of a job; the newest


@dataclass(frozen=True, kw_only=True, slots=True)
class Beat:
    """One call. `note` is what its body said, without secrets."""

    id: int
    at_ms: int
    signal: Signal
    exit_status: int | None = None
    note: str = ""


def append(
    connection: Connection,
    environment: str,
    name: str,
    *,
    at_ms: int,
    signal: Signal,
    exit_status: int | None,
    note: str,
) -> None:
    """Keep a call, and let go of those beyond the number that is kept."""
    own = (heartbeats.c.environment == environment) & (heartbeats.c.name == name)
    connection.execute(
        heartbeats.insert().values(
            environment=environment, name=name, at_ms=at_ms, signal=signal, exit_status=exit_status, note=note
        )
    )
    oldest = select(heartbeats.c.id).where(own).order_by(heartbeats.c.id.desc()).offset(KEPT).limit(1)
    bound = connection.execute(oldest).scalar()
    if bound is not None:
        connection.execute(heartbeats.delete().where(own, heartbeats.c.id <= bound))


def newest(connection: Connection, environment: str, name: str, limit: int = KEPT) -> tuple[Beat, ...]:
    """The newest calls of a job, newest first."""
    query = (
        select(heartbeats)
        .where(heartbeats.c.environment == environment, heartbeats.c.name == name)
        .order_by(heartbeats.c.id.desc())
        .limit(limit)
    )
    return tuple(
        Beat(id=row.id, at_ms=row.at_ms, signal=row.signal, exit_status=row.exit_status, note=row.note)
        for row in connection.execute(query)
    )


def count_since(connection: Connection, environment: str, name: str, since_ms: int) -> int:
    """How many calls of a job came since then."""
    query = select(func.count()).where(
        heartbeats.c.environment == environment, heartbeats.c.name == name, heartbeats.c.at_ms >= since_ms
    )
    return int(connection.execute(query).scalar_one())
