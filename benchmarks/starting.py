"""How long it takes from `python3 start.py` to the first page, when everything is installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.probing import _free_port
from benchmarks.table import Figure

ROOT = Path(__file__).resolve().parents[1]


def measure() -> list[Figure]:
    """The second start in a data folder: nothing to install, nothing to migrate."""
    with tempfile.TemporaryDirectory() as folder:
        _start_once(folder)
        taken = sorted(_start_once(folder) for _ in range(3))
    return [
        Figure(what="second start to the first page", value=taken[0][0], unit="s", goal=5, note="best of three"),
        Figure(what="orderly stop", value=max(stop for _, stop in taken), unit="s", goal=10, note="slowest of three"),
    ]


def _start_once(folder: str) -> tuple[float, float]:
    port = _free_port()
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "REDIS_", "INNGEST_"))}
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "start.py", "--no-browser", "--data", folder, "--port", str(port)],
        cwd=ROOT,
        env=clean,
        stdout=subprocess.DEVNULL,
    )
    while not _answers(f"http://127.0.0.1:{port}/"):
        if process.poll() is not None:
            raise RuntimeError("start.py ended early")
        time.sleep(0.02)
    started = time.monotonic() - begun
    stopping = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    return started, time.monotonic() - stopping


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except OSError:
        return False
