"""What the page Deployments costs with a month of background work: 50,000 runs of ten steps each."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy
import pandas
from sqlalchemy import select

from benchmarks.pages import _bare, _process, _reruns
from benchmarks.table import Figure
from services import clock
from services.clock import DAY_MS, HOUR_MS
from services.dependencies.inngest import finished
from services.dependencies.model import Reading, RunSeen, StepSeen
from services.dependencies.run import Observation
from services.deploys import forecast, in_flight
from services.deploys.view import view
from services.settings import Settings, load
from services.store import Store, durations, samples
from services.store.migrate import migrate
from services.store.samples import Sample
from services.store.schema import samples as table
from services.store.schema import series
from worker.deploys import DeployWatch

RUNS, STEPS, FUNCTIONS = 50_000, 10, 5
BATCHES, TIMES, LOOKS = 40, 7, 5
GRANTED_S = 60
CONFIG = """
[[environments]]
name = "p"
base_url = "http://127.0.0.1:9"
inngest = { mode = "dev", api_url = "http://127.0.0.1:{port}" }
"""


EMPTY = "import streamlit as st\nst.write('hello')\n"


def measure() -> list[Figure]:
    """The forecast beside pandas, the page beside an empty one, a step beside a probe's sample, and the light."""
    with tempfile.TemporaryDirectory() as name, _inngest() as (port, server):
        folder = Path(name)
        (folder / "greenlight.toml").write_text(CONFIG.replace("{port}", str(port)))
        variables = {"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder)}
        settings = load(variables)
        store = Store.open(settings.database_url.get_secret_value())
        migrate(store)
        now = clock.now_ms()
        _month(store, now)
        figures = [*_forecast(store, now), _keeping(folder), _light(store, settings, server)]
        store.close()
        with _process(["app.py"], variables) as portal, _bare(folder, "empty", EMPTY) as empty:
            one, _ = asyncio.run(_reruns(portal, "deployments?env=p"))
            base, _ = asyncio.run(_reruns(empty, ""))
        note = f"{one:.1f} ms beside {base:.1f} ms; {RUNS:,} runs with {RUNS * STEPS:,} steps"
        figures.append(Figure(what="rerun, Deployments, × empty page", value=one / base, unit="×", goal=3, note=note))
        return figures


def _month(store: Store, now: int) -> None:
    """Runs and their steps over 30 days, an hour a transaction."""
    generator = random.Random(4)
    begin, known = now - 30 * DAY_MS, dict[tuple[str, str], int]()
    an_hour = RUNS // (30 * 24) + 1
    for hour in range(begin, now - HOUR_MS, HOUR_MS):
        found: dict[tuple[str, int], Sample] = {}
        for _ in range(an_hour):
            function, at = f"job-{generator.randrange(FUNCTIONS)}", hour + generator.randrange(HOUR_MS)
            for number in range(STEPS):
                value = generator.lognormvariate(2.5 + number / 5, 0.5)
                sli = durations.name(durations.STEP, function, f"step-{chr(97 + number)}")
                found[sli, at] = Sample(environment="p", sli=sli, at_ms=at, value=value, good=True)
            for prefix, total in ((durations.RUN, 200.0), (durations.RAN, None)):
                sli = durations.name(prefix, function)
                found[sli, at] = Sample(environment="p", sli=sli, at_ms=at, value=total, good=True)
        with store.write() as connection:
            samples.append(connection, found.values(), known)


def _forecast(store: Store, now: int) -> list[Figure]:
    """The whole forecast, from roll-ups and by pandas from each step."""

    def ours() -> None:
        with store.read() as connection:
            forecast.at(connection, "p", GRANTED_S, now)

    def theirs() -> None:
        query = select(series.c.sli, table.c.value).join_from(series, table, table.c.series_id == series.c.id)
        query = query.where(series.c.sli.startswith(durations.STEP))
        with store.read() as connection:
            frame = pandas.read_sql_query(query, connection)
        grouped = frame.groupby("sli")["value"]
        grouped.quantile(numpy.array([0.5, 0.95, 0.999]))
        grouped.agg(["max", "count"])
        (frame["value"] - GRANTED_S).clip(lower=0).groupby(frame["sli"]).mean()

    own, peer = _median(ours), _median(theirs)
    note = f"{own * 1000:.0f} ms beside {peer * 1000:.0f} ms"
    return [Figure(what="forecast from roll-ups, × pandas from raw steps", value=own / peer, unit="×", goal=0.2,
                   note=note)]  # fmt: skip


def _median(work: Callable[[], None]) -> float:
    taken = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def _keeping(folder: Path) -> Figure:
    """A step's time, kept with the runs of a check, beside a probe's sample, kept in batches of eight."""
    store = Store.open(f"sqlite:///{folder / 'keeping.db'}")
    migrate(store)
    known: dict[tuple[str, str], int] = {}
    steps = probes = 0.0
    for batch in range(BATCHES):
        begun = time.perf_counter()
        item = _check(batch)
        with store.write() as connection:
            samples.append(connection, finished.keep(connection, item), known)
        steps += (time.perf_counter() - begun) / sum(len(run.tries or ()) for run in item.reading.runs)
        begun = time.perf_counter()
        for number in range(4):
            made = [Sample(environment="e", sli=f"s{n}", at_ms=batch * 60_000 + number * 10_000 + n, value=62.0,
                           good=True) for n in range(8)]  # fmt: skip
            with store.write() as connection:
                samples.append(connection, made, known)
        probes += (time.perf_counter() - begun) / 32
    store.close()
    note = f"{steps / BATCHES * 1e6:.0f} µs beside {probes / BATCHES * 1e6:.0f} µs; 25 runs of {STEPS} steps a check"
    return Figure(what="keeping a step's time, × a probe's sample", value=steps / probes, unit="×", goal=1, note=note)


def _check(batch: int) -> Observation:
    at = 1_800_000_000_000 + batch * 60_000
    tries = tuple(StepSeen(name=f"step-{chr(97 + n)}", started_ms=at - 50_000 + n * 5000, took_s=4.9)
                  for n in range(STEPS))  # fmt: skip
    runs = tuple(RunSeen(id=f"{batch}-{n}", app="a", function=f"job-{n % FUNCTIONS}", status="COMPLETED",
                         queued_ms=at - 51_000, started_ms=at - 50_000, ended_ms=at + n, tries=tries)
                 for n in range(25))  # fmt: skip
    return Observation(environment="p", simulated=False, probe="inngest.runs", interval_s=60, at_ms=at + 1000, lag_ms=0,
                       reading=Reading(code="runs.ok", runs=runs))  # fmt: skip


def _light(store: Store, settings: Settings, server: Any) -> Figure:
    """Seconds from a run's beginning, or its end, until the page's model says so, while somebody looks."""

    async def look() -> list[float]:
        watch = DeployWatch(store, settings, owner="w", holds=lambda _name: True, look_soon=lambda *_: None)
        task = asyncio.create_task(watch.run())
        taken = []
        for number in range(2 * LOOKS):
            await asyncio.sleep(0.7 * number % 3)  # at any moment between two looks
            server.busy = number % 2 == 0
            begun = time.perf_counter()
            while True:
                await asyncio.to_thread(in_flight.look, store, "p", clock.now_ms())
                found = await asyncio.to_thread(view, store, settings, "p", clock.now_ms())
                if found.light.clear is not server.busy and found.light.clear is not None:
                    break
                await asyncio.sleep(0.05)
            taken.append(time.perf_counter() - begun)
        task.cancel()
        return taken

    taken = asyncio.run(look())
    note = f"median {statistics.median(taken):.1f} s; the page adds up to 2 s"
    return Figure(what="light behind the work, longest", value=max(taken), unit="s", goal=5, note=note)


class _Inngest(ThreadingHTTPServer):
    """A dev server with one run at work, or none."""

    busy = False


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Inngest)
        row = {"id": "r", "status": "RUNNING", "queuedAt": datetime.now(UTC).isoformat(), "app": {"id": "a"},
               "function": {"id": "job-1", "name": "job-1"}}  # fmt: skip
        body: dict[str, Any] = {"page": {"hasMore": False}} | ({"data": [row]} if server.busy else {})
        text = json.dumps(body if self.path.startswith("/v2/runs?") else {"data": {}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing: a benchmark's output is its table."""


@contextmanager
def _inngest() -> Iterator[tuple[int, _Inngest]]:
    server = _Inngest(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, server
    finally:
        server.shutdown()
        server.server_close()
