"""What the readers of queues share: few commands, none over a whole long key, wrong types and groups as errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import hiredis

from services.dependencies.queue.age import (
    FUTURE_S,
    SCHEDULED_S,
    Aging,
    Moment,
    aging_of_all,
    oldest_share_rank,
    scale_of,
)
from services.dependencies.redis import session as redis_session
from services.dependencies.redis.wire import RedisTrouble, Session


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """How many items a check may read: whole queues up to `whole`, else `ends` at each end, or `stream` entries."""

    whole: int
    ends: int
    stream: int


class WrongType(Exception):
    """The key holds another kind of value."""


class NoGroup(Exception):
    """The stream has no consumer group of that name."""


Read = Callable[[bytes], Moment]


def checked(reply: Any, session: Session) -> Any:
    """The reply, where it is no error. Raises WrongType, RedisTrouble."""
    if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("WRONGTYPE"):
        raise WrongType
    redis_session.raise_if_error(reply, session)
    return reply


async def count(session: Session, *command: str | int) -> int:
    """The number that a command answers."""
    depth = checked(await session.call("depth", *command), session)
    if not isinstance(depth, int) or depth < 0:
        raise RedisTrouble(session.watch.failed("not_redis", f"{command[0]} was not answered by a number"))
    return depth


async def items(session: Session, *command: str | int) -> list[Any]:
    """The list that a command answers."""
    return members(await session.call("items", *command), session)


def members(reply: Any, session: Session) -> list[Any]:
    """The members of a reply that should be a list. Raises RedisTrouble for anything else."""
    found = checked(reply, session)
    if not isinstance(found, list):
        raise RedisTrouble(session.watch.failed("not_redis", "a list was asked for, and something else came"))
    return found


def texts(reply: Sequence[Any]) -> list[bytes]:
    """The byte strings among the members of a reply."""
    return [member for member in reply if isinstance(member, bytes)]


async def list_by_rank(
    session: Session, key: str, command: str, depth: int, read: Read, now_s: float, ends: int
) -> Aging:
    """Both ends, and the item at the p95's rank from either end; the older end says which of the two counts."""
    rank = oldest_share_rank(depth)
    windows = ((0, ends - 1), (-ends, -1), (rank, rank), (-1 - rank, -1 - rank))
    replies = await session.pipeline("items", [(command, key, first, last) for first, last in windows])
    head, tail, from_head, from_tail = ([read(item) for item in texts(members(reply, session))] for reply in replies)
    at_rank = next(iter(from_tail if _older(tail, head) else from_head), "unreadable")
    ends_only = aging_of_all(head + tail, now_s=now_s)
    known = isinstance(at_rank, float) and at_rank <= now_s + FUTURE_S
    return Aging(
        depth=depth,
        sampled=ends_only.sampled + 1,
        unreadable=ends_only.unreadable + (not known),
        oldest_s=ends_only.oldest_s,
        p95_s=max(0.0, now_s - at_rank) if isinstance(at_rank, float) and known else ends_only.p95_s,
        exact=known and ends_only.unreadable == 0,
        why=ends_only.why,
    )


def _older(one: Sequence[Moment], other: Sequence[Moment]) -> bool:
    mine = [item for item in one if isinstance(item, float)]
    theirs = [item for item in other if isinstance(item, float)]
    return bool(mine and theirs) and min(mine) <= min(theirs)


async def scores(session: Session, key: str, now_s: float, *, units: float | None = None, offset: float = 0.0) -> Aging:
    """Members of a sorted set that are due by now, by score; those with a later score are not waiting yet.

    `units` is how many of the score's units a second has; without, it is inferred. A score that can be no time
    ends as *unreadable*: it may be another format's.
    """
    first = _score(await items(session, "ZRANGE", key, 0, 0, "WITHSCORES"))
    if first is None:
        return aging_of_all((), now_s=now_s)
    units = units or scale_of(first)
    if units is None or not _is_time(first / units, now_s):
        depth = await count(session, "ZCARD", key)
        return Aging(depth=depth, sampled=1, unreadable=1, oldest_s=None, p95_s=None, exact=False, why="scores")
    depth = await count(session, "ZCOUNT", key, "-inf", repr(now_s * units + offset))
    if not depth:
        return aging_of_all((), now_s=now_s)
    rank = oldest_share_rank(depth)
    at_rank = _score(await items(session, "ZRANGE", key, rank, rank, "WITHSCORES"))
    oldest = max(0.0, now_s - first / units)
    p95 = oldest if at_rank is None else max(0.0, now_s - at_rank / units)
    return Aging(depth=depth, sampled=2, unreadable=0, oldest_s=oldest, p95_s=p95, exact=True)


def _is_time(found: float, now_s: float) -> bool:
    return 978_307_200.0 <= found <= now_s + SCHEDULED_S


def _score(reply: list[Any]) -> float | None:
    try:
        return float(reply[1]) if len(reply) > 1 else None
    except (TypeError, ValueError):
        return None
