"""`start.py --inngest`: ephemeral and persistent, wired to the worker, ended in order, refused in a sentence."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from launcher import inngest_server
from services import clock
from services.dependencies.inngest import sdk as inngest_sdk
from services.store import Store, conditions
from services.store.conditions import Condition
from tests.conftest import ROOT
from tests.inngest.conftest import free_port_below
from tests.launcher.test_start import Started
from tests.patience import PATIENCE_S, wait_until

Start = Callable[..., Started]
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(params=["stand-in", "real"])
def cli(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A program to name in INNGEST_CLI."""
    if request.param == "real":
        if not os.environ.get("INNGEST_CLI"):
            pytest.skip("INNGEST_CLI names no Inngest server: the starts ran with the stand-in alone")
        return os.environ["INNGEST_CLI"]
    script = tmp_path / "inngest-stand-in"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tests.inngest.stand_in "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    made: list[Started] = []

    def go(*words: str, **variables: str) -> Started:
        made.append(Started(tmp_path / "data", *words, **variables))
        return made[-1]

    yield go
    for started in made:
        if started.process.poll() is None:
            started.process.send_signal(signal.SIGTERM)
            started.process.communicate(timeout=PATIENCE_S)


def parts(started: Started) -> dict[str, Condition]:
    """The newest results of `local`'s probes by name."""
    store = Store.open(f"sqlite:///{started.data / 'greenlight.db'}")
    with store.read() as connection:
        found = {condition.probe: condition for condition in conditions.load(connection, "local")}
    store.close()
    return found


def stop(started: Started) -> None:
    """Ask for an orderly stop."""
    started.process.send_signal(signal.SIGTERM)
    output = started.process.communicate(timeout=PATIENCE_S)[0]
    assert started.process.returncode == 0, output


def pulsing(started: Started) -> bool:
    found = parts(started).get("inngest.pulse")
    return found is not None and found.code == "pulse.ok" and clock.now_ms() - found.at_ms < 70_000


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_dev_is_wired_to_the_worker_and_ends_with_the_rest(start: Start, cli: str) -> None:
    started = start("--inngest", "dev", "--inngest-port", str(free_port_below()), INNGEST_CLI=cli)
    started.wait()
    wait_until(lambda: pulsing(started))
    note = started.note()
    assert (note["inngest"], note["inngest_mode"]) == ("dev", "dev")
    wait_until(lambda: "inngest.sync" in (found := parts(started)) and found["inngest.sync"].code == "sync.ok")
    wait_until(lambda: "inngest.runs" in parts(started))
    assert parts(started)["inngest.runs"].detail["kind"] == "dev"
    stop(started)
    assert not is_up(str(note["inngest_url"]))


def test_production_keeps_its_runs_over_a_restart_and_is_signed(start: Start, cli: str, tmp_path: Path) -> None:
    port = str(free_port_below())
    variables = {"INNGEST_CLI": cli, "INNGEST_DEV": "1", "ENVIRONMENT": "production"}
    started = start("--inngest", "--inngest-port", port, **variables)
    started.wait()
    wait_until(lambda: pulsing(started))
    note = started.note()
    assert (note["inngest"], note["inngest_mode"]) == ("production", "cloud")
    worker = f"http://127.0.0.1:{note['worker_port']}"
    assert httpx.get(f"{worker}/inngest").status_code == 401, "INNGEST_DEV of the shell was taken out"
    keys = {}
    for name in ("inngest_signing_key", "inngest_event_key"):
        file = tmp_path / "data" / name
        keys[name] = file.read_text().strip()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert re.fullmatch(r"(?:[0-9a-f]{2})+", keys[name])
    listed = subprocess.run(["ps", "axww", "-o", "command="], capture_output=True, text=True, check=True).stdout
    assert not [key for key in keys.values() if key in listed]
    assert "appendonly yes" in (tmp_path / "data" / "inngest" / "redis" / "redis.conf").read_text()
    before = completed(note, keys["inngest_signing_key"])
    assert before
    stop(started)
    again = start("--inngest", "--inngest-port", port, **variables)
    again.wait()
    wait_until(lambda: pulsing(again))
    assert before <= completed(again.note(), keys["inngest_signing_key"])
    said = json.dumps(again.environment()) + "".join(p.read_text() for p in (tmp_path / "data" / "logs").glob("*.log"))
    assert not [key for key in (*keys.values(), inngest_sdk.api_token(keys["inngest_signing_key"])) if key in said]


def completed(note: dict[str, Any], key: str) -> set[str]:
    query = {"status": "COMPLETED", "from": "2026-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z", "limit": "100"}
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.get(f"{note['inngest_url']}/v2/runs", params=query, headers=headers, timeout=PATIENCE_S).json()
    return {row["id"] for row in answer.get("data") or []}


def test_a_server_left_over_from_a_killed_launcher_is_ended_before(start: Start, cli: str) -> None:
    port = str(free_port_below())
    first = start("--inngest", "dev", "--inngest-port", port, INNGEST_CLI=cli)
    first.wait()
    url = str(first.note()["inngest_url"])
    first.process.kill()
    first.process.communicate()
    assert is_up(url)
    second = start("--inngest", "dev", "--inngest-port", port, INNGEST_CLI=cli)
    second.wait()
    wait_until(lambda: pulsing(second))


def refused(tmp_path: Path, *words: str, **variables: str) -> str:
    started = Started(tmp_path / "data", *words, **variables)
    output = started.process.communicate(timeout=PATIENCE_S)[0]
    assert started.process.returncode == 2, output
    assert "Traceback" not in output
    return str(output)


def test_without_a_cli_it_says_how_to_get_one(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "There is no Inngest CLI on this machine: install it" in refused(
        tmp_path, "--inngest", "dev", PATH=str(empty)
    )
    assert "is no program: correct it" in refused(tmp_path, "--inngest", "dev", INNGEST_CLI="/no/such/file")


def test_ports_that_the_system_hands_out_are_refused(tmp_path: Path) -> None:
    assert "--inngest-port must be below 32768" in refused(tmp_path, "--inngest", "dev", "--inngest-port", "50000")
    words = refused(tmp_path, "--inngest", "dev", INNGEST_CONNECT_GATEWAY_GRPC_PORT="50052")
    assert "INNGEST_CONNECT_GATEWAY_GRPC_PORT must be a port below 32768" in words


@pytest.mark.parametrize(
    ("asked", "environment", "mode"),
    [
        (None, "production", "off"),
        ("off", "production", "off"),
        ("auto", "production", "production"),
        ("auto", "staging", "dev"),
        ("auto", "", "dev"),
        ("dev", "production", "dev"),
        ("production", "", "production"),
    ],
)
def test_the_flag_decides_then_environment_then_development(
    asked: str | None, environment: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    assert inngest_server.mode_of(asked) == mode
