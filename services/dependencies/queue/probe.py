"""A configured queue, checked: how deep it is and how old its work. Few items are read, whatever its length.

Lists are first-in-first-out, so the item at the 95 % rank from the old end *is* the p95; sorted sets likewise by
score. A stream can't be read by rank, so beyond 500 entries its p95 is bounded from above and said to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from services import clock
from services.dependencies.model import Check, Measure, Reading
from services.dependencies.queue import formats as queue_formats
from services.dependencies.queue.age import Aging, Moment, aging_of_all, time_of
from services.dependencies.queue.formats import Reader
from services.dependencies.queue.reading import NoGroup, Reach, WrongType, count, items, list_by_rank, scores, texts
from services.dependencies.queue.stream import read_stream
from services.dependencies.redis import session as redis_session
from services.dependencies.redis.wire import Session

if TYPE_CHECKING:
    from services.settings.model import Environment, Queue

FAR = Reach(whole=200, ends=100, stream=500)
NEAR = Reach(whole=1, ends=1, stream=2)  # for items so large that the far read's answer is over the size limit

# Why the ages of a queue's items are not known, and the finding that says so.
UNKNOWN_TIMES: Mapping[str, str] = {
    "local": "queue.local_times", "future": "queue.future_times", "scores": "queue.no_scores",
}  # fmt: skip
_OWN_TROUBLE: Mapping[str, str] = {
    "redis.too_large": "queue.too_large", "redis.no_permission": "queue.no_permission",
    "redis.no_key_permission": "queue.no_permission",
}  # fmt: skip


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
    def from_settings(cls, environment: Environment, queue: Queue) -> QueueProbe:
        """The probe that an environment's settings ask for."""
        return cls(
            url=environment.secrets.redis_url,
            queue=queue,
            interval_s=environment.intervals.queues,
            deadline_s=environment.redis.deadline_s,
        )

    async def run(self, previous: Mapping[str, Any]) -> Reading:  # noqa: ARG002 - needs no memory
        """Two to five commands; once more with a shorter reach where the items are very large."""
        reading = await self._measure_within(FAR)
        if reading.code == "redis.too_large":
            reading = await self._measure_within(NEAR)
        if not reading.code.startswith("redis."):
            return reading
        code = _OWN_TROUBLE.get(reading.code, "queue.unreadable")
        return Reading(  # Redis' own trouble: the queue is unread, not bad
            code=code,
            detail=reading.detail,
            words={"key": self.queue.key},
            measures=self._unknown,
            checks=(Check(name=self.name, outcome="unknown", value=code),),
        )

    async def _measure_within(self, reach: Reach) -> Reading:
        async def run(session: Session) -> Reading:
            return await self._measure(session, reach)

        return await redis_session.run(
            self.url,
            deadline_s=self.deadline_s,
            measure=run,
            on_failure=(self._unknown, self.name),
            not_configured="queue.not_configured",
        )

    @property
    def _unknown(self) -> tuple[Measure, ...]:
        return (Measure(sli=self._sli, value=None, good=None),)

    @property
    def _sli(self) -> str:
        return f"queue_aging_p95:{self.queue.name}"

    async def _measure(self, session: Session, reach: Reach) -> Reading:
        now_s = clock.now_ms() / 1000
        try:
            aging = await READERS[self.queue.form](session, self.queue, now_s, reach)
        except WrongType:
            return self._reading("queue.wrong_type", None, session)
        except NoGroup:
            return self._reading("queue.no_group", None, session)
        if aging.depth == 0:
            return self._reading("queue.absent" if aging.why == queue_formats.ABSENT else "queue.empty", aging, session)
        if aging.p95_s is None or not aging.legible:
            return self._reading(UNKNOWN_TIMES.get(aging.why, "queue.no_times"), aging, session)
        late = aging.p95_s > self.queue.threshold_s
        return self._reading("queue.late" if late else "queue.ok", aging, session)

    def _reading(self, code: str, aging: Aging | None, session: Session) -> Reading:
        good = {"queue.ok": True, "queue.empty": True, "queue.late": False}.get(code)
        p95 = 0.0 if code == "queue.empty" else aging.p95_s if aging and good is not None else None
        facts: dict[str, Any] = {}
        if aging is not None:
            facts = {
                "depth": aging.depth,
                "sampled": aging.sampled,
                "unreadable": aging.unreadable,
                "oldest_s": _rounded(aging.oldest_s),
                "p95_s": _rounded(aging.p95_s),
                "why_unreadable": aging.why or None,
                "p95_is": "exact" if aging.exact else "an upper bound or an estimate from a sample",
            }
        outcome: Any = "unknown" if good is None else "pass" if good else "fail"
        return Reading(
            code=code,
            latency_ms=session.watch.finish()["total"],
            detail=redis_session.session_detail(session) | {"facts": facts, "kind": self.queue.form},
            words={
                "age": "?" if p95 is None else round(p95),
                "limit": round(self.queue.threshold_s),
                "field": self.queue.timestamp_field or "time",
                "depth": aging.depth if aging else "?",
                "group": self.queue.group or "?",
                "format": self.queue.form,
            },
            measures=(Measure(sli=self._sli, value=p95, good=good),),
            checks=(Check(name=self.name, outcome=outcome, value=_rounded(p95), threshold=self.queue.threshold_s),),
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


async def _read_list(session: Session, queue: Queue, now_s: float, reach: Reach) -> Aging:
    return await _read_items(session, queue, "LLEN", "LRANGE", now_s, reach)


async def _read_zset(session: Session, queue: Queue, now_s: float, reach: Reach) -> Aging:
    if not queue.timestamp_field:
        return await scores(session, queue.key, now_s)
    return await _read_items(session, queue, "ZCARD", "ZRANGE", now_s, reach)


async def _read_items(session: Session, queue: Queue, length: str, span: str, now_s: float, reach: Reach) -> Aging:
    def read(item: bytes) -> Moment:
        return time_of(item, queue.timestamp_field or "", queue.zone)

    depth = await count(session, length, queue.key)
    if depth <= reach.whole:
        found = await items(session, span, queue.key, 0, -1) if depth else []
        return aging_of_all([read(item) for item in texts(found)], now_s=now_s)
    return await list_by_rank(session, queue.key, span, depth, read, now_s, reach.ends)


READERS: Mapping[str, Reader] = {
    "list": _read_list, "stream": read_stream, "zset": _read_zset, **queue_formats.READERS,
}  # fmt: skip
