"""Each environment's configuration, and since when it is so. Keyed marks only, never a value."""

from __future__ import annotations

import json

from sqlalchemy import Connection, Row, insert, select, update

from services.fingerprint import Snapshot
from services.store.schema import env_snapshots

LENGTHEN_AFTER_MS = 600_000  # an unchanged configuration is noted again this often, not at every check


def note(connection: Connection, seen: Snapshot) -> bool:
    """Keep a snapshot: a new row where the configuration changed, else the last one lengthened. True for new."""
    last = newest(connection, seen.environment)
    if last is not None and (last.fingerprint, last.source) == (seen.fingerprint, seen.source):
        if seen.first_ms - last.last_ms >= LENGTHEN_AFTER_MS:
            connection.execute(
                update(env_snapshots)
                .where(env_snapshots.c.environment == seen.environment, env_snapshots.c.first_ms == last.first_ms)
                .values(last_ms=seen.first_ms)
            )
        return False
    connection.execute(
        insert(env_snapshots).values(
            environment=seen.environment,
            source=seen.source[:200],
            first_ms=seen.first_ms,
            last_ms=seen.last_ms,
            fingerprint=seen.fingerprint,
            key_id=seen.key_id,
            marks=json.dumps(dict(seen.marks), sort_keys=True),
        )
    )
    return True


def newest(connection: Connection, environment: str) -> Snapshot | None:
    """The last snapshot, as they were taken one after the other, whatever the clock said; None where none was."""
    query = select(env_snapshots).where(env_snapshots.c.environment == environment)
    row = connection.execute(query.order_by(env_snapshots.c.id.desc()).limit(1)).first()
    return None if row is None else _snapshot(row)


def at(connection: Connection, environment: str, moment_ms: int) -> Snapshot | None:
    """The snapshot that held at a moment; None where nothing was known then."""
    query = select(env_snapshots).where(
        env_snapshots.c.environment == environment, env_snapshots.c.first_ms <= moment_ms
    )
    row = connection.execute(
        query.order_by(env_snapshots.c.first_ms.desc(), env_snapshots.c.id.desc()).limit(1)
    ).first()
    return None if row is None else _snapshot(row)


def history(connection: Connection, environment: str, limit: int = 100) -> tuple[Snapshot, ...]:
    """The newest snapshots, newest first."""
    rows = connection.execute(
        select(env_snapshots)
        .where(env_snapshots.c.environment == environment)
        .order_by(env_snapshots.c.first_ms.desc(), env_snapshots.c.id.desc())
        .limit(limit)
    )
    return tuple(_snapshot(row) for row in rows)


def _snapshot(row: Row[tuple[object, ...]]) -> Snapshot:
    return Snapshot(
        environment=row.environment,
        source=row.source,
        first_ms=row.first_ms,
        last_ms=row.last_ms,
        fingerprint=row.fingerprint,
        key_id=row.key_id,
        marks=json.loads(row.marks),
    )
