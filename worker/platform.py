"""Asks the platform's API about each environment: every few minutes, and soon after a hint. A part of its own."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from services import clock
from services.deploys import asked, releases
from services.errors import StoreError
from services.settings.model import Environment, Settings
from services.store import Store

log = logging.getLogger(__name__)
TICK_S = 1.0  # between two looks for hints


class PlatformWatch:
    """A platform that hangs keeps no other environment, and no other part of the worker, waiting."""

    def __init__(self, store: Store, settings: Settings, *, holds: Callable[[str], bool]) -> None:
        self._store, self._settings, self._holds = store, settings, holds
        self._one_at_a_time: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for environment in self._settings.environments:
                group.create_task(self._follow(environment))
            await asyncio.Event().wait()

    async def _follow(self, environment: Environment) -> None:
        while self._settings.deploys.platform is not None:
            if self._holds(environment.name):
                try:
                    await self.ask(environment.name)
                except StoreError as error:  # the writer and the leases say it aloud
                    log.debug("the platform's API of %s waits: %s", environment.name, error)
            await asyncio.sleep(TICK_S)

    async def ask(self, name: str, *, hinted: bool = False) -> None:
        """Ask where it is due, and keep what it says. `hinted`: somebody wants to know now. Raises StoreError."""
        if self._settings.deploys.platform is None:
            return
        environment = self._settings.environment(name)
        async with self._one_at_a_time[name]:
            before, hint_ms, now = await asyncio.to_thread(self._before, name)
            if not before.is_due(now, hinted=hinted or hint_ms != before.hint_ms):
                return
            if await asyncio.to_thread(asked.why_not, self._settings, environment):
                return
            found = await asked.ask(self._settings, environment, replace(before, hint_ms=hint_ms), now)
            await asyncio.to_thread(self._keep, name, found, now)
        if found.code and found.code != before.code:
            log.warning("the platform's API refuses what is asked about %s: %s", name, found.code)

    def _before(self, name: str) -> tuple[asked.Asked, int, int]:
        with self._store.read() as connection:
            before, hint_ms = asked.load(connection, self._settings, name), asked.hinted_ms(connection, name)
        return before, hint_ms, clock.now_ms()

    def _keep(self, name: str, found: asked.Asked, now: int) -> None:
        with self._store.write() as connection:
            asked.keep(connection, name, found)
            if not found.code:
                releases.join(connection, name, found.deployments, now)
