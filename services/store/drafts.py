"""Drafts of golden cases. Rows in, rows out; `body` is a JSON value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from services.store.schema import golden_drafts as table

DRAFT, PUBLISHED, DROPPED = "draft", "published", "dropped"


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftRow:
    """One draft. `edition` grows with each change."""

    id: str
    state: str = DRAFT
    created_ms: int
    changed_ms: int
    edition: int = 1
    body: Mapping[str, Any]


def add(connection: Connection, row: DraftRow) -> None:
    """Keep a new draft."""
    connection.execute(insert(table).values(
        id=row.id, state=row.state, created_ms=row.created_ms, changed_ms=row.changed_ms, edition=row.edition,
        body=_text(row.body),
    ))  # fmt: skip


def change(
    connection: Connection, id_: str, edition: int, *, body: Mapping[str, Any], now_ms: int, state: str = DRAFT
) -> bool:
    """Put it in the place of that edition; False where somebody changed it meanwhile."""
    same = (table.c.id == id_, table.c.edition == edition)
    values = {"body": _text(body), "state": state, "changed_ms": now_ms, "edition": edition + 1}
    return bool(connection.execute(update(table).where(*same).values(**values)).rowcount)


def get(connection: Connection, id_: str) -> DraftRow | None:
    """One draft, or None."""
    row = connection.execute(select(table).where(table.c.id == id_)).first()
    return None if row is None else _row(row)


def newest(connection: Connection, *, state: str = DRAFT, limit: int = 200) -> tuple[DraftRow, ...]:
    """Drafts of a state, the one changed last first."""
    query = select(table).where(table.c.state == state).order_by(table.c.changed_ms.desc(), table.c.id).limit(limit)
    return tuple(_row(row) for row in connection.execute(query))


def _row(row: Row[Any]) -> DraftRow:
    named = {name: getattr(row, name) for name in ("id", "state", "created_ms", "changed_ms", "edition")}
    return DraftRow(**named, body=json.loads(row.body))


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps(dict(body), ensure_ascii=False, separators=(",", ":"))
