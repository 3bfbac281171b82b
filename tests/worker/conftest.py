"""A real worker process beside a real Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT, free_port

TOKEN = "worker-test-token"


class RealWorker:
    """`python -m worker` with a data folder of a test's own."""

    def __init__(self, data: Path, port: int, variables: dict[str, str], module: str = "worker") -> None:
        self.data, self.url = data, f"http://127.0.0.1:{port}"
        self.log = data / "worker.log"
        data.mkdir(parents=True, exist_ok=True)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "INNGEST_", "REDIS_"))}
        settings = {
            "GREENLIGHT_DATA": str(data),
            "GREENLIGHT_WORKER_PORT": str(port),
            "GREENLIGHT_API_TOKEN": TOKEN,
            "GREENLIGHT_CONFIG": "",
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env=clean | settings | variables,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def wait(self, patience_s: float = 20) -> None:
        give_up = time.monotonic() + patience_s
        while time.monotonic() < give_up:
            assert self.process.poll() is None, self.log.read_text()
            try:
                httpx.get(f"{self.url}/api/health/live", timeout=1)
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"the worker did not answer: {self.log.read_text()}")

    def committed(self) -> int:
        """Samples that the worker acknowledges as durable."""
        text = httpx.get(f"{self.url}/metrics", timeout=2).text
        line = next(x for x in text.splitlines() if x.startswith("greenlight_worker_samples_committed_total"))
        return int(float(line.split()[1]))

    def stop(self, how: signal.Signals = signal.SIGTERM, patience_s: float = 15) -> int:
        self.process.send_signal(how)
        return self.process.wait(patience_s)


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[..., RealWorker]]:
    """Start a worker; `data=` to share a folder, more keywords are environment variables."""
    made: list[RealWorker] = []

    def start(data: Path | None = None, module: str = "worker", **variables: str) -> RealWorker:
        worker = RealWorker(data or tmp_path / "data", free_port(), variables, module)
        made.append(worker)
        return worker

    yield start
    for worker in made:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()
