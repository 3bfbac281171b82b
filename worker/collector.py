"""When each probe is due, and who runs it. One task a probe, jittered, never two checks of one probe at a time, at most
eight in flight per environment, and only for environments whose lease this worker holds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from services.dependencies.model import Probe, Reading
from services.dependencies.own_network import OwnNetwork
from services.dependencies.probes import Beats, Siblings, probes_of
from services.dependencies.run import Observation, excuse_if_late, observe
from services.settings.model import Environment
from worker.lag import LagMeter

IN_FLIGHT = 8
FIRST_LOOK_WITHIN_S = 1.5
JITTER = 0.05
GRACE_S = 1.0
WAIT_S = 0.2
Progress = Callable[[int, int], Awaitable[None]]


@dataclass(slots=True)
class _Watched:
    probe: Probe
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    previous: Mapping[str, Any] = field(default_factory=dict)


class Collector:
    """Looks at every probe of every environment on its interval; `sink` takes the observations."""

    def __init__(
        self,
        environments: tuple[Environment, ...],
        *,
        sink: Callable[[Observation], None],
        lag: LagMeter,
        holds: Callable[[str], bool],
        waits: Callable[[str], bool] = lambda _probe: False,
        beats: Beats | None = None,
        siblings: Siblings = tuple,
        network: OwnNetwork | None = None,
        first_look_within_s: float = FIRST_LOOK_WITHIN_S,
    ) -> None:
        self._environments = {environment.name: environment for environment in environments}
        self._beats, self._siblings, self._network = beats, siblings, network
        self._watched = {e.name: [_Watched(probe) for probe in probes_of(e, beats, siblings)] for e in environments}
        self._slots = {name: asyncio.Semaphore(IN_FLIGHT) for name in self._environments}
        self._fingerprints: dict[str, str] = {}
        self._sink, self._lag, self._holds, self._waits = sink, lag, holds, waits
        self._first_look_within_s = first_look_within_s
        self.probed = 0
        self.missed = 0  # due moments skipped because the check before took longer than the interval

    def remember(self, environment: str, details: Mapping[str, Mapping[str, Any]]) -> None:
        """Give probes back what they knew before a restart, by probe name."""
        for watched in self._watched[environment]:
            watched.previous = details.get(watched.probe.name, watched.previous)

    def renew(self, environment: Environment, fingerprint: str) -> None:
        """Look with these secrets from now on; what they prove is taken under this configuration."""
        self._environments[environment.name] = environment
        self._fingerprints[environment.name] = fingerprint
        fresh = {probe.name: probe for probe in probes_of(environment, self._beats, self._siblings)}
        for watched in self._watched[environment.name]:
            watched.probe = fresh.get(watched.probe.name, watched.probe)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, entries in self._watched.items():
                for watched in entries:
                    group.create_task(self._follow(name, watched), name=f"probe:{name}:{watched.probe.name}")

    async def _follow(self, name: str, watched: _Watched) -> None:
        loop, interval = asyncio.get_running_loop(), watched.probe.interval_s
        due = loop.time() + random.random() * min(interval, self._first_look_within_s)  # noqa: S311
        while True:
            if await _comes(watched.asked, within_s=due - loop.time()):
                due = loop.time()
            while self._waits(watched.probe.name):  # noqa: ASYNC110 - for what it probes to be set up, after a start
                await asyncio.sleep(WAIT_S)
            watched.asked.clear()
            if self._holds(name):
                await self._probe(name, watched)
            due += interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load only
            if due < loop.time():
                self.missed += 1
                due = loop.time()

    async def _probe(self, name: str, watched: _Watched, *, asked: bool = False) -> None:
        async with watched.lock, self._slots[name]:
            fingerprint = self._fingerprints.get(name)  # before the check: a change meanwhile is for the next one
            begun = asyncio.get_running_loop().time()
            lag_ms = self._lag.worst_since(begun - 1)
            deadline = watched.probe.deadline_s
            try:
                async with asyncio.timeout(deadline + GRACE_S):
                    seen = await observe(self._environments[name], watched.probe, watched.previous, lag_ms=lag_ms)
            except TimeoutError:  # a probe that outlives its own deadline is our fault, not the target's
                seen = await observe(self._environments[name], _Overdue(watched.probe), {}, lag_ms=lag_ms)
            seen = excuse_if_late(seen, self._lag.worst_since(begun), deadline)
            if self._network is not None:
                seen = await self._network.excuse(self._environments[name], seen)
            seen = replace(seen, fingerprint=fingerprint, asked=asked)
            if not seen.reading.code.startswith("prober."):
                watched.previous = seen.reading.detail
            self.probed += 1
            self._sink(seen)

    def look_soon(self, environment: str, probes: Collection[str]) -> None:
        """Don't wait for the interval: what these probes measure has just changed."""
        for watched in self._watched[environment]:
            if watched.probe.name in probes:
                watched.asked.set()

    async def look_now(self, name: str, progress: Progress) -> int:
        """Look at every probe of an environment once, now; returns how many there were."""
        entries = self._watched[name]
        done = 0
        await progress(0, len(entries))
        for finished in asyncio.as_completed([self._probe(name, watched, asked=True) for watched in entries]):
            await finished
            done += 1
            await progress(done, len(entries))
        return done


async def _comes(event: asyncio.Event, *, within_s: float) -> bool:
    try:
        async with asyncio.timeout(max(0.0, within_s)):
            await event.wait()
    except TimeoutError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Overdue:
    """Stands in for a probe that did not come back, to note that it didn't."""

    probe: Probe

    @property
    def name(self) -> str:
        return self.probe.name

    @property
    def interval_s(self) -> float:
        return self.probe.interval_s

    @property
    def deadline_s(self) -> float:
        return self.probe.deadline_s

    async def run(self, previous: Mapping[str, Any]) -> Reading:  # noqa: ARG002 - nothing to remember
        return Reading(code="prober.fault", detail={"error": "the probe outlived its deadline"})
