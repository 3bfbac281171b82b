"""An Inngest server for scenarios: the real one where INNGEST_CLI names it, and always the stand-in."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.dependencies.inngest import sdk as inngest_sdk
from tests.conftest import ROOT, RealRedis, free_port
from tests.patience import PATIENCE_S, answers, wait_until
from tests.worker.conftest import RealWorker, start_worker  # noqa: F401 - a fixture of these tests too

EVENT_KEY = "test-event-key"


class Inngest:
    """A server process. `dev` forgets its runs; `start` keeps them, and its work in progress with a Redis alone."""

    def __init__(self, kind: str, folder: Path, mode: str, redis_url: str = "") -> None:
        self.kind, self.mode, self.folder = kind, mode, folder
        self.port = free_port_below()
        self.url = f"http://127.0.0.1:{self.port}"
        self.signing_key = secrets.token_hex(32)
        self._redis_url = redis_url
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "inngest.log"

    @property
    def is_real(self) -> bool:
        return self.kind == "real"

    def variables(self) -> dict[str, str]:
        """What a worker needs to know of it."""
        keys = {"INNGEST_EVENT_KEY": EVENT_KEY}
        if self.mode == "dev":
            return keys | {"INNGEST_DEV": self.url}
        return keys | {"INNGEST_BASE_URL": self.url, "INNGEST_SIGNING_KEY": f"signkey-prod-{self.signing_key}"}

    def start(self, *sdk_urls: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("INNGEST_", "GREENLIGHT_"))}
        own = {"INNGEST_SQLITE_DIR": str(self.folder / "state"), "DO_NOT_TRACK": "1", "INNGEST_RETRY_INTERVAL": "10"}
        own |= {
            name: str(free_port_below())
            for name in ("INNGEST_CONNECT_GATEWAY_PORT", "INNGEST_CONNECT_GATEWAY_GRPC_PORT",
                         "INNGEST_CONNECT_EXECUTOR_GRPC_PORT")
        }  # fmt: skip
        if self.mode == "start":
            own |= {"INNGEST_SIGNING_KEY": self.signing_key, "INNGEST_EVENT_KEY": EVENT_KEY}
        if self._redis_url:
            own["INNGEST_REDIS_URI"] = self._redis_url
        cli = [os.environ["INNGEST_CLI"]] if self.is_real else [sys.executable, "-m", "tests.inngest.stand_in"]
        discovery = ["--no-discovery"] if self.mode == "dev" else []
        urls = [word for url in sdk_urls for word in ("-u", url)]
        with self._log.open("ab") as stream:
            self._process = subprocess.Popen(
                [*cli, self.mode, "--host", "127.0.0.1", "--port", str(self.port), *discovery, *urls],
                cwd=self.folder if self.is_real else ROOT, env=clean | own, stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_until(self._answers, found=self._log.read_text, pause_s=0.05)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        return answers(f"{self.url}/health")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def api(self, method: str, path: str, **more: Any) -> Any:
        headers = {} if self.mode == "dev" else {"Authorization": f"Bearer {inngest_sdk.api_token(self.signing_key)}"}
        return httpx.request(method, self.url + path, headers=headers, timeout=PATIENCE_S, **more).json()

    def send(self, name: str, data: dict[str, Any], id_: str = "") -> str:
        """Send an event; its id."""
        body = {"name": name, "data": data, "ts": int(time.time() * 1000)} | ({"id": id_} if id_ else {})
        return str(self.api("POST", f"/e/{EVENT_KEY}", json=[body])["ids"][0])

    def runs_of(self, event_id: str) -> list[dict[str, Any]]:
        return list(self.api("GET", f"/v2/events/{event_id}/runs").get("data") or [])

    def fire(self, slug: str) -> None:
        """Let a cron be due now; the real server keeps its own time."""
        assert not self.is_real
        assert self.api("POST", f"/stand-in/cron/{slug}")["ok"]


def free_port_below() -> int:
    """A free port below the range from which the system takes ports for outgoing connections."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        import socket

        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@pytest.fixture(params=["stand-in", "real"])
def inngest(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Inngest]]:
    """Make a server: `mode`, and `redis=True` for a queue that survives."""
    if request.param == "real" and not os.environ.get("INNGEST_CLI"):
        pytest.skip("INNGEST_CLI names no Inngest server: the scenarios ran against the stand-in alone")
    made: list[Inngest] = []
    redises: list[RealRedis] = []

    def make(mode: str = "start", *, redis: bool = False) -> Inngest:
        url = ""
        if redis:
            redises.append(RealRedis(tmp_path / "inngest-redis", config="appendonly yes"))
            redises[-1].start()
            url = redises[-1].url
        made.append(Inngest(request.param, tmp_path / "inngest", mode, url))
        return made[-1]

    yield make
    for server in made:
        server.stop(signal.SIGKILL)
    for redis in redises:
        redis.stop()


def configure(
    folder: Path, server: Inngest, *, agent: str = "", cases: str = "", port: int = 0, pulse_s: int = 2
) -> dict[str, str]:
    """An environment `prod` whose Inngest is that server, looked at often; the variables of a worker for it."""
    env_file = folder / "prod.env"
    keys = f"INNGEST_EVENT_KEY={EVENT_KEY}\n"
    env_file.write_text(
        keys + (f"INNGEST_SIGNING_KEY=signkey-prod-{server.signing_key}\n" if server.mode != "dev" else "")
    )
    agents = f'agents = [{{ name = "mine", url = "{agent}", environment = "prod" }}]\n' if agent else ""
    golden = f'golden = "{cases}"\n' if cases else ""
    mode = "dev" if server.mode == "dev" else "cloud"
    (folder / "greenlight.toml").write_text(
        f"[replay]\nconcurrency = 4\n{golden}{agents}"
        '[[environments]]\nname = "prod"\n'
        f'base_url = "http://127.0.0.1:{port or 9}"\nenv_file = "prod.env"\n'
        f'inngest = {{ mode = "{mode}", api_url = "{server.url}", expected_functions = 6, stuck_after_s = 3600 }}\n'
        f"intervals = {{ inngest_pulse = {pulse_s}, inngest_runs = 2 }}\n"
    )
    return {"GREENLIGHT_CONFIG": str(folder / "greenlight.toml")} | server.variables()


__all__ = ["Inngest", "RealWorker", "configure", "free_port", "shutil"]
