"""Each probe's newest result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from services.store.schema import conditions


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """A probe's newest result (`outcome`, `code`, `detail`) and its state after hysteresis."""

    environment: str
    probe: str
    at_ms: int
    interval_s: float
    state: str
    since_ms: int
    outcome: str
    failures: int
    successes: int
    code: str
    latency_ms: float | None
    detail: Mapping[str, Any] = field(default_factory=dict)


def save(connection: Connection, items: Iterable[Condition]) -> None:
    """Insert or replace conditions, by environment and probe."""
    rows = [
        {name: getattr(item, name) for name in Condition.__dataclass_fields__}
        | {"detail": json.dumps(dict(item.detail), ensure_ascii=False, separators=(",", ":"))}
        for item in items
    ]
    if rows:
        connection.execute(_upsert(connection.dialect.name), rows)


@cache
def _upsert(dialect: str) -> Executable:
    """The statement, made once: making it costs as much as running it."""
    insert = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(conditions)
    changes = {column.name: insert.excluded[column.name] for column in conditions.columns if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=["environment", "probe"], set_=changes)


def load(connection: Connection, environment: str | None = None) -> tuple[Condition, ...]:
    """All conditions (of one environment, or of all), by environment and probe."""
    query = select(conditions).order_by(conditions.c.environment, conditions.c.probe)
    if environment is not None:
        query = query.where(conditions.c.environment == environment)
    return tuple(
        Condition(**{**row._mapping, "detail": json.loads(row.detail)})  # SQLAlchemy's public row mapping
        for row in connection.execute(query)
    )


def newest_ms(connection: Connection, environments: Iterable[str]) -> int | None:
    """When something was measured last in any of these environments; None where nothing was."""
    query = select(func.max(conditions.c.at_ms)).where(conditions.c.environment.in_(tuple(environments)))
    found: int | None = connection.scalar(query)
    return found


def forget(connection: Connection, environment: str, probes: Iterable[str]) -> None:
    """Drop conditions of probes that no setting asks for any more; their spans stay as history."""
    names = tuple(probes)
    if names:
        connection.execute(
            delete(conditions).where(conditions.c.environment == environment, conditions.c.probe.in_(names))
        )
