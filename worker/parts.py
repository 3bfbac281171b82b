"""The worker's parts kept at work: one that ends is started again with back-off, and stays down if it keeps ending.

The other parts go on meanwhile. What is wrong is one sentence for the pages, and a count for `/metrics`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable

from services.errors import StoreError
from services.redact import fault

log = logging.getLogger(__name__)
MOST_ENDS, WITHIN_S = 5, 600.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
Work = Callable[[], Awaitable[None]]


class Parts:
    """Runs parts by name. `trouble` is one sentence, empty while all of them are at work."""

    def __init__(self, *, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._first_pause_s = first_pause_s
        self._waiting: set[str] = set()
        self.down: set[str] = set()
        self.restarts: Counter[str] = Counter()
        self.stopping = False
        self.notes: dict[str, str] = {}  # what is wrong with the whole, by who found it

    @property
    def trouble(self) -> str:
        """What the pages say of parts that are not at work."""
        if self.notes:
            return " ".join(self.notes.values())
        if self.down:
            return (
                f"A part of the worker is down ({', '.join(sorted(self.down))}): it failed {MOST_ENDS} times in "
                f"{WITHIN_S / 60:.0f} minutes. Read the worker's log, then restart the worker; the other parts go on."
            )
        if self._waiting:
            return f"A part of the worker failed ({', '.join(sorted(self._waiting))}) and is being restarted."
        return ""

    async def keep(self, name: str, work: Work) -> None:
        """Until cancelled, or a stop was asked for and the part ended by itself."""
        loop = asyncio.get_running_loop()
        ends: deque[float] = deque()
        while True:
            began = loop.time()
            away = await self._once(name, work)
            if self.stopping:
                return
            now = loop.time()
            if not away:  # while the store is away, a part that needs it has no fault of its own
                ends.append(now)
            while ends and ends[0] < now - WITHIN_S:
                ends.popleft()
            if len(ends) >= MOST_ENDS:
                self._waiting.discard(name)
                self.down.add(name)
                log.error("the part %r failed %d times in %.0f minutes and stays down", name, len(ends), WITHIN_S / 60)
                return
            self._waiting.add(name)
            await asyncio.sleep(min(self._first_pause_s * 2 ** max(0, len(ends) - 1), LONGEST_PAUSE_S))
            self.restarts[name] += 1
            log.warning("the part %r is restarted after %.0f s of work", name, now - began)
            asyncio.get_running_loop().call_later(self._first_pause_s, self._waiting.discard, name)

    async def _once(self, name: str, work: Work) -> bool:
        """Run a part to its end; whether it ended because the store was away."""
        try:
            await work()
        except StoreError as error:
            log.error("the part %r failed: %s", name, error)
            return error.passes
        except Exception as error:  # noqa: BLE001 - whatever ends a part, the others go on
            log.error("the part %r failed: %s", name, fault(error))
            return False
        if not self.stopping:
            log.error("the part %r ended without being asked to", name)
        return False
