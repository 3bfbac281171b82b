"""What deploys cost background work: 200 runs of six steps in flight while workers are replaced, one every few seconds.

Two workers are connected; a new one connects, then the oldest gets SIGTERM, as a rolling restart does. It runs
against the Inngest server that INNGEST_CLI names, else against the stand-in of the tests. The workers are the
reference swarm's, with the kit's drill function; what began and ended is counted from its durable lines. Scaled:
steps of 5 s and a restart every 6 s stand for steps of 25 s and one every 30 s.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from benchmarks.probing import _free_port
from benchmarks.table import Figure
from services.counting import quantile
from services.dependencies.inngest.sdk import api_token
from services.deploys import drill

ROOT = Path(__file__).resolve().parents[1]
RUNS, STEPS, STEP_S, EVERY_S = 200, 6, 5.0, 6.0
PATIENCE_S = 300.0
READY = "{ workerConnections(first: 50) { edges { node { instanceId status } } } }"


def measure() -> list[Figure]:
    """The same runs undisturbed, then under a rolling restart."""
    with tempfile.TemporaryDirectory() as name:
        bench = _Bench(Path(name))
        try:
            bench.start()
            calm, _ = bench.run(restarts=False)
            deployed, restarts = bench.run(restarts=True)
        finally:
            bench.stop()
    kind = "the real server" if os.environ.get("INNGEST_CLI") else "the stand-in"
    label = f"{RUNS} runs of {STEPS} steps, two connected workers"
    note = f"{restarts} restarts, one every {EVERY_S:g} s; against {kind}"
    gap = max(run.count.gap_s or 0 for run in deployed)
    return [
        Figure(what=f"steps begun twice, {label}", value=sum(len(r.count.twice) for r in deployed), unit="", goal=0,
               note=note),
        Figure(what=f"runs failed or lost, {label}", value=sum(r.is_bad for r in deployed), unit="", goal=0, note=note),
        Figure(what=f"added latency p95, {label}", value=_p95(deployed) - _p95(calm), unit="s",
               note=f"undisturbed {_p95(calm):.2f} s, ideal {STEPS * STEP_S:g} s"),
        Figure(what=f"longest pause between two steps, {label}", value=gap, unit="s", note=note),
    ]  # fmt: skip


def _p95(runs: list[_Run]) -> float:
    return quantile(sorted(run.took_s for run in runs), 0.95)


class _Run:
    """One run, from its lines and from what the server says of it."""

    def __init__(self, lines: list[bytes], id_: str, status: str) -> None:
        found = drill.marks(lines, id_, STEPS + 1)
        self.count = drill.count(found, STEPS + 1)
        times = [mark.at_s for mark in found.marks]
        self.took_s = max(times) - min(times) if times else PATIENCE_S
        self.is_bad = status != "COMPLETED" or bool(self.count.lost)


class _Bench:
    def __init__(self, folder: Path) -> None:
        self._folder, self._lines = folder, folder / "lines.jsonl"
        self._port, self._key, self._event_key = _free_port(), secrets.token_hex(32), secrets.token_hex(8)
        self._url = f"http://127.0.0.1:{self._port}"
        self._workers: list[subprocess.Popen[bytes]] = []
        self._server: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(
            timeout=60, headers={"Authorization": f"Bearer {api_token(self._key)}"}, trust_env=False
        )
        (folder / "swarm.env").write_text(
            f"ENVIRONMENT=bench\nINNGEST_APP_ID=bench\nINNGEST_BASE_URL={self._url}\n"
            f"INNGEST_EVENT_KEY={self._event_key}\nINNGEST_SIGNING_KEY=signkey-prod-{self._key}\n"
        )

    def start(self) -> None:
        cli = os.environ.get("INNGEST_CLI")
        words = [cli] if cli else [sys.executable, "-m", "tests.inngest.stand_in"]
        own = {"INNGEST_SIGNING_KEY": self._key, "INNGEST_EVENT_KEY": self._event_key, "DO_NOT_TRACK": "1",
               "INNGEST_SQLITE_DIR": str(self._folder / "state")}  # fmt: skip
        for number, name in enumerate(("GATEWAY_PORT", "GATEWAY_GRPC_PORT", "EXECUTOR_GRPC_PORT")):
            own[f"INNGEST_CONNECT_{name}"] = str(20_000 + (self._port + number) % 10_000)
        self._server = subprocess.Popen(
            [*words, "start", "--host", "127.0.0.1", "--port", str(self._port)], cwd=self._folder if cli else ROOT,
            env=_clean() | own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _wait(lambda: _answers(f"{self._url}/health"))
        for _ in range(2):
            self._worker()

    def stop(self) -> None:
        for process in (*self._workers, *([self._server] if self._server else [])):
            process.kill()
            process.wait()
        self._http.close()

    def run(self, *, restarts: bool) -> tuple[list[_Run], int]:
        """All runs at once; the oldest worker is replaced every few seconds until they have ended."""
        ids = [secrets.token_hex(8) for _ in range(RUNS)]
        events = [{"name": drill.EVENT, "id": id_, "data": {"id": id_, "steps_s": [STEP_S] * STEPS}} for id_ in ids]
        sent = self._http.post(f"{self._url}/e/{self._event_key}", json=events).json()["ids"]
        give_up, number, due = time.monotonic() + PATIENCE_S, 0, time.monotonic() + EVERY_S
        while time.monotonic() < give_up:
            if restarts and time.monotonic() >= due:
                due, number = time.monotonic() + EVERY_S, number + 1
                self._worker()
                self._workers.pop(0).send_signal(signal.SIGTERM)
            if self._ended() >= {*ids}:
                break
            time.sleep(0.5)
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(self._status, sent))
        lines = self._grouped()
        return [_Run(lines[id_], id_, status) for id_, status in zip(ids, statuses, strict=True)], number

    def _worker(self) -> None:
        """Start one more, and wait until it is connected."""
        before = self._connected()
        words = ["-m", "examples.swarm", "--env-file", str(self._folder / "swarm.env"), "worker", "--connect",
                 "--lines", str(self._lines)]  # fmt: skip
        self._workers.append(
            subprocess.Popen([sys.executable, *words], cwd=ROOT, env=_clean(), stderr=subprocess.DEVNULL)
        )
        _wait(lambda: bool(self._connected() - before))

    def _connected(self) -> set[str]:
        answer = self._http.post(f"{self._url}/v0/gql", json={"query": READY}).json()
        nodes = [edge["node"] for edge in answer["data"]["workerConnections"]["edges"]]
        return {node["instanceId"] for node in nodes if node["status"] == "READY"}

    def _status(self, event_id: str) -> str:
        """How the run of an event ended, waited for."""
        give_up = time.monotonic() + 30
        while True:
            found = self._http.get(f"{self._url}/v2/events/{event_id}/runs").json().get("data") or [{}]
            status = str(found[0].get("status"))
            if status in {"COMPLETED", "FAILED", "CANCELLED"} or time.monotonic() > give_up:
                return status
            time.sleep(0.2)

    def _grouped(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = defaultdict(list)
        for line in self._lines.read_bytes().split(b"\n") if self._lines.exists() else ():
            if line:
                found[json.loads(line)["id"]].append(line)
        return found

    def _ended(self) -> set[str]:
        """The runs whose closing step has ended."""
        end = f'"step":{STEPS + 1},'.encode()
        found = self._grouped()
        return {id_ for id_, lines in found.items() if any(end in x and b'"phase":"end"' in x for x in lines)}


def _clean() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "INNGEST_", "REDIS_"))}


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _wait(condition: Any) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        if time.monotonic() > give_up:
            raise RuntimeError("a part of the benchmark did not come up")
        time.sleep(0.1)
