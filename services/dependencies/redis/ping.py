"""Checks that Redis accepts a connection and answers PING with a literal PONG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from services.dependencies.model import Check, Measure, Reading
from services.dependencies.redis import session as redis_session
from services.dependencies.redis.wire import RedisTrouble, Session

if TYPE_CHECKING:
    from services.settings.model import Environment

CHECK = "redis.ping"
SLI = "redis_ping_latency"
COMMANDS = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisPingProbe:
    """A new connection each time: a server that accepts nobody must not seem healthy through an old one."""

    url: SecretStr | None
    slow_ms: float
    interval_s: float
    deadline_s: float
    name: str = "redis.ping"

    @classmethod
    def from_settings(cls, environment: Environment) -> RedisPingProbe:
        """The probe that an environment's settings ask for."""
        return cls(
            url=environment.secrets.redis_url,
            slow_ms=environment.redis.ping_slow_ms,
            interval_s=environment.intervals.redis_ping,
            deadline_s=environment.redis.deadline_s,
        )

    async def run(self, previous: Mapping[str, Any]) -> Reading:  # noqa: ARG002 - needs no memory
        """One PING."""
        bad = (Measure(sli=SLI, value=None, good=False),)
        return await redis_session.run(
            self.url, deadline_s=self.deadline_s, measure=self._ping, on_failure=(bad, CHECK)
        )

    async def _ping(self, session: Session) -> Reading:
        reply = await session.call("ping", "PING")
        redis_session.raise_if_error(reply, session)
        if reply != b"PONG":
            raise RedisTrouble(session.watch.failed("not_redis", "PING was not answered by PONG"))
        latency = session.watch.timings["ping"]
        slow = latency > self.slow_ms
        return Reading(
            code="redis.slow" if slow else "redis.ok",
            latency_ms=latency,
            detail=redis_session.session_detail(session),
            words={"latency": round(latency), "limit": round(self.slow_ms)},
            measures=(Measure(sli=SLI, value=latency, good=not slow),),
            checks=(Check(name=CHECK, outcome="pass", value=round(latency, 2), threshold=self.slow_ms),),
        )
