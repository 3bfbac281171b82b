"""How fast the pages are, beside an empty Streamlit page (SLO trends: one with a Plotly chart) in the same run.

Reruns are measured over the websocket, as the server's time to finish a script run; first paints in a real Chromium.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.probing import _free_port
from benchmarks.table import Figure
from services import clock, simulation
from services.clock import DAY_MS
from services.dependencies.model import Check, Measure, Reading
from services.dependencies.run import Observation
from services.health import record as ledger
from services.settings import load
from services.store import Store, samples, workers
from services.store.migrate import migrate
from services.store.samples import Sample
from services.store.workers import Worker

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"Overview": "", "Dependency health": "dependency_health"}
TRENDS = "slo_trends?env=staging&window=90d"
CHART = ".js-plotly-plot .main-svg"
RERUNS, PAINTS = 30, 15
CONFIG = """
[[environments]]
name = "staging"
role = "staging"
base_url = "http://127.0.0.1:9"
simulated = true
queues = [{ name = "email", kind = "list", key = "q", timestamp_field = "at" }]
[[environments]]
name = "production"
role = "production"
base_url = "http://127.0.0.1:9"
simulated = true
"""


def measure() -> list[Figure]:
    """Reruns alone and ten at once, cold and warm first paint, each beside the empty page."""
    figures: list[Figure] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        _portal(Path(folder)) as portal,
        _bare(Path(folder), "empty", "import streamlit as st\nst.write('hello')\n") as empty,
        _bare(Path(folder), "chart", ONE_CHART) as chart,
    ):
        base_one, base_ten = asyncio.run(_reruns(empty, ""))
        figures.append(Figure(what="rerun, empty page", value=base_one, unit="ms"))
        figures.append(Figure(what="rerun, empty page, ten sessions at once", value=base_ten, unit="ms"))
        for name, page in PAGES.items():
            one, ten = asyncio.run(_reruns(portal, page))
            figures.append(Figure(what=f"rerun, {name}", value=one, unit="ms", goal=40))
            figures.append(Figure(what=f"rerun, {name}, ten sessions at once", value=ten, unit="ms", goal=150))
        one, ten = asyncio.run(_reruns(portal, TRENDS))
        figures.append(Figure(what="rerun, SLO trends over 90 days", value=one, unit="ms", goal=60))
        figures.append(Figure(what="rerun, SLO trends, ten sessions at once", value=ten, unit="ms", goal=400))
        paints = _paints(
            {"empty": (empty, "[data-testid=stMarkdown] p"),
             **{n: (f"{portal}/{p}", ".gl .answer") for n, p in PAGES.items()},
             "one chart": (chart, CHART), "SLO trends": (f"{portal}/{TRENDS}", CHART)}
        )  # fmt: skip
        for kind, goal in (("cold", 1.5), ("warm", None)):
            base = paints["empty"][kind]
            figures.append(Figure(what=f"{kind} first paint, empty page", value=statistics.median(base), unit="ms"))
            for name in PAGES:
                ratio = statistics.median(ours / peer for ours, peer in zip(paints[name][kind], base, strict=True))
                note = f"{statistics.median(paints[name][kind]):.0f} ms; median of paired rounds"
                figures.append(Figure(what=f"{kind} first paint, {name}", value=ratio, unit="×", goal=goal, note=note))
            pairs = zip(paints["SLO trends"][kind], paints["one chart"][kind], strict=True)
            ratio = statistics.median(ours / peer for ours, peer in pairs)
            note = f"{statistics.median(paints['SLO trends'][kind]):.0f} ms, beside a page with one Plotly chart"
            limit = 1.2 if kind == "cold" else None
            figures.append(Figure(what=f"{kind} paint, SLO trends", value=ratio, unit="×", goal=limit, note=note))
    return figures


# The page itself notes when it stands there, in ms since its navigation began. Asked from outside, a chart was seen
# after its first drawing or, 400 ms later, after its second one, as chance had it.
SEEN = """
new MutationObserver((_, watch) => {
  if (!document.querySelector(SELECTOR)) return;
  window.seenAt = performance.now();
  watch.disconnect();
}).observe(document, {childList: true, subtree: true, attributes: true});
"""
ONE_CHART = """
import plotly.graph_objects as go
import streamlit as st
st.plotly_chart(go.Figure([go.Scatter(x=list(range(90)), y=[n % 7 for n in range(90)])]), key="chart")
"""


@contextmanager
def _portal(folder: Path) -> Iterator[str]:
    """The portal over a store with 30 generated days and fresh results."""
    (folder / "greenlight.toml").write_text(CONFIG)
    variables = {"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder)}
    settings = load(variables)
    store = Store.open(settings.database_url.get_secret_value())
    migrate(store)
    for environment in settings.environments:
        simulation.seed(store, environment, clock.now_ms())
        _fresh(store, environment.name)
    _ninety_days(store)
    store.close()
    with _process(["app.py"], variables) as url:
        yield url


def _ninety_days(store: Store) -> None:
    """The 60 days before the generated ones, a measurement a minute, of every SLI of one environment."""
    end = clock.now_ms() - 31 * DAY_MS
    for sli in ("readiness_uptime", "redis_ping_latency", "redis_write_latency", "queue_aging_p95:email"):
        for begin in range(end - 60 * DAY_MS, end, 4 * DAY_MS):
            batch = [
                Sample(environment="staging", sli=sli, at_ms=at, value=40.0 + at // 60_000 % 9,
                       good=at // 60_000 % 1000 > 0, interval_s=60) for at in range(begin, begin + 4 * DAY_MS, 60_000)
            ]  # fmt: skip
            with store.write() as connection:
                samples.append(connection, batch, {})


def _fresh(store: Store, environment: str) -> None:
    now = clock.now_ms()
    codes = {
        "readiness": "readiness.ok",
        "dependencies": "dependencies.degraded",
        "redis.ping": "redis.ok",
        "redis.write": "redis.write_ok",
        "redis.info": "redis.info_ok",
        "inngest": "inngest.mode_dev",
        "queue:email": "queue.ok",
    }
    batch = [
        Observation(
            environment=environment, simulated=True, probe=probe, interval_s=3600, at_ms=now - age * 5000, lag_ms=0,
            reading=Reading(code=code, latency_ms=5.0 + age % 7,
                            measures=(Measure(sli="redis_ping_latency", value=5.0 + age % 7, good=True),)
                            if probe == "redis.ping" else (),
                            checks=(Check(name=probe, outcome="pass"),)),
        )
        for probe, code in codes.items() for age in range(600 if probe == "redis.ping" else 3)
    ]  # fmt: skip
    ledger.record(store, batch, ledger.Memory())
    with store.write() as connection:
        workers.beat(connection, Worker(id="w", address="x", started_ms=now, seen_ms=now + 10_000_000))


@contextmanager
def _bare(folder: Path, name: str, text: str) -> Iterator[str]:
    """A peer: a bare Streamlit page in the same settings, frozen as ours is."""
    script = folder / f"{name}_page.py"
    script.write_text(text)
    entry = folder / f"{name}.py"
    entry.write_text(
        "import gc, sys\nimport plotly.graph_objects\nimport streamlit as st\n"
        "from contextlib import asynccontextmanager\n"
        "@asynccontextmanager\nasync def life(app):\n    gc.collect(); gc.freeze(); yield {}\n"
        f"app = st.App({str(script)!r}, lifespan=life)\n"
        "if __name__ == '__main__':\n    app.run(config={'server.port': int(sys.argv[2]), 'server.headless': True,\n"
        "            'server.address': '127.0.0.1', 'browser.gatherUsageStats': False})\n"
    )
    with _process([str(entry)], {}) as url:
        yield url


@contextmanager
def _process(words: list[str], variables: dict[str, str]) -> Iterator[str]:
    port = _free_port()
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "STREAMLIT_"))}
    process = subprocess.Popen(
        [sys.executable, *words, "--port", str(port)], cwd=ROOT, env=clean | variables,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://localhost:{port}"
    try:
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"{words[0]} ended early")
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()  # noqa: S310 - loopback
                break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


async def _reruns(url: str, page: str) -> tuple[float, float]:
    """Median ms of a full script run: one session alone, and each of ten at once."""
    one = await _session(url, page, RERUNS)
    ten = await asyncio.gather(*(_session(url, page, RERUNS // 3) for _ in range(10)))
    return statistics.median(one), statistics.median(value for times in ten for value in times)


async def _session(url: str, page: str, times: int) -> list[float]:
    import websockets
    from streamlit.proto.BackMsg_pb2 import BackMsg

    address = url.replace("http", "ws") + "/_stcore/stream"
    found = []
    async with websockets.connect(address, origin=url, proxy=None, max_size=None) as socket:  # type: ignore[arg-type]
        message = BackMsg()
        message.rerun_script.page_name, _, message.rerun_script.query_string = page.partition("?")
        for _ in range(times + 3):
            begun = time.perf_counter()
            await socket.send(message.SerializeToString())
            await _finished(socket)
            found.append((time.perf_counter() - begun) * 1000)
            await asyncio.sleep(0.02)
    return found[3:]


async def _finished(socket: Any) -> None:
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    while True:
        message = ForwardMsg()
        message.ParseFromString(await socket.recv())
        if message.WhichOneof("type") == "script_finished":
            return


def _paints(pages: dict[str, tuple[str, str]]) -> dict[str, dict[str, list[float]]]:
    """ms a round until the page's first words stand there: cold (a new browser context) and warm (a reload)."""
    from playwright.sync_api import sync_playwright

    browser_path = os.environ.get("GREENLIGHT_TEST_BROWSER") or shutil.which("chromium")
    taken: dict[str, dict[str, list[float]]] = {name: {"cold": [], "warm": []} for name in pages}
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path=browser_path, args=flags)
        for _ in range(PAINTS):
            for name, (url, selector) in pages.items():
                context = browser.new_context()
                page = context.new_page()
                page.add_init_script(SEEN.replace("SELECTOR", json.dumps(selector)))
                for kind in ("cold", "warm"):
                    page.goto(url) if kind == "cold" else page.reload()
                    taken[name][kind].append(page.wait_for_function("window.seenAt").json_value())
                context.close()
        browser.close()
    return taken
