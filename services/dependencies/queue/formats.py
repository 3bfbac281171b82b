"""How job libraries keep waiting work in Redis, and since when it waits. Each reader names the source it follows.

Only read-only commands, and of big keys only the ends; of a job's hash only the fields that are needed. No payload is
unpickled or unpacked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from services.dependencies.queue.age import Aging, Moment, aging_of_all, moment, oldest_share_rank, time_of, together
from services.dependencies.queue.reading import Reach, count, items, list_by_rank, members, scores, texts
from services.dependencies.redis.wire import Session
from services.outside import NotJson, parse_json

if TYPE_CHECKING:
    from services.settings.model import Queue

Reader = Callable[[Session, "Queue", float, Reach], Awaitable[Aging]]
ABSENT = "absent"  # why an empty queue is no answer: its library knows none of that name
JOBS = 50  # job hashes that are asked at each end of a list of ids
BULL_SHIFT = 4096.0  # score = due time in ms × 4096 + counter: BullMQ's addDelayedJob-6.lua (v5), Bull's addJob-6.lua
PRIORITY_STEPS = ("", "\x06\x163", "\x06\x166", "\x06\x169")  # kombu 5, transport/redis.py: sep and priority_steps


async def bullmq(session: Session, queue: Queue, now_s: float, _reach: Reach) -> Aging:
    """BullMQ 2 to 5 and Bull 3, 4: `<prefix>:<queue>:wait`, `:paused`, `:prioritized`, `:delayed`, job hashes.

    Ids are pushed at the head of `wait` and taken from its tail; a job's hash holds `timestamp` and `delay` in ms.
    """
    key = queue.key.removesuffix(":")

    async def times(ids: list[bytes]) -> list[Moment]:
        jobs = [job for job in ids if not job.startswith(b"0:")]  # BullMQ 3 and 4 put markers among the ids
        replies = await session.pipeline("jobs", [("HMGET", f"{key}:{_text(j)}", "timestamp", "delay") for j in jobs])
        return [_bull_time(members(reply, session)) for reply in replies]

    waiting = [await _ids(session, f"{key}:{part}", times, now_s, oldest="tail") for part in ("wait", "paused")]
    ranked = await count(session, "ZCARD", f"{key}:prioritized")
    if ranked:  # ordered by priority, so that only a sample of the ages is known
        ids = texts(await items(session, "ZRANGE", f"{key}:prioritized", 0, 2 * JOBS - 1))
        waiting.append(_sampled(aging_of_all(await times(ids), now_s=now_s), ranked))
    due = await scores(session, f"{key}:delayed", now_s, units=BULL_SHIFT * 1000, offset=BULL_SHIFT - 1)
    return together([*waiting, due])


def _bull_time(reply: list[Any]) -> Moment:
    found = [moment(_text(value)) if isinstance(value, bytes) else None for value in reply] if reply else [None]
    if not isinstance(found[0], float):
        return "unreadable"  # the job is gone, or its hash is another program's
    delay = _text(reply[1]) if len(reply) > 1 and isinstance(reply[1], bytes) else "0"
    return found[0] + (int(delay) / 1000 if delay.isdecimal() and len(delay) < 15 else 0.0)


async def rq(session: Session, queue: Queue, now_s: float, _reach: Reach) -> Aging:
    """RQ 1 and 2: ids pushed at the tail of `rq:queue:<name>`; `rq:job:<id>` holds `enqueued_at` (ISO 8601, UTC)."""

    async def times(ids: list[bytes]) -> list[Moment]:
        wanted = [("HMGET", f"rq:job:{_text(job)}", "enqueued_at", "created_at") for job in ids]
        replies = await session.pipeline("jobs", wanted)
        return [_rq_time(members(reply, session)) for reply in replies]

    return await _ids(session, queue.key, times, now_s, oldest="head")


def _rq_time(reply: list[Any]) -> Moment:
    found = [moment(_text(value)) for value in reply if isinstance(value, bytes) and value]
    return next((item for item in found if isinstance(item, float)), "unreadable")


async def celery(session: Session, queue: Queue, now_s: float, reach: Reach) -> Aging:
    """Celery 5 (kombu): messages pushed at the head of a list named like the queue, and one more a priority step.

    A message names no time of its own: one is known only where the team puts it into a header (`timestamp_field`).
    """

    def read(item: bytes) -> Moment:
        try:
            found = parse_json(item)
        except NotJson:
            return "unreadable"
        headers = found.get("headers") if isinstance(found, dict) else None
        known = isinstance(headers, dict) and queue.timestamp_field is not None
        return (
            moment(headers.get(queue.timestamp_field), queue.zone)
            if known and isinstance(headers, dict)
            else "unreadable"
        )

    return together([await _messages(session, queue.key + step, read, now_s, reach) for step in PRIORITY_STEPS])


async def sidekiq(session: Session, queue: Queue, now_s: float, reach: Reach) -> Aging:
    """Sidekiq 6 to 8: JSON with `enqueued_at` (s as a fraction, ms from 8 on) at the head of `queue:<name>`."""
    return await _messages(session, queue.key, lambda item: time_of(item, "enqueued_at"), now_s, reach)


async def laravel(session: Session, queue: Queue, now_s: float, reach: Reach) -> Aging:
    """Laravel: JSON at the tail of `queues:<name>` (with Horizon `pushedAt`), `:delayed` scored in seconds."""
    field = queue.timestamp_field or "pushedAt"
    waiting = await _messages(session, queue.key, lambda item: time_of(item, field, queue.zone), now_s, reach)
    return together([waiting, await scores(session, f"{queue.key}:delayed", now_s, units=1.0)])


async def arq(session: Session, queue: Queue, now_s: float, _reach: Reach) -> Aging:
    """arq: a sorted set scored in milliseconds; a later score is a deferred job."""
    return await scores(session, queue.key, now_s, units=1000.0)


async def _messages(session: Session, key: str, read: Callable[[bytes], Moment], now_s: float, reach: Reach) -> Aging:
    depth = await count(session, "LLEN", key)
    if depth <= reach.whole:
        found = texts(await items(session, "LRANGE", key, 0, -1)) if depth else []
        return aging_of_all([read(item) for item in found], now_s=now_s)
    return await list_by_rank(session, key, "LRANGE", depth, read, now_s, reach.ends)


async def _ids(
    session: Session, key: str, times: Callable[[list[bytes]], Awaitable[list[Moment]]], now_s: float, *, oldest: str
) -> Aging:
    """A list of job ids, whose times stand elsewhere: read from its oldest end up to the p95's rank and at it."""
    depth = await count(session, "LLEN", key)
    if not depth:
        return aging_of_all((), now_s=now_s)
    rank = oldest_share_rank(depth)
    near = (0, min(JOBS, depth) - 1) if oldest == "head" else (-min(JOBS, depth), -1)
    at = (rank, rank) if oldest == "head" else (-1 - rank, -1 - rank)
    ids = texts(await items(session, "LRANGE", key, *near))
    ends = aging_of_all(await times(ids) if ids else [], now_s=now_s)
    if depth <= JOBS:
        return ends
    (found,) = [aging_of_all(await times(texts(await items(session, "LRANGE", key, *at))), now_s=now_s)]
    return Aging(
        depth=depth, sampled=ends.sampled + found.sampled, unreadable=ends.unreadable + found.unreadable,
        oldest_s=ends.oldest_s, p95_s=found.p95_s if found.p95_s is not None else ends.p95_s,
        exact=found.p95_s is not None and not ends.unreadable, why=ends.why or found.why,
    )  # fmt: skip


