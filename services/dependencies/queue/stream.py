"""A stream's waiting work: what its consumer groups were not given yet, and what they hold unconfirmed.

A stream keeps what was read, so its length says nothing of what waits. Source: redis.io, XINFO GROUPS (`lag` from Redis
7 on, nil where it is not known) and XPENDING.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hiredis

from services.dependencies.queue.age import Aging, Moment, aging_of_all, oldest_share_rank, seconds
from services.dependencies.queue.reading import NoGroup, Reach, count, items, members
from services.dependencies.redis.wire import Session

if TYPE_CHECKING:
    from services.settings.model import Queue


async def read_stream(session: Session, queue: Queue, now_s: float, reach: Reach) -> Aging:
    """The group that the settings name, else the one with the oldest work; without any group, every entry waits."""
    depth = await count(session, "XLEN", queue.key)
    asked = depth > 0 or queue.group is not None
    reply = await session.call("groups", "XINFO", "GROUPS", queue.key) if asked else []
    if isinstance(reply, hiredis.ReplyError) and "no such key" in str(reply):
        raise NoGroup
    groups = [_fields(group) for group in members(reply, session)]
    if queue.group is not None:
        groups = [group for group in groups if group.get("name") == queue.group.encode()]
        if not groups:
            raise NoGroup
    if not groups:
        return await _entries(session, queue.key, "-", depth, now_s, reach) if depth else aging_of_all((), now_s=now_s)
    found = [await _group(session, queue.key, group, now_s, reach) for group in groups[:8]]
    return max(found, key=lambda aging: (not aging.legible and aging.depth > 0, aging.p95_s or 0.0, aging.depth))


async def _group(session: Session, key: str, group: dict[str, Any], now_s: float, reach: Reach) -> Aging:
    name, last = _text(group.get("name")), _text(group.get("last-delivered-id")) or "0-0"
    pending, lag = _number(group.get("pending")) or 0, _number(group.get("lag"))
    held: list[Moment] = []
    if pending:
        rows = await items(session, "XPENDING", key, name, "-", "+", min(pending, reach.stream))
        held = [_time(row[0]) for row in rows if isinstance(row, list) and row]
    new = await items(session, "XRANGE", key, f"({last}", "+", "COUNT", reach.stream)
    times = held + [_time(entry[0]) for entry in new if isinstance(entry, list) and entry]
    if not times:
        return aging_of_all((), now_s=now_s)
    whole = max(pending, len(held)) + (max(lag, len(new)) if lag is not None else len(new))
    return _bounded(times, whole, now_s, cut=len(new) >= reach.stream)


async def _entries(session: Session, key: str, start: str, depth: int, now_s: float, reach: Reach) -> Aging:
    entries = await items(session, "XRANGE", key, start, "+", "COUNT", reach.stream)
    times = [_time(entry[0]) for entry in entries if isinstance(entry, list) and entry]
    return _bounded(times, depth, now_s, cut=depth > len(times))


def _bounded(times: list[Moment], depth: int, now_s: float, *, cut: bool) -> Aging:
    """Ages of all, or, where only the oldest were read, the p95 at its rank among them: a bound from above."""
    found = aging_of_all(times, now_s=now_s)
    known = sorted(item for item in times if isinstance(item, float))
    if not cut or not known or found.unreadable:
        return found if found.depth >= depth else Aging(
            depth=depth, sampled=found.sampled, unreadable=found.unreadable, oldest_s=found.oldest_s,
            p95_s=found.p95_s, exact=False, why=found.why,
        )  # fmt: skip
    rank = min(oldest_share_rank(depth), len(known) - 1)
    return Aging(
        depth=depth, sampled=len(times), unreadable=0, oldest_s=found.oldest_s, p95_s=max(0.0, now_s - known[rank]),
        exact=rank == oldest_share_rank(depth),
    )  # fmt: skip


def _time(entry_id: Any) -> Moment:
    """An entry's id begins with milliseconds, unless its writer chose ids of another kind."""
    first = _text(entry_id).partition("-")[0]
    if not first.isdecimal() or len(first) > 15:
        return "unreadable"
    return seconds(float(first)) if float(first) >= 1e11 else "unreadable"


def _fields(group: Any) -> dict[str, Any]:
    if isinstance(group, dict):
        return {_text(key): value for key, value in group.items()}
    pairs = group if isinstance(group, list) else []
    return {_text(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=False)}


def _text(raw: Any) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw or "")


def _number(raw: Any) -> int | None:
    return raw if isinstance(raw, int) and raw >= 0 else None
