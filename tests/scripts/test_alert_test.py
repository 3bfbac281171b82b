"""`alert_test.py` says what becomes of a test, with a worker and without; never the address."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.store import Store
from services.store.migrate import migrate
from tests.conftest import ROOT
from tests.receivers import Answer, receiving
from tests.worker.conftest import RealWorker, start_worker  # noqa: F401 - a fixture

PLANTED = "planted-secret-4711"


def run(data: Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"GREENLIGHT_DATA": str(data), "GREENLIGHT_CONFIG": str(data / "greenlight.toml"),
                                      "TEAM_URL": url}  # fmt: skip
    return subprocess.run([sys.executable, "scripts/alert_test.py", *words], cwd=ROOT, env=environment,
                          capture_output=True, text=True, check=False, timeout=300)  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "greenlight.toml").write_text(
        '[[alerts.channels]]\nname="team"\nurl_variable="TEAM_URL"\n'
        '[[environments]]\nname="e"\nbase_url="http://127.0.0.1:9"\n'
    )
    store = Store.open(f"sqlite:///{folder / 'greenlight.db'}")
    migrate(store)
    store.close()
    return folder


def test_with_a_worker_it_is_accepted_or_refused(data: Path, start_worker: Callable[..., RealWorker]) -> None:  # noqa: F811
    with receiving("slack") as slack:
        worker = start_worker(data, GREENLIGHT_CONFIG=str(data / "greenlight.toml"), TEAM_URL=slack.url)
        worker.wait()
        done = run(data, slack.url, "--channel", "team", "--wait", "120", "--json")
        found = json.loads(done.stdout)
        assert (done.returncode, found["state"], found["service"]) == (0, "accepted", "Slack"), done.stderr
        assert any("Test: do alerts reach you?" in taken.raw.decode() for taken in slack.taken)
        slack.instead = Answer(410)
        refused = run(data, slack.url, "--channel", "team", "--wait", "120")
        assert (refused.returncode, "is gone (HTTP 410)" in refused.stdout) == (1, True)
        assert PLANTED not in done.stdout + done.stderr + refused.stdout + refused.stderr
        assert PLANTED not in worker.log.read_text()


def test_without_a_worker_it_waits(data: Path) -> None:
    done = run(data, f"https://hooks.slack.com/services/{PLANTED}", "--channel", "team", "--wait", "0")
    assert (done.returncode, "No worker runs" in done.stdout) == (3, True)


def test_wrong_usage_is_two(data: Path) -> None:
    unknown = run(data, "https://hooks.slack.com/services/x", "--channel", "nope")
    assert (unknown.returncode, "Channels: team" in unknown.stderr) == (2, True)
    wrong = run(data, f"https://{PLANTED}.example.org/x", "--channel", "team")
    assert wrong.returncode == 2
    assert 'alerts.channels "team"' in wrong.stderr
    assert PLANTED not in wrong.stderr
    assert run(data, "https://hooks.slack.com/services/x", "--channel", "team", "--wait", "x").returncode == 2
