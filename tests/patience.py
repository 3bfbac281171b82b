"""How long a test waits for what must come true. Long: a busy machine is late, not wrong. Time is never asserted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx

PATIENCE_S = 120.0


def wait_until(
    condition: Callable[[], bool],
    patience_s: float = PATIENCE_S,
    *,
    found: Callable[[], object] = lambda: "",
    pause_s: float = 0.1,
) -> None:
    """Come back as soon as it is true; else fail with what was `found` instead."""
    give_up = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > give_up:
            raise AssertionError(f"it did not come true within {patience_s:.0f} s: {found()}")
        time.sleep(pause_s)


def answers(url: str) -> bool:
    """Whether anything answers there by now."""
    try:
        httpx.get(url, timeout=5)
    except httpx.HTTPError:
        return False
    return True


async def until(condition: Callable[[], bool], *, pause_s: float = 0.01) -> None:
    """The same inside an event loop."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - of anything, which has no event
            await asyncio.sleep(pause_s)
