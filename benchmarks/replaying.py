"""How long a replay takes, process start and durable results included, beside the ideal and what people use.

The agent answers after 20 ms. Peers get the same cases, the same agent and the same number side by side: promptfoo from
npm, deepeval from PyPI, each installed into a folder of its own; one that can't be had is told, not left out. Displays
are off. Like for like: the goal is about durable results, so the peers that count keep each result as it is made, as we
do (promptfoo in its database, deepeval in its cache, both by default). deepeval that writes one file at the end, and
loses all where it is killed, is measured and told as well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from benchmarks.probing import _free_port
from benchmarks.table import Figure

ROOT = Path(__file__).resolve().parents[1]
DELAY_S = 0.02
NOT_DURABLE = "deepeval writing once, at the end"
SIZES = ((50, 4), (500, 20), (5000, 20), (5000, 100))
ROUNDS = 3
PATIENCE_S = 90
PROMPTFOO, NODE, DEEPEVAL = "promptfoo@0.123.1", "node@22.23.3", "deepeval==4.3.1"  # promptfoo wants a Node of its own


def measure() -> list[Figure]:
    """Ours best of three, peers best of two (their slower turns would only flatter us)."""
    port = _free_port()
    server = subprocess.Popen([sys.executable, "-m", "benchmarks.slow_agent", str(port)], cwd=ROOT)
    try:
        time.sleep(1)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            deepeval = _deepeval(folder)
            peers = {
                "deepeval": deepeval and [*deepeval, "durable"],
                "promptfoo": _promptfoo(folder),
                NOT_DURABLE: deepeval and [*deepeval, "at-the-end"],
            }
            figures: list[Figure] = []
            for cases, at_once in SIZES:
                figures += _one(folder, f"http://127.0.0.1:{port}/", cases, at_once, peers)
            return figures
    finally:
        server.terminate()
        server.wait()


def _one(folder: Path, url: str, cases: int, at_once: int, peers: dict[str, list[str] | None]) -> list[Figure]:
    label = f"{cases:,} cases, {at_once} at once"
    ideal = DELAY_S * cases / at_once
    ours = min(_ours(folder, url, cases, at_once) for _ in range(ROUNDS))
    figures = [
        Figure(what=f"replay, {label}", value=ours, unit="s", note=f"ideal {ideal:g} s"),
        Figure(
            what=f"replay beside the ideal, {label}", value=ours / ideal, unit="×",
            goal=1.5 if (cases, at_once) == (5000, 20) else None,
        ),
    ]  # fmt: skip
    best: float | None = None
    for name, command in peers.items():
        if command is None:
            figures.append(Figure(what=f"{name}, {label}", value=0, unit="s", note="could not be had here"))
            continue
        try:
            took = min(_peer(folder, command, url, cases, at_once) for _ in range(2 if cases < 5000 else 1))
        except subprocess.TimeoutExpired:
            figures.append(Figure(what=f"{name}, {label}", value=PATIENCE_S, unit="s", note="stopped, not finished"))
            continue
        if name == NOT_DURABLE:
            figures.append(
                Figure(what=f"replay beside {name}, {label}", value=ours / took, unit="×", note=f"{took:.3g} s")
            )
            continue
        figures.append(Figure(what=f"{name}, {label}", value=took, unit="s"))
        best = took if best is None else min(best, took)
    goal = {(500, 20): 1 / 3, (5000, 100): 1 / 6}.get((cases, at_once))
    if best is not None:
        figures.append(
            Figure(what=f"replay beside the best durable peer, {label}", value=ours / best, unit="×", goal=goal)
        )
    return figures


def _ours(folder: Path, url: str, cases: int, at_once: int) -> float:
    golden = folder / f"golden{cases}.json"
    if not golden.exists():
        golden.write_text(json.dumps({"name": "bench", "version": "1", "cases": [_case(n) for n in range(cases)]}))
    script = str(ROOT / "scripts" / "replay_harness.py")
    command = [sys.executable, script, "--golden", str(golden), "--agent", url, "--json", "--concurrency", str(at_once)]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "DATABASE_"))}
    begun = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, env=clean | {"GREENLIGHT_DATA": str(folder)}, capture_output=True, check=False
    )
    took = time.perf_counter() - begun
    if json.loads(done.stdout)["passed"] != cases:
        raise RuntimeError("the replay did not pass")
    return took


def _case(n: int) -> dict[str, object]:
    return {
        "id": f"c{n}", "title": "trivial", "category": "trivial", "input": {"n": n}, "context": {},
        "expectations": [{"criterion": "done", "kind": "text_contains", "all_of": ["done"]}],
        "criteria": [{"id": "done", "title": "Done", "anchors": {"0": "no", "5": "yes"}}],
        "provenance": {"source": "generated", "added": "2026-11-21"},
    }  # fmt: skip


def _peer(folder: Path, command: list[str], url: str, cases: int, at_once: int) -> float:
    quiet = {"DEEPEVAL_TELEMETRY_OPT_OUT": "YES", "PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1",
             "PROMPTFOO_CONFIG_DIR": str(folder / "promptfoo-home"), "PROMPTFOO_CACHE_ENABLED": "false"}  # fmt: skip
    begun = time.perf_counter()
    words = [*command[:2], url, str(cases), str(at_once), *command[2:]]
    done = subprocess.run(
        words, cwd=folder, env=dict(os.environ) | quiet, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    took = time.perf_counter() - begun
    if f"passed {cases}" not in done.stdout:
        raise RuntimeError(f"a peer did not pass: {done.stdout[-300:]} {done.stderr[-300:]}")
    return took


DEEPEVAL_SCRIPT = """
import asyncio, json, sys, urllib.request, logging
from concurrent.futures import ThreadPoolExecutor
from deepeval import evaluate
from deepeval.evaluate import AsyncConfig, DisplayConfig, CacheConfig, ErrorConfig
from deepeval.metrics import BaseMetric
from deepeval.test_case import LLMTestCase
url, cases, at_once, durable = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "durable"

