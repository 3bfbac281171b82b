"""How late this process itself is. A slow prober must not be billed to its target."""

from __future__ import annotations

import asyncio
from collections import deque

TICK_S = 0.1
KEPT = 600
NOTABLE_MS = 5.0


class LagMeter:
    """Measures how much later than asked the event loop wakes up."""

    def __init__(self) -> None:
        self._lags: deque[tuple[float, float]] = deque(maxlen=KEPT)

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(TICK_S)
            after = loop.time()
            lag_ms = (after - before - TICK_S) * 1000
            if lag_ms > NOTABLE_MS:
                self._lags.append((after, lag_ms))

    def worst_since(self, moment: float) -> int:
        """The largest lag in ms since a loop time; 0 where none was notable."""
        worst = 0.0
        for at, lag_ms in reversed(self._lags):
            if at < moment:
                break
            worst = max(worst, lag_ms)
        return int(worst)
