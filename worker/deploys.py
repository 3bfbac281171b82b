"""Watches deploys: what is at work while somebody looks, what holds after each deploy, since when settings are so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from services import access, clock
from services.dependencies.inngest import flight
from services.deploys import after, asked, calls, history, in_flight, proof, success
from services.deploys.platform import Platform
from services.deploys.view import RUNS, granted_s, measured, platform_of
from services.errors import GreenlightError
from services.redact import fault
from services.replay import start
from services.replay.runs import CANARY
from services.settings.model import Environment, Settings
from services.store import Store, claims, conditions, deploys
from services.store.deploys import Deploy

log = logging.getLogger(__name__)
LOOK_S = 3.0  # between two looks at what is at work
CHECK_S = 10.0
KEEP_S = 300.0
SOON = ("readiness", "inngest", RUNS)  # the probes that tell what came of a deploy
ASKED_MS = 30 * clock.DAY_MS  # a canary is asked for once after a deploy, by whichever worker is first


class DeployWatch:
    """Everything about deploys that has to be looked at again and again."""

    def __init__(
        self, store: Store, settings: Settings, *, owner: str, holds: Callable[[str], bool],
        look_soon: Callable[[str, Collection[str]], None],
    ) -> None:  # fmt: skip
        self._store, self._settings, self._owner, self._holds = store, settings, owner, holds
        self._look_soon = look_soon

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        checked = kept = -KEEP_S
        while True:
            await self._look()
            if loop.time() - checked >= CHECK_S:
                checked = loop.time()
                keeps = checked - kept >= KEEP_S
                kept = checked if keeps else kept
                for name in await asyncio.to_thread(self._check_all, keeps):
                    self._look_soon(name, SOON)
                    await asyncio.to_thread(self._hint, name)
            await asyncio.sleep(LOOK_S)

    @property
    def _held(self) -> list[Environment]:
        return [environment for environment in self._settings.environments if self._holds(environment.name)]

    async def _look(self) -> None:
        wanted = await asyncio.to_thread(self._wanted)
        for environment in self._held:
            if environment.name in wanted:
                found = await flight.look(environment)
                await asyncio.to_thread(self._keep, environment.name, found)

    def _hint(self, name: str) -> None:
        with self._store.write() as connection:
            asked.hint(connection, name, clock.now_ms())

    def _wanted(self) -> tuple[str, ...]:
        with self._store.read() as connection:
            return in_flight.wanted(connection, (e.name for e in self._held), clock.now_ms())

    def _keep(self, name: str, found: flight.Flight | str) -> None:
        with self._store.write() as connection:
            in_flight.keep(connection, name, found, clock.now_ms())

    def _check_all(self, keeps: bool) -> list[str]:
        """Each environment by itself: one whose files can't be judged doesn't keep the others waiting.

        Returns those that were deployed just now.
        """
        now, new = clock.now_ms(), []
        for environment in self._held:
            try:
                if self._check(environment, now):
                    new.append(environment.name)
                if keeps:
                    self._put_down(environment, now)
            except GreenlightError as error:
                log.warning("deploys of %s can't be checked: %s", environment.name, error)
        return new

    def _check(self, environment: Environment, now: int) -> bool:
        """Look at the newest deploy; True the first time."""
        with self._store.read() as connection:
            deploy = after.due(connection, environment.name, now)
            if deploy is None:
                return False
            found = after.check(connection, self._settings, environment, deploy, now)
        if found.parts.get("canary", True) is None:
            self._ask_canary(environment, deploy, now)
        kept = deploy.detail.get(history.CHECK, {})
        if (dict(found.parts), found.confirmed) == (kept.get("parts"), kept.get("confirmed")):
            return False
        with self._store.write() as connection:
            after.keep(connection, deploy, found, now)
            if history.CHECK not in deploy.detail:
                granted = granted_s(platform_of(connection, self._settings, environment, now), clock.from_ms(now))
                history.foresee(connection, deploy, granted)
        if found.confirmed is not None:
            log.info("the deploy of %s to %s is %s", deploy.version, environment.name,
                     "confirmed" if found.confirmed else "not confirmed")  # fmt: skip
        return history.CHECK not in deploy.detail

    def _ask_canary(self, environment: Environment, deploy: Deploy, now: int) -> None:
        for agent in self._settings.replay.agents:
            if agent.environment != environment.name:
                continue
            name = f"canary-after:{agent.name}:{deploy.at_ms}"
            with self._store.write() as connection:
                if not claims.take(connection, name, self._owner, now_ms=now, lease_ms=ASKED_MS):
                    continue
            try:
                start.ask(self._store, self._settings, start.Wish(agent=agent.name, subset=CANARY), by=access.SCHEDULE)
            except GreenlightError as error:
                log.warning("no canary was asked for after the deploy of %s: %s", environment.name, fault(error))

    async def prove(self, name: str) -> None:
        """Look at an environment's settings, since somebody asks, or the platform calls."""
        environment = self._settings.environment(name)
        await asyncio.to_thread(proof.keep, self._store, self._settings, environment, clock.now_ms(), asked=True)

    def _count_calls(self, environment: Environment, platform: Platform, now: int) -> None:
        """Count calls that were made twice, where the application's trace file lies here."""
        path = calls.file_of(environment)
        if path is None:
            return
        how = measured(environment, platform, None, clock.from_ms(now))
        with self._store.read() as connection:
            waiting = history.to_count_calls(connection, environment.name, how, now)
        for deploy in waiting:
            number = calls.twice(path, *history.calls_span(deploy, how))
            with self._store.write() as connection:
                deploys.add_detail(connection, deploy, {history.CALLS: number})

    def _put_down(self, environment: Environment, now: int) -> None:
        with self._store.read() as connection:
            platform = platform_of(connection, self._settings, environment, now)
        moment = clock.from_ms(now)
        self._count_calls(environment, platform, now)
        with self._store.write() as connection:
            runs = {c.probe: c for c in conditions.load(connection, environment.name)}.get(RUNS)
            success.note_settings(connection, environment.name, platform, moment, now)
            history.put_down(connection, environment.name, measured(environment, platform, runs, moment), now)
        proof.keep(self._store, self._settings, environment, now)
