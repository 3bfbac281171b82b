"""Heartbeats: how a job reports that it ran. A call when it starts, succeeds or fails; trouble with the call never
stops it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

log = logging.getLogger(__name__)
CALL_S = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Heartbeat:
    """The address at which one job reports. It is a secret, so that it is never logged or shown."""

    url: str = field(repr=False)

    async def call(self, end: str = "", note: str = "") -> bool:
        """Report: "" success, "/start", "/fail", or "/<exit status>". False where nobody took it."""
        try:
            async with httpx.AsyncClient(timeout=CALL_S) as client:
                answer = await client.post(self.url + end, content=note.encode("utf-8", "replace")[:10_000])
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("a heartbeat was not taken: %s", type(error).__name__)
            return False
        if not answer.is_success:
            log.warning("a heartbeat was not taken: HTTP %d", answer.status_code)
        return answer.is_success

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        """Report the start, and success or failure at the end."""
        await self.call("/start")
        try:
            yield
        except BaseException as error:
            await self.call("/fail", type(error).__name__)
            raise
        await self.call()
