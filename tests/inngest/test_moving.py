"""With any Inngest server: a pulse arrives, runs are counted once, a cron runs a task once."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from services import requests
from services.access import local_operator
from services.dependencies.inngest import control
from services.dependencies.inngest.control import Change
from services.settings import load
from services.store import inngest_runs, schedules
from tests.inngest.conftest import Inngest, configure
from tests.inngest.support import all_runs, condition, is_at, kept, moving, replay_runs
from tests.patience import wait_until
from tests.worker.conftest import RealWorker
from tests.worker.test_process import open_store
from worker.replays import REPLAY_EVENT

Make = Callable[..., Inngest]
Start = Callable[..., RealWorker]
pytestmark = pytest.mark.timeout(1800)


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
    wait_until(lambda: is_at(store, "inngest.pulse", "pulse.no_answer"))


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
            return any(r.task == "probe-environments" and r.outcome == "done" for r in schedules.newest(connection))

    wait_until(ran, 340 if server.is_real else 20)
    time.sleep(2)
    with store.read() as connection:
        found = [r for r in schedules.history(connection) if r.task == "probe-environments"]
    assert [(r.by, r.outcome, r.tries) for r in found] == [("inngest", "done", 1)]


def test_a_dev_server_that_restarts_is_registered_with_again(
    inngest: Make, start_worker: Start, tmp_path: Path
) -> None:
    server = inngest("dev")
    server.start()
    store = moving(start_worker(**configure(tmp_path, server)))
    server.stop()
    wait_until(lambda: is_at(store, "inngest.pulse", "pulse.no_answer"))
    server.start()
    wait_until(lambda: is_at(store, "inngest.pulse", "pulse.ok"))
    wait_until(lambda: is_at(store, "inngest.sync", "sync.ok"))


def test_what_a_late_registration_brings_about_is_looked_at_at_once(
    inngest: Make, start_worker: Start, tmp_path: Path
) -> None:
    server = inngest("dev")
    worker = start_worker(**configure(tmp_path, server, pulse_s=3600))  # the next check by the clock is an hour away
    worker.wait()
    store = open_store(worker)
    wait_until(lambda: is_at(store, "inngest.sync", "sync.no_answer"))
    server.start()
    wait_until(lambda: is_at(store, "inngest.sync", "sync.ok"))
    wait_until(lambda: is_at(store, "inngest.pulse", "pulse.ok"))


def test_another_installation_with_the_same_keys_is_told_and_not_fought(
    inngest: Make, start_worker: Start, tmp_path: Path
) -> None:
    server = inngest("start")
    server.start()
    variables = configure(tmp_path, server)
    one = start_worker(**variables)
    store = moving(one)
    other = start_worker(data=tmp_path / "other", **variables)
    theirs = moving(other)
    wait_until(lambda: is_at(store, "inngest.sync", "sync.repointed"))
    found = condition(store, "inngest.sync")
    assert found is not None
    assert str(other.url.rsplit(":", 1)[1]) in found.detail["url"]
    wait_until(lambda: "another process has taken over the registration" in one.log.read_text())
    assert is_at(theirs, "inngest.sync", "sync.ok")


def test_a_run_that_can_t_be_carried_out_fails_at_once_and_others_are_tried_again(
    inngest: Make, start_worker: Start, tmp_path: Path
) -> None:
    server = inngest("start")
    server.start()
    moving(start_worker(**configure(tmp_path, server)))
    event = server.send("greenlight/replay.requested", {"run_id": "no such run"})
    wait_until(lambda: [r["status"] for r in server.runs_of(event)] == ["FAILED"])


def test_a_stranger_can_start_nothing(inngest: Make, start_worker: Start, tmp_path: Path) -> None:
    server = inngest("start")
    server.start()
    worker = start_worker(**configure(tmp_path, server))
    moving(worker)
    forged = {"event": {"name": "greenlight/pulse"}, "events": [], "steps": {}, "ctx": {}, "use_api": False}
    path = f"{worker.url}/inngest?fnId=greenlight-worker-pulse&stepId=step"
    assert httpx.post(path, json=forged).status_code == 401
    assert httpx.post(path, json=forged, headers={"X-Inngest-Signature": "t=1&s=" + "0" * 64}).status_code == 401


def test_a_failed_run_is_run_again_on_a_person_s_word(
    inngest: Callable[..., Inngest], start_worker: Callable[..., RealWorker], tmp_path: Path
) -> None:
    server = inngest("start", redis=True)
    server.start()
    variables = configure(tmp_path, server)
    worker = start_worker(**variables)
    store = moving(worker)
    server.send(REPLAY_EVENT, {"run_id": "none"})  # there is no such replay: the function refuses for good
    wait_until(lambda: "FAILED" in replay_runs(server))
    (failed,) = [run for run in all_runs(server) if run["status"] == "FAILED"]
    settings = load(variables | {"GREENLIGHT_DATA": str(worker.data)})
    job = control.ask(store, settings.environment("prod"), Change(what="rerun", run_id=str(failed["id"])),
                      by=local_operator("Ada"))  # fmt: skip

    def done() -> bool:
        found = requests.find(store, job.id)
        return found is not None and found.state in {"done", "failed"}

    wait_until(done)
    found = requests.find(store, job.id)
    assert found is not None
    assert found.state == "done"
    assert found.message.endswith(": failed.")
    assert replay_runs(server).count("FAILED") == 2
