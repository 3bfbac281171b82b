"""With any Inngest server: a pulse arrives, runs are counted once, a cron runs a duty once."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.store import inngest_runs, schedules
from tests.inngest.conftest import Inngest, configure
from tests.inngest.support import all_runs, condition, is_at, kept, moving
from tests.worker.conftest import RealWorker
from tests.worker.test_process import wait_until

Make = Callable[..., Inngest]
Start = Callable[..., RealWorker]
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("mode", ["dev", "start"])
def test_a_pulse_is_accepted_scheduled_started_and_finished(
    inngest: Make, start_worker: Start, tmp_path: Path, mode: str
) -> None:
    server = inngest(mode)
    server.start()
    store = moving(start_worker(**configure(tmp_path, server)))
    wait_until(lambda: is_at(store, "inngest.runs", "runs.ok"))
    found = condition(store, "inngest.pulse")
    runs = condition(store, "inngest.runs")
    assert found is not None
    assert runs is not None
    assert found.detail["facts"]["finished"] is True
    assert found.detail["facts"]["wait_s"] >= 0
    assert runs.detail["kind"] == mode
    server.stop()
    wait_until(lambda: is_at(store, "inngest.pulse", "pulse.no_answer"), 30)


def test_each_finished_run_is_counted_once_however_often_the_list_is_read(
    inngest: Make, start_worker: Start, tmp_path: Path
) -> None:
    server = inngest("start")
    server.start()
    store = moving(start_worker(**configure(tmp_path, server)))
    time.sleep(7)
    listed = {r["id"] for r in all_runs(server) if r["status"] == "COMPLETED"}
    wait_until(lambda: kept(store) >= listed)
    with store.read() as connection:
        tallies = inngest_runs.tallies(connection, "prod", since_ms=0)
    assert sum(t.completed for t in tallies) == len(kept(store))


def test_a_cron_runs_a_duty_once(inngest: Make, start_worker: Start, tmp_path: Path) -> None:
    server = inngest("start")
    server.start()
    store = moving(start_worker(**configure(tmp_path, server)))
    if not server.is_real:
        server.fire("greenlight-worker-probe-environments")
        server.fire("greenlight-worker-probe-environments")

    def ran() -> bool:
        with store.read() as connection:
            return any(r.duty == "probe-environments" and r.outcome == "done" for r in schedules.newest(connection))

    wait_until(ran, 340 if server.is_real else 20)
    time.sleep(2)
    with store.read() as connection:
        found = [r for r in schedules.history(connection) if r.duty == "probe-environments"]
    assert [(r.by, r.outcome, r.tries) for r in found] == [("inngest", "done", 1)]


def test_a_dev_server_that_restarts_is_registered_with_again(
    inngest: Make, start_worker: Start, tmp_path: Path
) -> None:
    server = inngest("dev")
    server.start()
    store = moving(start_worker(**configure(tmp_path, server)))
    server.stop()
    wait_until(lambda: is_at(store, "inngest.pulse", "pulse.no_answer"), 60)
    server.start()
    wait_until(lambda: is_at(store, "inngest.pulse", "pulse.ok"), 60)
    wait_until(lambda: is_at(store, "inngest.sync", "sync.ok"), 60)
