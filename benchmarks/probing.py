"""What a probe costs, stored and judged, for 500 targets every 5 s. Beside a bare asyncio loop in the same run."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.table import Figure
from services.dependencies.app.readiness import ReadinessProbe
from services.settings.model import Environment, Intervals
from services.store import Store
from services.store.migrate import migrate
from worker import collector as collector_module
from worker.collector import Collector
from worker.lag import LagMeter
from worker.writer import Writer

TARGETS = 500
INTERVAL_S = 5.0
SECONDS = 25.0


def measure() -> list[Figure]:
    """CPU per probe of ours and of a bare loop, and missed deadlines."""
    port = _free_port()
    target = subprocess.Popen([sys.executable, "-m", "benchmarks.target", str(port)])
    try:
        _wait(port)
        ours, missed, failed = _run(_ours(port))
        bare = _run(_bare(port))[0]
    finally:
        target.kill()
        target.wait()
    return [
        Figure(
            what="CPU per probe, stored and judged",
            value=ours,
            unit="ms",
            goal=2.2,
            note=f"{TARGETS} targets every {INTERVAL_S:g} s, new connections; goal: Prometheus + blackbox_exporter",
        ),
        Figure(what="the same beside a bare asyncio loop", value=ours / bare, unit="×", note=f"bare: {bare:.2f} ms"),
        Figure(what="missed deadlines", value=missed, unit="", goal=0),
        Figure(what="probes that failed", value=failed, unit="", goal=0),
    ]


def _run(work: object) -> tuple[float, int, int]:
    import uvloop

    return uvloop.run(work)  # type: ignore[arg-type]


async def _ours(port: int) -> tuple[float, int, int]:
    environments = tuple(
        Environment(name=f"e{n}", base_url=f"http://127.0.0.1:{port}", intervals=Intervals(readiness=INTERVAL_S))
        for n in range(TARGETS)
    )
    vars(collector_module)["probes_of"] = lambda environment, *_: (ReadinessProbe.from_settings(environment),)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'greenlight.db'}")
        migrate(store)
        writer, lag = Writer(store), LagMeter()
        failed = 0

        def sink(observation: object) -> None:
            nonlocal failed
            failed += observation.outcome not in {"ok", "slow"}  # type: ignore[attr-defined]
            writer.put(observation)  # type: ignore[arg-type]

        made = Collector(environments, sink=sink, lag=lag, holds=lambda _: True, first_look_within_s=INTERVAL_S)
        tasks = [asyncio.create_task(work) for work in (lag.run(), writer.run(), made.run())]
        await asyncio.sleep(INTERVAL_S + 1)  # past the first round, which loads each environment's state
        looks, cpu = made.probed, time.process_time()
        await asyncio.sleep(SECONDS)
        used, done = time.process_time() - cpu, made.probed - looks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await writer.close()
        store.close()
    return used / done * 1000, made.missed, failed


async def _bare(port: int) -> tuple[float, int, int]:
    """The least that such a prober could do: connect, ask, read, close."""
    request = b"GET /api/health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    async def follow(number: int) -> None:
        await asyncio.sleep(number / TARGETS * INTERVAL_S)
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            await reader.read(-1)
            writer.close()
            counted.append(1)
            await asyncio.sleep(INTERVAL_S)

    counted: list[int] = []
    tasks = [asyncio.create_task(follow(n)) for n in range(TARGETS)]
    await asyncio.sleep(INTERVAL_S + 1)
    before, cpu = len(counted), time.process_time()
    await asyncio.sleep(SECONDS / 2)
    used, done = time.process_time() - cpu, len(counted) - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return used / done * 1000, 0, 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
