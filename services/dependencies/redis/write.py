"""Checks that Redis takes a value, gives it back, and lets it go. SETEX, GET, DEL under the portal's own prefix."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from services.dependencies.model import Check, Measure, Reading
from services.dependencies.redis import session as redis_session
from services.dependencies.redis.wire import RedisTrouble, Session

if TYPE_CHECKING:
    from services.settings.model import Environment

CHECK = "redis.write"
SLI = "redis_write_latency"
KEY_LIFETIME_S = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisWriteProbe:
    """A round trip of a random value; the key ends by itself should its deletion not arrive."""

    url: SecretStr | None
    prefix: str
    slow_ms: float
    interval_s: float
    deadline_s: float
    name: str = "redis.write"

    @classmethod
    def from_settings(cls, environment: Environment) -> RedisWriteProbe:
        """The probe that an environment's settings ask for."""
        return cls(
            url=environment.secrets.redis_url,
            prefix=environment.redis.key_prefix,
            slow_ms=environment.redis.write_slow_ms,
            interval_s=environment.intervals.redis_write,
            deadline_s=environment.redis.deadline_s,
        )

    async def run(self, previous: Mapping[str, Any]) -> Reading:  # noqa: ARG002 - needs no memory
        """One round trip."""
        bad = (Measure(sli=SLI, value=None, good=False),)
        return await redis_session.run(
            self.url,
            deadline_s=self.deadline_s,
            measure=self._round_trip,
            on_failure=(bad, CHECK),
            key=f"{self.prefix}:",
        )

    async def _round_trip(self, session: Session) -> Reading:
        nonce = secrets.token_hex(8)
        key = f"{self.prefix}:{nonce}"
        redis_session.raise_if_error(await session.call("setex", "SETEX", key, KEY_LIFETIME_S, nonce), session)
        found = await session.call("get", "GET", key)
        redis_session.raise_if_error(found, session)
        redis_session.raise_if_error(await session.call("del", "DEL", key), session)
        if found != nonce.encode():
            raise RedisTrouble(session.watch.failed("round_trip", "GET returned another value than SETEX wrote"))
        latency = sum(session.watch.timings[phase] for phase in ("setex", "get", "del"))
        slow = latency > self.slow_ms
        return Reading(
            code="redis.write_slow" if slow else "redis.write_ok",
            latency_ms=latency,
            detail=redis_session.session_detail(session),
            words={"latency": round(latency), "limit": round(self.slow_ms)},
            measures=(Measure(sli=SLI, value=latency, good=not slow),),
            checks=(Check(name=CHECK, outcome="pass", value=round(latency, 2), threshold=self.slow_ms),),
        )
