"""What was deployed where and when, and which maintenance was declared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.clock import MINUTE_MS
from services.store.schema import deploys, maintenance

NAMES = ("environment", "at_ms", "version", "source", "note")
PLATFORM = "platform"  # told by the platform alone
NEAR_MS = 15 * MINUTE_MS  # what the platform and somebody else tell so near to each other is one deploy
SHORTEST_COMMIT = 7  # characters by which a commit is known
FIRST = "first"  # the version that ran when the environment was first looked at: known, but no deploy


@dataclass(frozen=True, kw_only=True, slots=True)
class Deploy:
    """A version that began to run. `source` is told (by who deploys) or seen (a changed readiness answer)."""

    environment: str
    at_ms: int
    version: str
    source: str
    note: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)  # who, branch, commit; what was checked after it


@dataclass(frozen=True, kw_only=True, slots=True)
class Maintenance:
    """A declared window outside the computation. `withdrawn_ms` None while it counts."""

    id: int
    environment: str
    from_ms: int
    until_ms: int
    reason: str
    declared_by: str
    declared_ms: int
    withdrawn_by: str | None = None
    withdrawn_ms: int | None = None


def note(connection: Connection, deploy: Deploy) -> bool:
    """Keep a deploy; False where the very same one is there already."""
    made = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(deploys)
    values = {name: getattr(deploy, name) for name in NAMES} | {"detail": json.dumps(deploy.detail)}
    done = connection.execute(made.values(**values).on_conflict_do_nothing().returning(deploys.c.id))
    return done.first() is not None


def since(connection: Connection, environment: str, from_ms: int, until_ms: int) -> tuple[Deploy, ...]:
    """The deploys of a stretch of time, oldest first."""
    query = select(deploys).where(
        deploys.c.environment == environment,
        deploys.c.at_ms >= from_ms,
        deploys.c.at_ms < until_ms,
        deploys.c.source != FIRST,
    )
    return tuple(_deploy(row) for row in connection.execute(query.order_by(deploys.c.at_ms, deploys.c.id)))


def newest(connection: Connection, environment: str) -> Deploy | None:
    """The last version that is known, with when it began to run as far as is known."""
    query = select(deploys).where(deploys.c.environment == environment)
    row = connection.execute(query.order_by(deploys.c.at_ms.desc(), deploys.c.id.desc()).limit(1)).first()
    return None if row is None else _deploy(row)


def reported(connection: Connection, environment: str) -> str | None:
    """The last version that the application or a pipeline named. The platform names commits, which may be others."""
    query = select(deploys.c.version).where(deploys.c.environment == environment, deploys.c.source != PLATFORM)
    return connection.execute(query.order_by(deploys.c.at_ms.desc(), deploys.c.id.desc()).limit(1)).scalar()


def note_named(connection: Connection, deploy: Deploy) -> bool:
    """Keep a deploy that the application or a pipeline names; False where it is there already.

    What the platform alone told within 15 min of it, or last and by the same commit, is this one: it gets its name.
    """
    told = _told_by_platform(connection, deploy)
    if told is None:
        return note(connection, deploy)
    same = (deploys.c.environment == deploy.environment) & (deploys.c.at_ms == told.at_ms)
    there = connection.execute(select(deploys.c.source).where(same, deploys.c.version == deploy.version)).scalar()
    if there not in {None, PLATFORM}:
        return False
    values = {"version": deploy.version, "source": deploy.source, "note": deploy.note}
    connection.execute(update(deploys).where(same, deploys.c.version == told.version).values(values))
    return True


def _told_by_platform(connection: Connection, deploy: Deploy) -> Deploy | None:
    """The nearest in time; else the last one, where it is of the same commit."""
    own = (deploys.c.environment == deploy.environment) & (deploys.c.source == PLATFORM)
    near = deploys.c.at_ms.between(deploy.at_ms - NEAR_MS + 1, deploy.at_ms + NEAR_MS - 1)
    apart = func.abs(deploys.c.at_ms - deploy.at_ms)
    row = connection.execute(select(deploys).where(own, near).order_by(apart, deploys.c.id).limit(1)).first()
    if row is not None:
        return _deploy(row)
    last = newest(connection, deploy.environment)
    if last is None or last.source != PLATFORM or len(deploy.version) < SHORTEST_COMMIT:
        return None
    return last if last.version.startswith(deploy.version) else None


def add_detail(connection: Connection, deploy: Deploy, found: Mapping[str, Any]) -> None:
    """Put more of what is known beside what is kept of a deploy; the same name takes the place of what was there."""
    own = (deploys.c.environment == deploy.environment) & (deploys.c.at_ms == deploy.at_ms)
    own &= deploys.c.version == deploy.version
    kept = connection.execute(select(deploys.c.detail).where(own).with_for_update()).scalar_one()
    connection.execute(update(deploys).where(own).values(detail=json.dumps(json.loads(kept) | dict(found))))


def _deploy(row: Row[Any]) -> Deploy:
    return Deploy(**{name: getattr(row, name) for name in NAMES}, detail=json.loads(row.detail))


def declare(
    connection: Connection, environment: str, *, from_ms: int, until_ms: int, reason: str, by: str, now_ms: int
) -> int:
    """Declare maintenance; returns its number."""
    values = {"environment": environment, "from_ms": from_ms, "until_ms": until_ms, "reason": reason,
              "declared_by": by, "declared_ms": now_ms}  # fmt: skip
    return int(connection.execute(insert(maintenance).values(**values).returning(maintenance.c.id)).scalar_one())


def withdraw(connection: Connection, number: int, *, by: str, now_ms: int) -> bool:
    """Count that time again; the declaration stays, marked. False where there is nothing to withdraw."""
    query = update(maintenance).where(maintenance.c.id == number, maintenance.c.withdrawn_ms.is_(None))
    return bool(connection.execute(query.values(withdrawn_by=by, withdrawn_ms=now_ms)).rowcount)


def declared(connection: Connection, environment: str, from_ms: int, until_ms: int) -> tuple[Maintenance, ...]:
    """Maintenance that touches a stretch of time, oldest first, withdrawn ones included."""
    query = select(maintenance).where(
        maintenance.c.environment == environment,
        maintenance.c.until_ms > from_ms,
        maintenance.c.from_ms < until_ms,
    )
    names = tuple(Maintenance.__dataclass_fields__)
    rows = connection.execute(query.order_by(maintenance.c.from_ms, maintenance.c.id))
    return tuple(Maintenance(**{name: getattr(row, name) for name in names}) for row in rows)