def ask(n):
    body = json.dumps({"case_id": f"c{n}", "input": {"n": n}, "context": {}}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST")) as reply:
        return json.load(reply)["output"]

class Done(BaseMetric):
    threshold = 0.5
    async_mode = True
    def measure(self, case, *a, **k):
        self.score = 1.0 if "done" in case.actual_output else 0.0
        self.success = self.score >= self.threshold
        return self.score
    async def a_measure(self, case, *a, **k): return self.measure(case)
    def is_successful(self): return self.success
    @property
    def __name__(self): return "Done"

with ThreadPoolExecutor(at_once) as pool:
    outputs = list(pool.map(ask, range(cases)))
tests = [LLMTestCase(input=str(n), actual_output=text) for n, text in enumerate(outputs)]
found = evaluate(tests, [Done()], async_config=AsyncConfig(run_async=True, max_concurrent=at_once, throttle_value=0),
                 display_config=DisplayConfig(show_indicator=False, print_results=False, results_folder="kept"),
                 cache_config=CacheConfig(write_cache=durable, use_cache=False))
print("passed", sum(r.success for r in found.test_results))
"""


def _deepeval(folder: Path) -> list[str] | None:
    place = folder / "deepeval"
    venv.create(place, with_pip=True)
    done = subprocess.run([str(place / "bin" / "pip"), "install", "-q", DEEPEVAL], check=False, capture_output=True)
    if done.returncode != 0:
        return None
    (folder / "deepeval_run.py").write_text(DEEPEVAL_SCRIPT)
    return [str(place / "bin" / "python"), str(folder / "deepeval_run.py")]


PROMPTFOO_SCRIPT = """
const { spawnSync } = require("child_process");
const fs = require("fs");
const [url, cases, atOnce, bin] = [process.argv[2], +process.argv[3], process.argv[4], process.argv[5]];
const tests = [];
for (let n = 0; n < cases; n++) tests.push({ vars: { n: String(n) }, assert: [{ type: "contains", value: "done" }] });
const config = {
  url, method: "POST", headers: { "Content-Type": "application/json" },
  body: { case_id: "c", prompt: "{{prompt}}" }, transformResponse: "json.output",
};
fs.writeFileSync("pf.json", JSON.stringify({ prompts: ["{{n}}"], tests, providers: [{ id: "http", config }] }));
const words = ["eval", "-c", "pf.json", "-o", "pf-out.json", "-j", atOnce];
words.push("--no-cache", "--no-table", "--no-progress-bar");
spawnSync(process.execPath, [bin, ...words], { stdio: "inherit" });
console.log("passed", JSON.parse(fs.readFileSync("pf-out.json")).results.stats.successes);
"""


def _promptfoo(folder: Path) -> list[str] | None:
    npm = shutil.which("npm")
    if not npm:
        return None
    place = folder / "promptfoo"
    place.mkdir()
    done = subprocess.run(
        [npm, "install", "--silent", "--prefix", str(place), PROMPTFOO, NODE], check=False, capture_output=True
    )
    package = place / "node_modules" / "promptfoo"
    if done.returncode != 0 or not (package / "package.json").is_file():
        return None
    entry = json.loads((package / "package.json").read_text())["bin"]["promptfoo"]
    (folder / "pf_run.js").write_text(PROMPTFOO_SCRIPT)
    return [str(place / "node_modules" / "node" / "bin" / "node"), str(folder / "pf_run.js"), str(package / entry)]