async def _bull_traces(session: Session, key: str) -> bool:
    """A queue that was ever opened or used left one of these, empty or not."""
    parts = ("meta", "id", "events", "completed", "failed", "active", "stalled-check", "delayed")
    return await count(session, "EXISTS", *(f"{key.removesuffix(':')}:{part}" for part in parts)) > 0


async def _registered(session: Session, registry: str, member: str) -> bool:
    """Whether the library's set of queues names it; True where there is no such set, as nothing was ever queued."""
    if await count(session, "SISMEMBER", registry, member):
        return True
    return await count(session, "SCARD", registry) == 0


async def _rq_names(session: Session, key: str) -> bool:
    return await _registered(session, "rq:queues", key)  # queue.py: redis_queues_keys, of whole keys


async def _sidekiq_names(session: Session, key: str) -> bool:
    namespace, _, name = key.rpartition("queue:")
    return await _registered(session, f"{namespace}queues", name)  # client.rb: sadd("queues", queue)


async def _celery_names(session: Session, key: str) -> bool:
    """A worker binds its queues: `_kombu.binding.<queue>`, the whole behind a prefix that nobody tells us."""
    splits = (f"{key[:n]}_kombu.binding.{key[n:]}" for n in range(len(key)))
    if await count(session, "EXISTS", *splits):
        return True
    return not await count(session, "EXISTS", "_kombu.binding.celery", "_kombu.binding.celery.pidbox")


def known_where_read(read: Reader, knows: Callable[[Session, str], Awaitable[bool]]) -> Reader:
    """The reader, that tells an empty queue from one that the library doesn't know: a key that is written wrong."""

    async def reading(session: Session, queue: Queue, now_s: float, reach: Reach) -> Aging:
        found = await read(session, queue, now_s, reach)
        return found if found.depth or await knows(session, queue.key) else replace(found, why=ABSENT)

    return reading


def _sampled(found: Aging, depth: int) -> Aging:
    return Aging(
        depth=max(depth, found.depth), sampled=found.sampled, unreadable=found.unreadable, oldest_s=found.oldest_s,
        p95_s=found.p95_s, exact=found.exact and found.depth >= depth, why=found.why,
    )  # fmt: skip


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


READERS: Mapping[str, Reader] = {
    "bullmq": known_where_read(bullmq, _bull_traces),
    "bull": known_where_read(bullmq, _bull_traces),
    "rq": known_where_read(rq, _rq_names),
    "celery": known_where_read(celery, _celery_names),
    "arq": arq,  # nothing is left of an empty queue
    "sidekiq": known_where_read(sidekiq, _sidekiq_names),
    "laravel": laravel,  # nor here
}
