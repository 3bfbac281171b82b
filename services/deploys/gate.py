"""The light for pipelines: asks Inngest itself, now, and again until nothing is at work or the time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from services import clock
from services.clock import DAY_MS
from services.dependencies.inngest.runs import at_work
from services.deploys.light import Light, light
from services.deploys.view import SINCE_DAYS
from services.errors import StoreError
from services.settings.model import Environment
from services.store import Store, inngest_runs
from services.store.inngest_runs import Durations

PAUSE_S = 5.0


async def wait(
    environment: Environment, store: Store | None, *, wait_s: float, progress: Callable[[Light], None],
    pause_s: float = PAUSE_S,
) -> Light:  # fmt: skip
    """The first light that is clear, or the last one when the time is over. Without a store nothing is expected."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + wait_s
    durations = await asyncio.to_thread(_durations, environment.name, store)
    while True:
        found = await look(environment, durations)
        left = give_up - loop.time()
        if found.clear or left <= 0:
            return found
        progress(found)
        await asyncio.sleep(min(pause_s, left))


async def look(environment: Environment, durations: dict[str, tuple[float, ...]]) -> Light:
    """What is at work now, as Inngest lists it."""
    found = await at_work(environment)
    now = clock.now_ms()
    if isinstance(found, str):
        return Light(clear=None, as_of_ms=now, why=found)
    return light(found, durations, as_of_ms=now)


def _durations(name: str, store: Store | None) -> dict[str, tuple[float, ...]]:
    if store is None:
        return {}
    try:
        with store.read() as connection:
            since = clock.now_ms() - SINCE_DAYS * DAY_MS
            found: tuple[Durations, ...] = inngest_runs.durations(connection, name, since_ms=since)
    except StoreError:
        return {}
    return {item.function: item.all_s for item in found}
