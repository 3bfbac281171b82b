"""The light for pipelines: asks Inngest itself, now, and again until nothing is at work or the time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from services import clock
from services.dependencies.inngest import flight
from services.dependencies.inngest.flight import InFlight
from services.deploys import jobs
from services.deploys.forecast import SINCE_MS
from services.deploys.light import Light, light
from services.errors import StoreError
from services.settings.model import Environment
from services.store import Store, durations
from services.store.durations import RUN, Durations

PAUSE_S = 5.0


async def wait(
    environment: Environment, store: Store | None, *, wait_s: float, progress: Callable[[Light], None],
    pause_s: float = PAUSE_S,
) -> Light:  # fmt: skip
    """The first light that is clear, or the last one when the time is over. Without a store nothing is expected."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + wait_s
    while True:
        found = await look(environment, store)
        left = give_up - loop.time()
        if found.clear or left <= 0:
            return found
        progress(found)
        await asyncio.sleep(min(pause_s, left))


async def look(environment: Environment, store: Store | None) -> Light:
    """What is at work now: runs as Inngest lists them, and jobs that report to us."""
    found = await flight.look(environment)
    running, took = await asyncio.to_thread(_kept, environment, store)
    now = clock.now_ms()
    if isinstance(found, str):
        return replace(light(running, took, as_of_ms=now), clear=None, why=found)
    return light([*running, *found.runs], took, as_of_ms=now, idle=found.idle)


def _kept(environment: Environment, store: Store | None) -> tuple[list[InFlight], Mapping[str, Durations]]:
    """Jobs at work, and how long runs and jobs took; nothing where the store can't be read."""
    if store is None:
        return [], {}
    try:
        with store.read() as connection:
            now = clock.now_ms()
            runs = durations.load(connection, environment.name, RUN, since_ms=now - SINCE_MS, now_ms=now)
            running, took = jobs.read(connection, environment)
    except StoreError:
        return [], {}
    return running, {d.function: d for d in runs} | took
