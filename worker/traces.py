"""Follows the trace files: a part of its own, since a large one keeps it busy for a while."""

from __future__ import annotations

import asyncio
import logging

from filelock import Timeout

from services import clock
from services.clock import HOUR_MS, MINUTE_MS
from services.errors import StoreError
from services.settings.model import Settings
from services.slo.objectives import slos_of
from services.store import Store, samples
from services.store.samples import Sample
from services.traces import intake, slis
from services.traces.keep import Kept
from services.traces.query import Traces

log = logging.getLogger(__name__)
EVERY_S, TIDY_S = 2.0, 60.0
SOURCES_S = 30.0  # env files are asked so often for the trace file that they name


class TraceWork:
    """Takes in what the files hold, and keeps the folder small."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings, self._kept = store, settings, Kept(settings.data_dir)
        self._measured_ms = 0  # the minute that was measured last
        self._sources: tuple[intake.Source, ...] = ()
        self._sources_at = float("-inf")
        self._seen: dict[str, intake.Stamp] = {}
        self.spans = 0
        self.trouble = ""

    async def run(self) -> None:
        """Until cancelled."""
        loop, tidied = asyncio.get_running_loop(), float("-inf")
        while True:
            is_due = loop.time() - tidied > TIDY_S
            tidied = loop.time() if is_due else tidied
            try:
                if loop.time() - self._sources_at > SOURCES_S:
                    self._sources = await asyncio.to_thread(intake.sources, self._settings)
                    self._sources_at = loop.time()
                self.spans += await asyncio.to_thread(self._once, tidy=is_due)
                self.trouble = ""
            except StoreError as error:
                log.debug("what traces say for SLOs waits: %s", error)
            except (OSError, Timeout) as error:
                why = getattr(error, "strerror", None) or "another process holds their folder"
                said = f"Traces can't be kept ({why})."
                if said != self.trouble:
                    log.error("%s What the files hold is taken in later.", said)
                self.trouble = said
            await asyncio.sleep(EVERY_S)

    def _once(self, *, tidy: bool) -> int:
        count = intake.take_in(self._settings, self._kept, self._sources, self._seen)
        if tidy and self._kept.folder.exists():
            dropped = intake.look_after(self._settings, self._kept, clock.now_ms())
            if dropped.for_room:
                log.warning("traces of %s were dropped: [traces] max_gb is reached", ", ".join(dropped.for_room))
            self.measure(clock.now_ms())
        return count

    def measure(self, now_ms: int) -> int:
        """Measure the minutes that have settled since the last time, an hour at most, for each environment with an
        objective about traces; returns how many samples were written. One that is there already stays. Raises
        StoreError."""
        last = (now_ms - slis.SETTLED_MS) // MINUTE_MS * MINUTE_MS - MINUTE_MS
        first = max(self._measured_ms + MINUTE_MS, last - HOUR_MS)
        traces, made = Traces(self._settings.data_dir), []
        for environment in self._settings.environments:
            asked = {slo.sli: slo.threshold for slo in slos_of(environment) if slo.sli in slis.SLIS}
            for minute in range(first, last + MINUTE_MS, MINUTE_MS) if asked else ():
                found = slis.measured(traces, environment.name, minute)
                made += [
                    Sample(environment=environment.name, sli=sli, at_ms=minute, value=value, good=good, interval_s=60)
                    for sli, good in slis.good(found, asked).items() if sli in asked for value in [found[sli]]
                ]  # fmt: skip
        if made:
            with self._store.write() as connection:
                samples.append(connection, made, {})
        self._measured_ms = last
        return len(made)
