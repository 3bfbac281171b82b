"""Checks the application's own Redis connection. A contract check over redis-py."""

from __future__ import annotations

import time
from dataclasses import dataclass

import redis.asyncio
from redis.exceptions import RedisError

from runtime.dependency import Dependency

DEADLINE_S = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisCheck:
    """PING through the application's own client; None stands for a Redis that isn't configured."""

    client: redis.asyncio.Redis | None
    required: bool
    dependency: str = "redis"

    async def __call__(self) -> Dependency:
        """One PING. The error names its kind alone: texts of connection errors may hold addresses."""
        if self.client is None:
            return Dependency(
                name=self.dependency,
                required=self.required,
                healthy=False,
                configured=False,
                error="REDIS_URL is not set",
            )
        begun = time.perf_counter()
        try:
            await self.client.ping()
        except (RedisError, OSError) as error:
            return Dependency(
                name=self.dependency,
                required=self.required,
                healthy=False,
                error=f"PING failed: {type(error).__name__}",
            )
        latency = (time.perf_counter() - begun) * 1000
        return Dependency(name=self.dependency, required=self.required, healthy=True, latency_ms=latency)


def client_for(url: str | None) -> redis.asyncio.Redis | None:
    """A client with deadlines, made without connecting; None for no URL."""
    if not url:
        return None
    return redis.asyncio.Redis.from_url(
        url, socket_timeout=DEADLINE_S, socket_connect_timeout=DEADLINE_S, max_connections=8
    )
