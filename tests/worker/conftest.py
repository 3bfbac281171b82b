"""A real worker process beside a real Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT, free_port
from tests.patience import PATIENCE_S, answers, wait_until

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

    def wait(self) -> None:
        wait_until(self._answers, found=self.log.read_text, pause_s=0.05)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return answers(f"{self.url}/api/health/live")

    def committed(self) -> int:
        """Samples that the worker acknowledges as durable."""
        text = httpx.get(f"{self.url}/metrics", timeout=PATIENCE_S).text
        line = next(x for x in text.splitlines() if x.startswith("greenlight_worker_samples_committed_total"))
        return int(float(line.split()[1]))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)


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
