"""Alerts and what happened to them: rows in, rows out. What an alert means is judged elsewhere."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.store.schema import alert_events
from services.store.schema import alerts as table

OPEN, RESOLVED, MERGED = "open", "resolved", "merged"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """An alert; times in ms. `environment` is empty for Greenlight itself. `also`: what is down with it, as names.

    `told_ms` None: nobody was told, as it is muted (why is in `muted`). `changes`: when it failed or came back lately.
    """

    id: str
    environment: str
    cause: str
    source: str
    event: str
    severity: str
    state: str
    simulated: bool
    opened_ms: int
    changed_ms: int
    title: str
    what: str
    fix: str
    page: str
    ended_ms: int | None = None
    told_ms: int | None = None
    well_ms: int | None = None
    flapping: bool = False
    acknowledged_ms: int | None = None
    acknowledged_by: str = ""
    reminded_ms: int | None = None
    also: tuple[str, ...] = ()
    muted: str = ""
    changes: tuple[int, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)  # what it came to, once it is over


@dataclass(frozen=True, kw_only=True, slots=True)
class Happened:
    """One thing that happened to an alert: opened, worse, resolved, …; `by` where a person did it."""

    alert_id: str
    at_ms: int
    kind: str
    by: str = ""
    note: str = ""


_IN_BODY = ("title", "what", "fix", "page", "also", "muted", "changes", "record")
_COLUMNS = tuple(f.name for f in fields(Alert) if f.name not in _IN_BODY)


def _row(alert: Alert) -> dict[str, Any]:
    body = {name: getattr(alert, name) for name in _IN_BODY} | {"record": dict(alert.record)}
    return {name: getattr(alert, name) for name in _COLUMNS} | {
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    }


def _alert(row: Row[Any]) -> Alert:
    body = json.loads(row.body)
    body |= {name: tuple(body[name]) for name in ("also", "changes")}
    return Alert(**{name: getattr(row, name) for name in _COLUMNS}, **body)


def add(connection: Connection, alert: Alert) -> bool:
    """Keep a new alert; False where one is open already for this environment and cause."""
    made = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)
    done = connection.execute(made.values(**_row(alert)).on_conflict_do_nothing().returning(table.c.id))
    return done.first() is not None


def save(connection: Connection, alert: Alert) -> None:
    """Put it in the place of what was known of it."""
    connection.execute(update(table).where(table.c.id == alert.id).values(**_row(alert)))


def get(connection: Connection, id_: str) -> Alert | None:
    """One alert, or None."""
    row = connection.execute(select(table).where(table.c.id == id_)).first()
    return None if row is None else _alert(row)


def known(
    connection: Connection, environments: Collection[str], sources: Collection[str], *, since_ms: int
) -> tuple[Alert, ...]:
    """The open alerts of these environments and sources, and those that ended since then, oldest first."""
    lately = and_(table.c.state != OPEN, table.c.ended_ms >= since_ms)
    query = select(table).where(
        table.c.environment.in_(tuple(environments)), table.c.source.in_(tuple(sources)),
        or_(table.c.state == OPEN, lately),
    )  # fmt: skip
    return _alerts(connection, query.order_by(table.c.opened_ms, table.c.id))


def of_cause(connection: Connection, environment: str, cause: str) -> Alert | None:
    """The newest alert of a cause, whatever became of it."""
    query = select(table).where(table.c.environment == environment, table.c.cause == cause)
    return next(iter(_alerts(connection, query.order_by(table.c.opened_ms.desc()).limit(1))), None)


def open_ones(connection: Connection, environments: Collection[str] | None = None) -> tuple[Alert, ...]:
    """What is open, newest first."""
    query = select(table).where(table.c.state == OPEN)
    if environments is not None:
        query = query.where(table.c.environment.in_(tuple(environments)))
    return _alerts(connection, query.order_by(table.c.opened_ms.desc(), table.c.id))


def count_open(connection: Connection) -> int:
    """How many are open."""
    return connection.execute(select(func.count()).select_from(table).where(table.c.state == OPEN)).scalar_one()


def ended(connection: Connection, *, since_ms: int, limit: int = 500) -> tuple[Alert, ...]:
    """What ended since then, newest first; alerts that another one took in are left out."""
    query = select(table).where(table.c.state == RESOLVED, table.c.ended_ms >= since_ms)
    return _alerts(connection, query.order_by(table.c.ended_ms.desc(), table.c.id).limit(limit))


def _alerts(connection: Connection, query: Select[Any]) -> tuple[Alert, ...]:
    return tuple(_alert(row) for row in connection.execute(query))


def note(connection: Connection, happened: Happened) -> int:
    """Keep what happened; returns its number."""
    values = {f.name: getattr(happened, f.name) for f in fields(Happened)}
    return int(connection.execute(insert(alert_events).values(**values).returning(alert_events.c.id)).scalar_one())


def history(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[Happened, ...]]:
    """What happened to each of these alerts, oldest first."""
    found: dict[str, list[Happened]] = {id_: [] for id_ in ids}
    query = select(alert_events).where(alert_events.c.alert_id.in_(tuple(ids))).order_by(alert_events.c.id)
    for row in connection.execute(query):
        found[row.alert_id].append(Happened(**{f.name: getattr(row, f.name) for f in fields(Happened)}))
    return {id_: tuple(items) for id_, items in found.items()}


def drop_before(connection: Connection, moment_ms: int) -> int:
    """Forget alerts that ended before then, and what happened to them; returns how many alerts."""
    gone = select(table.c.id).where(table.c.ended_ms < moment_ms).scalar_subquery()
    connection.execute(delete(alert_events).where(alert_events.c.alert_id.in_(gone)))
    return connection.execute(delete(table).where(table.c.ended_ms < moment_ms)).rowcount
