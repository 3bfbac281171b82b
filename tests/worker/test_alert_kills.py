"""A worker that is killed at any moment loses no alert: each reaches its channel at least once, with the same key."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from services.store import Store, alerts, outbox
from services.store.migrate import migrate
from tests.conftest import ROOT
from tests.patience import wait_until
from tests.receivers import receiving


def killed(folder: Path, *, kills: int, mean_s: float, number: int) -> tuple[int, int]:
    """How many alerts were lost, and how many messages came twice."""
    with receiving("webhook") as receiver:
        config = folder / "greenlight.toml"
        config.write_text('[[alerts.channels]]\nname="hook"\nurl_variable="HOOK_URL"\n'
                          '[[environments]]\nname="t0"\nbase_url="http://127.0.0.1:9"\n')  # fmt: skip
        store = Store.open(f"sqlite:///{folder / 'data' / 'greenlight.db'}")
        migrate(store)
        environment = dict(os.environ) | {"GREENLIGHT_DATA": str(folder / "data"), "HOOK_URL": receiver.url,
                                          "PYTHONPATH": str(ROOT)}  # fmt: skip
        words = [str(config), str(kills), str(mean_s), str(number), "11"]
        script = str(Path(__file__).with_name("killed_worker.py"))
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, script, *words], cwd=ROOT, env=environment, stdout=log, stderr=log
            )

        def text() -> str:
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            return (folder / "log").read_text()[-500:]

        def all_sent() -> bool:
            text()
            if not (folder / "killed").exists():
                return False
            with store.read() as connection:
                found = outbox.newest(connection, since_ms=0, limit=10 * number)
            return len(found) >= number and all(item.state == "sent" for item in found)

        wait_until(all_sent, 120 + 3 * kills * mean_s, found=text, pause_s=0.5)
        process.kill()
        process.wait()
        with store.read() as connection:
            opened = {alert.id for alert in alerts.open_ones(connection)}
            written = {item.alert_id for item in outbox.newest(connection, since_ms=0, limit=10 * number)}
        store.close()
        came = Counter(taken.headers["idempotency-key"] for taken in receiver.taken)
        told = {taken.body["alert"] for taken in receiver.taken}
        assert len(opened) == number
        assert written == opened
        assert len(came) == number, "a message has one key, however often it comes"
        return len(opened - told), sum(came.values()) - len(came)


def test_no_alert_is_lost_however_often_the_worker_is_killed(tmp_path: Path) -> None:
    lost, twice = killed(tmp_path, kills=60, mean_s=0.12, number=40)
    assert lost == 0
    assert twice <= 60, "at most one a kill"


@pytest.mark.soak
@pytest.mark.timeout(10_800)
def test_ten_thousand_kills_during_a_thousand_alerts(tmp_path: Path) -> None:
    lost, twice = killed(tmp_path, kills=10_000, mean_s=0.4, number=1000)
    assert lost == 0
    assert twice < 100, f"{twice} messages came twice: more than one of a hundred kills fell between sent and noted"
