"""What judges said of sealed answers, run by run: rows in, rows out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, select

from services.store.schema import replay_sealed as table

WORDS = ("judge", "judge_sha256", "answer", "criterion", "label", "passed", "score")


def keep(connection: Connection, run_id: str, at_ms: int, words: Iterable[Mapping[str, Any]]) -> None:
    """Keep what was said in a run; each word holds the fields of WORDS."""
    rows = [{"run_id": run_id, "at_ms": at_ms, **{name: word[name] for name in WORDS}} for word in words]
    if rows:
        connection.execute(insert(table), rows)


def of_run(connection: Connection, run_id: str, judge_sha256: str | None = None) -> tuple[dict[str, Any], ...]:
    """What was said in a run, by the judge of that hash or by all."""
    query = select(*(table.c[name] for name in WORDS)).where(table.c.run_id == run_id)
    if judge_sha256 is not None:
        query = query.where(table.c.judge_sha256 == judge_sha256)
    return tuple(dict(row._mapping) for row in connection.execute(query.order_by(table.c.answer, table.c.criterion)))


def runs_of(connection: Connection, judge_sha256: str, since_ms: int) -> tuple[str, ...]:
    """The runs in which the judge of that hash was asked since then, oldest first."""
    first = func.min(table.c.at_ms)
    query = select(table.c.run_id).where(table.c.judge_sha256 == judge_sha256, table.c.at_ms >= since_ms)
    rows = connection.execute(query.group_by(table.c.run_id).order_by(first, table.c.run_id))
    return tuple(row.run_id for row in rows)
