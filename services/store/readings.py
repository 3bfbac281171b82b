"""What was read last of a kind, per environment: one row each, as JSON. For what is looked at, and never counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from services.store.schema import readings as table


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What was read, and when (ms since 1970)."""

    at_ms: int
    body: Mapping[str, Any]


def keep(connection: Connection, environment: str, kind: str, *, at_ms: int, body: Mapping[str, Any]) -> None:
    """Put it in the place of what was read before."""
    made = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)
    row = {"at_ms": at_ms, "body": json.dumps(body, separators=(",", ":"))}
    statement = made.values(environment=environment, kind=kind, **row)
    keys = [table.c.environment, table.c.kind]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=row))


def load(connection: Connection, environment: str, kind: str) -> Kept | None:
    """What was read last; None before anything was."""
    query = select(table.c.at_ms, table.c.body).where(table.c.environment == environment, table.c.kind == kind)
    row = connection.execute(query).first()
    return None if row is None else Kept(at_ms=row.at_ms, body=json.loads(row.body))
