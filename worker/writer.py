"""Brings observations to the store without holding up a probe, also while the store is away.

Batches are written by one thread. While the store can't be written they are kept in memory, oldest dropped only
beyond a large bound, and tried again: nothing that was acknowledged is lost, and recovery needs nobody. An
observation that can't be judged or stored is set aside alone, counted and shown, and its batch goes on without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor

from services.dependencies.run import Observation, set_aside
from services.errors import StoreError, StoreFault, StoreRejected
from services.health import record as ledger
from services.redact import fault
from services.store import Store

log = logging.getLogger(__name__)
FLUSH_S = 0.3
BATCH = 400
KEPT_AT_MOST = 20_000
RETRY_S = 2.0


class Writer:
    """Takes observations, writes them in batches; `trouble` is one sentence while the store can't be written."""

    def __init__(self, store: Store, within: ledger.Within | None = None) -> None:
        self._store, self._within = store, within
        self._memory = ledger.Memory()
        self._waiting: deque[Observation] = deque()
        self._held: list[Observation] = []  # the batch that is being written; what was written is taken out at once
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._flushing = asyncio.Lock()
        self._forgotten: set[str] = set()
        self.trouble = ""
        self.committed_samples = 0
        self.committed_observations = 0
        self.dropped = 0
        self.set_aside: Counter[str] = Counter()  # observations that could not be judged or stored, by kind of error

    @property
    def backlog(self) -> int:
        """Observations that wait to be written."""
        return len(self._waiting) + len(self._held)

    def put(self, observation: Observation) -> None:
        """Hand over an observation; returns at once."""
        if self.backlog >= KEPT_AT_MOST and self._waiting:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(observation)
        self._arrived.set()

    def forget(self, environment: str) -> None:
        """Read this environment's state from the store again: another worker may have written it."""
        self._forgotten.add(environment)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(FLUSH_S)
            if not await self.flush():
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> bool:
        """Write all that waits; False where the store could not take it."""
        async with self._flushing:
            while self._waiting or self._held:
                while self._waiting and len(self._held) < BATCH:
                    self._held.append(self._waiting.popleft())
                if not await self._write():
                    return False
            self._arrived.clear()
            return True

    async def _write(self) -> bool:
        while self._forgotten:
            self._memory.forget(self._forgotten.pop())
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._record, list(self._held))
        except StoreError as error:
            if self.trouble != error.advice.what:
                log.error("results can't be saved: %s They are kept in memory meanwhile.", error)
            self.trouble = error.advice.what
            return False
        if self.trouble:
            log.warning("results are saved again; %d more wait", len(self._waiting))
            self.trouble = ""
        return True

    def _record(self, batch: list[Observation]) -> None:
        """Write a batch. What makes it fail is searched for by halves and set aside, and the rest is written.

        Raises StoreError where the store takes nothing at all now; what was not written then waits.
        """
        try:
            self._count(ledger.record(self._store, batch, self._memory, self._within), len(batch))
        except StoreError as error:
            if error.passes and not isinstance(error, StoreFault):
                raise
            self._search(batch, error, error.advice.what.rstrip("."))
        except Exception as error:  # noqa: BLE001 - whatever one observation does to us, the others are written
            self._search(batch, error, f"Greenlight can't judge it ({type(error).__name__})")

    def _count(self, samples: int, observations: int) -> None:
        self.committed_samples += samples
        self.committed_observations += observations
        del self._held[:observations]

    def _search(self, batch: list[Observation], error: Exception, reason: str) -> None:
        if len(batch) > 1:
            middle = len(batch) // 2
            self._record(batch[:middle])
            self._record(batch[middle:])
            return
        (item,) = batch
        try:
            ledger.record(self._store, [set_aside(item, reason)], self._memory, self._within)
        except StoreError as again:
            if not isinstance(again, StoreRejected):
                raise  # the store takes nothing, so the observation was not at fault
            log.error("nothing can be stored of probe %s of %s", item.probe, item.environment)
        except Exception as again:  # noqa: BLE001 - not even that it was made can be stored
            log.error("nothing can be stored of probe %s of %s: %s", item.probe, item.environment, fault(again))
        self._count(0, 1)
        self.set_aside[type(error).__name__] += 1
        log.error("a check of %s of %s was set aside: %s", item.probe, item.environment, fault(error))

    async def close(self) -> None:
        """Write what waits, once, and end the thread."""
        await self.flush()
        self._thread.shutdown(wait=True)
