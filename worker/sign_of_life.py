"""Pings the service that calls people when pings stay away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from services import clock
from services.channels.send import DEADLINE_S
from services.dependencies import http_client
from services.dependencies.http_client import Answer
from services.errors import StoreError
from services.settings.model import Settings
from services.store import Store, conditions, outbox
from worker.sending import Sender

log = logging.getLogger(__name__)
PING_S = 60.0
OVERDUE_MS = 300_000
MEASURED_WITHIN_MS = 600_000


class DeadMan:
    """Pings the service that calls people when pings stay away; only while all of this worker is really at work."""

    def __init__(
        self, store: Store, settings: Settings, *, sender: Sender, trouble: Callable[[], str],
        probed: Callable[[], int], holds: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self._store, self._settings, self._sender = store, settings, sender
        self._trouble, self._probed, self._holds = trouble, probed, holds
        self._probed_before = -1
        self.accepted_ms: int | None = None
        self.why_not = ""

    async def run(self) -> None:
        """Until cancelled; nothing to do without an address."""
        url = self._settings.dead_man_url
        while True:
            if url is not None:
                self.why_not = await self._why_not()
                if not self.why_not:
                    await self._ping(url.get_secret_value())
                else:
                    log.warning("no sign of life is sent: %s", self.why_not)
            await asyncio.sleep(PING_S)

    async def _why_not(self) -> str:
        """Why nobody should be told that all is at work; "" where it is."""
        if trouble := self._trouble():
            return trouble
        if asyncio.get_running_loop().time() - self._sender.polled_at > PING_S:
            return "The outbox was not looked into for a minute."
        probed, before = self._probed(), self._probed_before
        self._probed_before = probed
        holds = [name for name in self._settings.names if self._holds(name)]
        if holds and probed == before and self._longest_s(holds) < PING_S:
            return "The collector has checked nothing for a minute."
        try:
            return await asyncio.to_thread(self._stored)
        except StoreError as error:
            return error.advice.what

    def _longest_s(self, names: Sequence[str]) -> float:
        """The shortest interval of these environments: so often at least something is checked."""
        return min(self._settings.environment(name).intervals.readiness for name in names)

    def _stored(self) -> str:
        now = clock.now_ms()
        with self._store.read() as connection:
            overdue = outbox.oldest_overdue(connection)
            newest = conditions.newest_ms(connection, self._settings.names)
        if overdue is not None and self._sender_is_asked() and now - overdue > OVERDUE_MS:
            return "A message has waited in the outbox for more than 5 minutes."
        if newest is not None and now - newest > max(MEASURED_WITHIN_MS, self._patience_ms()):
            return "No measurement was written for more than 10 minutes."
        return ""

    def _sender_is_asked(self) -> bool:
        return bool(self._settings.alerts.channels)

    def _patience_ms(self) -> int:
        return round(3000 * min(e.intervals.readiness for e in self._settings.environments))

    async def _ping(self, url: str) -> None:
        answer = await http_client.get(url, deadline_s=DEADLINE_S)
        if isinstance(answer, Answer) and 200 <= answer.status < 300:
            self.accepted_ms = clock.now_ms()
            return
        found = f"HTTP {answer.status}" if isinstance(answer, Answer) else answer.code
        self.why_not = f"The service that takes the sign of life did not accept it ({found})."
        log.warning("%s", self.why_not)

    def age_s(self) -> float | None:
        """Seconds since the last ping that was accepted; None where none was, or none is sent."""
        return None if self.accepted_ms is None else (clock.now_ms() - self.accepted_ms) / 1000
