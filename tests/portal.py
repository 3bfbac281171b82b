"""A portal of a test's own: a process on a free port, with a store that the test fills."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT, free_port
from tests.patience import answers, wait_until

TOKEN = "portal-test-token"


def variables(data: Path, **more: str) -> dict[str, str]:
    """The process environment of a portal with that data folder."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "STREAMLIT_", "REDIS_"))}
    ours = {"GREENLIGHT_DATA": str(data), "GREENLIGHT_API_TOKEN": TOKEN, "GREENLIGHT_CONFIG": ""}
    return clean | ours | more


@contextmanager
def running(
    data: Path, *, command: tuple[str, ...] = ("app.py", "--port", "{port}"), cwd: Path = ROOT, port: int = 0,
    **more: str,
) -> Iterator[str]:  # fmt: skip
    """Run a portal; yields its address."""
    port = port or free_port()
    data.mkdir(parents=True, exist_ok=True)
    words = [word.format(port=port) for word in command]
    with (data / "portal.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=cwd,
            env=variables(data, **more),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://localhost:{port}"
    try:
        log_text = (data / "portal.log").read_text

        def listens() -> bool:
            assert process.poll() is None, log_text()
            return answers(f"{url}/api/health/live")

        wait_until(listens, found=log_text)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
