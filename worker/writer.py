"""How do observations reach the store without holding up a probe, and what if the store is away?

Batches are written by one thread. While the store can't be written they are kept in memory, oldest dropped only
beyond a large bound, and tried again: nothing that was acknowledged is lost, and recovery needs nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from services import ledger
from services.errors import StoreError
from services.probes.run import Observation
from services.store import Store

log = logging.getLogger(__name__)
FLUSH_S = 0.3
BATCH = 400
KEPT_AT_MOST = 20_000
RETRY_S = 2.0


class Writer:
    """Takes observations, writes them in batches; `trouble` is one sentence while the store can't be written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._memory = ledger.Memory()
        self._waiting: deque[Observation] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._flushing = asyncio.Lock()
        self._forgotten: set[str] = set()
        self.trouble = ""
        self.committed_samples = 0
        self.committed_observations = 0
        self.dropped = 0

    @property
    def backlog(self) -> int:
        """Observations that wait to be written."""
        return len(self._waiting)

    def put(self, observation: Observation) -> None:
        """Hand over an observation; returns at once."""
        if len(self._waiting) >= KEPT_AT_MOST:
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
            while self._waiting:
                batch = [self._waiting[i] for i in range(min(BATCH, len(self._waiting)))]
                if not await self._write(batch):
                    return False
                for _ in batch:
                    self._waiting.popleft()
            self._arrived.clear()
            return True

    async def _write(self, batch: list[Observation]) -> bool:
        while self._forgotten:
            self._memory.forget(self._forgotten.pop())
        loop = asyncio.get_running_loop()
        try:
            written = await loop.run_in_executor(self._thread, ledger.record, self._store, batch, self._memory)
        except StoreError as error:
            if self.trouble != error.sentence:
                log.error("results can't be saved: %s They are kept in memory meanwhile.", error)
            self.trouble = error.sentence
            return False
        if self.trouble:
            log.warning("results are saved again; %d waited", len(self._waiting))
            self.trouble = ""
        self.committed_samples += written
        self.committed_observations += len(batch)
        return True

    async def close(self) -> None:
        """Write what waits, once, and end the thread."""
        await self.flush()
        self._thread.shutdown(wait=True)
