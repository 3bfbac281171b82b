"""How deep is a queue and how old is its work? At most ~400 items are read, whatever its length.

Lists are first-in-first-out, so the item at the 95 % rank from the old end *is* the p95; sorted sets likewise by
score. A stream can't be read by rank, so beyond 500 entries its p95 is bounded from above and said to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import hiredis
from pydantic import SecretStr

from services import clock
from services.probes import redis_session
from services.probes.model import Check, Measure, Reading
from services.probes.queue_age import MILLISECONDS_FROM, Aging, aging_of_all, oldest_share_rank, time_of
from services.probes.redis_wire import RedisTrouble, Session
from services.settings.model import Environment, Queue


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reach:
    """How many items a look may read: whole queues up to `whole`, else `ends` at each end, or `stream` entries."""

    whole: int
    ends: int
    stream: int


FAR = _Reach(whole=200, ends=100, stream=500)
NEAR = _Reach(whole=1, ends=1, stream=2)  # for items so large that the far look's answer is over the size limit


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueProbe:
    """One configured queue."""

    url: SecretStr | None
    queue: Queue
    interval_s: float
    deadline_s: float

    @property
    def name(self) -> str:
        """`queue:<name>`."""
        return f"queue:{self.queue.name}"

    @classmethod
    def of(cls, environment: Environment, queue: Queue) -> QueueProbe:
        """The probe that an environment's settings ask for."""
        return cls(
            url=environment.secrets.redis_url,
            queue=queue,
            interval_s=environment.intervals.queues,
            deadline_s=environment.redis.deadline_s,
        )

    async def look(self, previous: Mapping[str, Any]) -> Reading:  # noqa: ARG002 - needs no memory
        """Two to five commands; once more with a shorter reach where the items are very large."""
        reading = await self._look_within(FAR)
        if reading.code == "redis.too_large":
            reading = await self._look_within(NEAR)
        if not reading.code.startswith("redis."):
            return reading
        code = "queue.too_large" if reading.code == "redis.too_large" else "queue.unreadable"
        return Reading(  # Redis' own trouble: the queue is unread, not bad
            code=code,
            detail=reading.detail,
            measures=self._unknown,
            checks=(Check(name=self.name, outcome="unknown", value=code),),
        )

    async def _look_within(self, reach: _Reach) -> Reading:
        async def look(session: Session) -> Reading:
            return await self._look(session, reach)

        return await redis_session.run(
            self.url,
            deadline_s=self.deadline_s,
            look=look,
            on_failure=(self._unknown, self.name),
            not_configured="queue.not_configured",
        )

    @property
    def _unknown(self) -> tuple[Measure, ...]:
        return (Measure(sli=self._sli, value=None, good=None),)

    @property
    def _sli(self) -> str:
        return f"queue_aging_p95:{self.queue.name}"

    async def _look(self, session: Session, reach: _Reach) -> Reading:
        now_s = clock.now_ms() / 1000
        readers = {"list": _read_list, "stream": _read_stream, "zset": _read_zset}
        try:
            aging = await readers[self.queue.kind](session, self.queue, now_s, reach)
        except _WrongType:
            return self._reading("queue.wrong_type", None, session)
        if aging.depth == 0:
            return self._reading("queue.empty", aging, session)
        if aging.p95_s is None:
            return self._reading("queue.no_times", aging, session)
        late = aging.p95_s > self.queue.threshold_s
        return self._reading("queue.late" if late else "queue.ok", aging, session)

    def _reading(self, code: str, aging: Aging | None, session: Session) -> Reading:
        good = {"queue.ok": True, "queue.empty": True, "queue.late": False}.get(code)
        p95 = 0.0 if code == "queue.empty" else aging.p95_s if aging else None
        facts: dict[str, Any] = {}
        if aging is not None:
            facts = {
                "depth": aging.depth,
                "sampled": aging.sampled,
                "unreadable": aging.unreadable,
                "oldest_s": _rounded(aging.oldest_s),
                "p95_s": _rounded(aging.p95_s),
                "p95_is": "exact" if aging.exact else "an upper bound or an estimate from a sample",
            }
        outcome: Any = "unknown" if good is None else "pass" if good else "fail"
        return Reading(
            code=code,
            latency_ms=session.watch.finish()["total"],
            detail=redis_session.session_detail(session) | {"facts": facts, "kind": self.queue.kind},
            words={
                "age": "?" if p95 is None else round(p95),
                "limit": round(self.queue.threshold_s),
                "field": self.queue.timestamp_field or "time",
            },
            measures=(Measure(sli=self._sli, value=p95, good=good),),
            checks=(Check(name=self.name, outcome=outcome, value=_rounded(p95), threshold=self.queue.threshold_s),),
        )


class _WrongType(Exception):
    """The key holds another kind of value."""


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _checked(reply: Any, session: Session) -> Any:
    if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("WRONGTYPE"):
        raise _WrongType
    redis_session.raise_if_error(reply, session)
    return reply


