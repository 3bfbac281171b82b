"""Kills a worker's alerting again and again: `killed_worker.py CONFIG KILLS MEAN_S ALERTS SEED`.

One process that has everything imported forks a child; the child writes the next failures with their alerts, and sends
what waits, until it is killed at a random moment. What is left to do is known from the store alone, as after a start.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path

from services import clock
from services.alerts import writing
from services.alerts.setup import AlertSetup, Watched
from services.channels import send  # noqa: F401 - imported before the fork
from services.dependencies.model import Reading
from services.dependencies.run import Observation
from services.health import record as ledger
from services.settings import load
from services.settings.model import Settings
from services.store import Store, conditions
from worker.sending import Sender

LEASE_MS = 300


def setup_of(settings: Settings, number: int) -> AlertSetup:
    """Environments `t0`, `t1`, …, each with one probe that fails; told of by the settings' channels."""
    from dataclasses import replace

    names = [f"t{n}" for n in range(number)]
    made = AlertSetup.from_settings(settings)
    channels = tuple(replace(channel, environments=frozenset(names)) for channel in made.channels)
    environments = {name: Watched(name=name, probes=frozenset({"readiness"})) for name in names}
    return AlertSetup(environments=environments, channels=channels, resolved_after_ms=0)


def failure(name: str) -> Observation:
    return Observation(environment=name, simulated=False, probe="readiness", interval_s=3600, at_ms=clock.now_ms(),
                       lag_ms=0, reading=Reading(code="readiness.refused"))  # fmt: skip


async def work(settings: Settings, number: int, spread_s: float, begun_s: float) -> None:
    """Fail what is due and hasn't failed yet; send what waits."""
    store = Store.open(settings.database_url.get_secret_value())
    within = partial(writing.of_states, setup_of(settings, number))
    memory = ledger.Memory()
    with store.read() as connection:  # once: nobody else writes, and the sender needs the loop
        done = {c.environment for c in conditions.load(connection)}
    sender = asyncio.create_task(Sender(store, settings, owner=f"w{os.getpid()}", lease_ms=LEASE_MS).run())
    while not sender.done():
        due = min(number, 1 + int(number * (time.time() - begun_s) / spread_s))
        for name in [f"t{n}" for n in range(due) if f"t{n}" not in done]:
            await asyncio.to_thread(ledger.record, store, [failure(name)], memory, within)
            done.add(name)
        await asyncio.sleep(0.02)


def main() -> None:
    """Fork and kill; says how many kills there were."""
    config, kills, mean_s, number, seed = sys.argv[1:6]
    os.environ["GREENLIGHT_CONFIG"] = config
    settings = load()
    chance, begun_s = random.Random(int(seed)), time.time()
    spread_s = int(kills) * float(mean_s) * 0.8
    for _ in range(int(kills)):
        child = os.fork()
        if child == 0:
            asyncio.run(work(settings, int(number), spread_s, begun_s))
            os._exit(1)  # it doesn't end by itself
        time.sleep(chance.uniform(0.2, 1.8) * float(mean_s))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print(f"killed {kills}", flush=True)
    Path(config).with_name("killed").write_text(kills)
    asyncio.run(work(settings, int(number), 0.001, begun_s))


if __name__ == "__main__":
    main()
