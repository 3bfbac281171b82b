"""Notices that an environment's configuration changed. Looks at env files, keeps snapshot and evidence, renews
secrets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from services import clock
from services.env_files.document import UnreadableSource
from services.envs import catalogue as catalogues
from services.envs import inspect, live
from services.errors import SettingsError, StoreError
from services.fingerprint import InstallationKey, installation_key
from services.redact import fault
from services.settings.load import with_current_secrets
from services.settings.model import Environment, Settings
from services.store import Store
from worker.collector import Collector
from worker.leases import JobFailed

log = logging.getLogger(__name__)
EVERY_S = 15.0
RESULTS = {
    "PASS": "the variables are valid and strict.",
    "FAIL": "the variables have errors.",
    "RELAXED": "the variables are relaxed: nothing is enforced.",
    "INCONCLUSIVE": "not all could be checked.",
}


class EnvironmentWatch:
    """Reads every held environment's configuration regularly; says each trouble once."""

    def __init__(self, store: Store, settings: Settings, *, collector: Collector, holds: Callable[[str], bool]) -> None:
        self._store, self._settings, self._holds = store, settings, holds
        self._collector = collector
        self._catalogue = catalogues.load(settings.keys_file)
        self._key: InstallationKey | None = None
        self._fingerprints: dict[str, str] = {}
        self._troubles: dict[str, str] = {}
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for environment in self._settings.environments:
                if self._holds(environment.name) and inspect.has_source(environment):
                    await self._probe(environment)
            await asyncio.sleep(EVERY_S if self._fingerprints or self._troubles else 1.0)

    async def catch_up(self, name: str) -> None:
        """Read an environment's configuration before somebody has it measured.

        Who has just corrected it presses at once, and what is found counts only under what the file says now.
        """
        environment = self._settings.environment(name)
        if inspect.has_source(environment):
            await self._probe(environment)

    async def _probe(self, environment: Environment) -> None:
        try:
            async with self._one_at_a_time:
                self._note(await asyncio.to_thread(self._inspect_now, environment))
        except (UnreadableSource, SettingsError, StoreError) as error:
            if self._troubles.get(environment.name) != str(error):
                log.warning("the configuration of %s can't be watched: %s", environment.name, error)
            self._troubles[environment.name] = str(error)
            return
        except Exception as error:  # noqa: BLE001 - one environment's file doesn't keep the others from being read
            if self._troubles.get(environment.name) != (found := fault(error)):
                log.error("the configuration of %s can't be judged: %s", environment.name, found)
            self._troubles[environment.name] = found
            return
        self._troubles.pop(environment.name, None)

    def _inspect_now(self, environment: Environment) -> inspect.Inspection:
        self._key = self._key or installation_key(self._settings.data_dir)
        now = clock.now_ms()
        reported = inspect.reported_by_the_app(self._store, environment.name, now)
        seen = inspect.run(environment, self._settings, self._catalogue, key=self._key, reported=reported, now_ms=now)
        inspect.record(self._store, seen, by="worker", now_ms=now)
        return seen

    def _note(self, seen: inspect.Inspection) -> None:
        """From now on evidence is taken under this fingerprint, and probes use the secrets as they are now."""
        if seen.snapshot is None:
            return
        name, found = seen.environment.name, seen.snapshot.fingerprint
        before = self._fingerprints.get(name)
        if before == found:
            return
        self._fingerprints[name] = found
        if before is not None:
            log.info("the configuration of %s changed", name)
        self._collector.renew(with_current_secrets(seen.environment), found)

    async def validate(self, name: str, progress: Callable[[int, int], Awaitable[None]]) -> str:
        """A person's request: validate with live checks, keep evidence; returns what came of it.

        Raises JobFailed, StoreError.
        """
        environment = self._settings.environment(name)
        await progress(0, 2)
        now = clock.now_ms()
        try:
            document = await asyncio.to_thread(inspect.read, environment)
            neighbours = inspect.sides(inspect.neighbours(environment, self._settings))
            seen_live = await live.check(
                document, inspect.mode_of(environment), environment, connections=True, route=True,
                others={side.name: side.document for side in neighbours},
            )  # fmt: skip
            await progress(1, 2)
            seen = await asyncio.to_thread(self._inspect_with, environment, seen_live, now)
        except (UnreadableSource, SettingsError) as error:
            raise JobFailed(f"It could not be validated: {error}") from error
        self._note(seen)
        await progress(2, 2)
        return RESULTS[seen.validation.result]

    def _inspect_with(self, environment: Environment, seen_live: live.Live, now: int) -> inspect.Inspection:
        self._key = self._key or installation_key(self._settings.data_dir)
        reported = inspect.reported_by_the_app(self._store, environment.name, now)
        seen = inspect.run(
            environment, self._settings, self._catalogue, key=self._key, reported=reported, live=seen_live, now_ms=now
        )
        inspect.record(self._store, seen, by="a person's request", now_ms=now, always=True)
        return seen