async def _count(session: Session, command: str, queue: Queue) -> int:
    depth = _checked(await session.call("depth", command, queue.key), session)
    if not isinstance(depth, int):
        raise RedisTrouble(session.watch.failed("not_redis", f"{command} was not answered by a number"))
    return depth


async def _items(session: Session, *command: str | int) -> list[Any]:
    reply = _checked(await session.call("items", *command), session)
    return reply if isinstance(reply, list) else []


async def _read_list(session: Session, queue: Queue, now_s: float, reach: _Reach) -> Aging:
    depth = await _count(session, "LLEN", queue)
    if depth <= reach.whole:
        items = await _items(session, "LRANGE", queue.key, 0, -1) if depth else []
        return aging_of_all([time_of(item, queue.timestamp_field or "") for item in items], now_s=now_s)
    return await _by_rank(session, queue, "LRANGE", depth, now_s, reach)


async def _read_zset(session: Session, queue: Queue, now_s: float, reach: _Reach) -> Aging:
    if not queue.timestamp_field:
        return await _read_scores(session, queue, now_s)
    depth = await _count(session, "ZCARD", queue)
    if depth <= reach.whole:
        members = await _items(session, "ZRANGE", queue.key, 0, -1) if depth else []
        return aging_of_all([time_of(item, queue.timestamp_field) for item in members], now_s=now_s)
    return await _by_rank(session, queue, "ZRANGE", depth, now_s, reach)


async def _by_rank(session: Session, queue: Queue, command: str, depth: int, now_s: float, reach: _Reach) -> Aging:
    """Both ends, and the item at the p95's rank from either end; the older end says which of the two counts."""
    rank, ends, key, field = oldest_share_rank(depth), reach.ends, queue.key, queue.timestamp_field or ""
    windows = ((0, ends - 1), (-ends, -1), (rank, rank), (-1 - rank, -1 - rank))
    replies = await session.pipeline("items", [(command, key, first, last) for first, last in windows])
    head, tail, from_head, from_tail = (
        [time_of(item, field) for item in _checked(reply, session) or ()] for reply in replies
    )
    known_head, known_tail = [t for t in head if t is not None], [t for t in tail if t is not None]
    at_rank: float | None = None
    if known_head and known_tail:
        oldest_at_tail = min(known_tail) <= min(known_head)  # LPUSH with RPOP keeps the oldest at the tail
        at_rank = next(iter(from_tail if oldest_at_tail else from_head), None)
    ends_only = aging_of_all(head + tail, now_s=now_s)
    return Aging(
        depth=depth,
        sampled=ends_only.sampled + 1,
        unreadable=ends_only.unreadable,
        oldest_s=ends_only.oldest_s,
        p95_s=ends_only.p95_s if at_rank is None else max(0.0, now_s - at_rank),
        exact=at_rank is not None and ends_only.unreadable == 0,
    )


async def _read_scores(session: Session, queue: Queue, now_s: float) -> Aging:
    """Members due by now, by score (seconds or milliseconds); those with a later score are not waiting yet."""
    first = await _items(session, "ZRANGE", queue.key, 0, 0, "WITHSCORES")
    if not first:
        return aging_of_all((), now_s=now_s)
    scale = 1000 if float(first[1]) > MILLISECONDS_FROM else 1
    due = ("ZCOUNT", queue.key, "-inf", repr(now_s * scale))
    depth = _checked(await session.call("depth", *due), session)
    if not depth:
        return aging_of_all((), now_s=now_s)
    rank = oldest_share_rank(depth)
    at_rank = await _items(session, "ZRANGE", queue.key, rank, rank, "WITHSCORES")
    oldest = max(0.0, now_s - float(first[1]) / scale)
    return Aging(
        depth=depth,
        sampled=2,
        unreadable=0,
        oldest_s=oldest,
        p95_s=max(0.0, now_s - float(at_rank[1]) / scale) if len(at_rank) > 1 else oldest,
        exact=True,
    )


async def _read_stream(session: Session, queue: Queue, now_s: float, reach: _Reach) -> Aging:
    depth = await _count(session, "XLEN", queue)
    if depth == 0:
        return aging_of_all((), now_s=now_s)
    entries = await _items(session, "XRANGE", queue.key, "-", "+", "COUNT", reach.stream)
    times: list[float | None] = [int(entry[0].split(b"-")[0]) / 1000 for entry in entries]
    if depth <= len(times):
        return aging_of_all(times, now_s=now_s)
    rank = min(oldest_share_rank(depth), len(times) - 1)
    at_rank = times[rank]
    return Aging(
        depth=depth,
        sampled=len(times),
        unreadable=0,
        oldest_s=max(0.0, now_s - (times[0] or now_s)),
        p95_s=max(0.0, now_s - (at_rank or now_s)),
        exact=rank == oldest_share_rank(depth),
    )
