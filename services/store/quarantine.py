"""Cases in quarantine: rows in, rows out."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.store.schema import replay_quarantine as table


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A case in quarantine, or one that was; times in ms. `ended_by` names who lifted it, "" where its day came."""

    id: int
    golden_name: str
    case_id: str
    owner: str
    reason: str
    from_ms: int
    until_ms: int
    put_by: str
    reminded_ms: int | None = None
    ended_ms: int | None = None
    ended_by: str = ""


def put(connection: Connection, entry: Entry) -> bool:
    """Keep a new entry (its id is given here); False where the case has an open one."""
    values = {f.name: getattr(entry, f.name) for f in fields(Entry) if f.name != "id"}
    made = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)
    done = connection.execute(made.values(**values).on_conflict_do_nothing().returning(table.c.id))
    return done.first() is not None


def end(connection: Connection, id_: int, now_ms: int, *, by: str) -> bool:
    """End an open entry; True for the one who did."""
    query = update(table).where(table.c.id == id_, table.c.ended_ms.is_(None))
    return bool(connection.execute(query.values(ended_ms=now_ms, ended_by=by)).rowcount)


def remind(connection: Connection, id_: int, now_ms: int) -> bool:
    """Note that its end was announced; True for the one who did."""
    query = update(table).where(table.c.id == id_, table.c.reminded_ms.is_(None))
    return bool(connection.execute(query.values(reminded_ms=now_ms)).rowcount)


def get(connection: Connection, id_: int) -> Entry | None:
    """One entry, or None."""
    row = connection.execute(select(table).where(table.c.id == id_)).first()
    return None if row is None else _entry(row)


def entries(connection: Connection, golden_name: str | None = None) -> tuple[Entry, ...]:
    """Every entry, of one golden set or of all, newest first."""
    query = select(table).order_by(table.c.from_ms.desc(), table.c.id.desc())
    if golden_name is not None:
        query = query.where(table.c.golden_name == golden_name)
    return tuple(_entry(row) for row in connection.execute(query))


def open_ones(connection: Connection) -> tuple[Entry, ...]:
    """Every entry that was not ended, the one that ends first before the others."""
    query = select(table).where(table.c.ended_ms.is_(None)).order_by(table.c.until_ms, table.c.id)
    return tuple(_entry(row) for row in connection.execute(query))


def _entry(row: Row[Any]) -> Entry:
    return Entry(**{f.name: getattr(row, f.name) for f in fields(Entry)})
