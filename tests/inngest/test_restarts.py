"""With any Inngest server: what its own restart costs, with a queue that survives and with one that does not."""

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Served
from tests.inngest.conftest import Inngest
from tests.inngest.support import condition, finished, is_at, moving, replay_runs, state, wished, with_agent
from tests.patience import wait_until
from tests.worker.conftest import RealWorker

Make = Callable[..., Inngest]
Start = Callable[..., RealWorker]
pytestmark = pytest.mark.timeout(1800)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_persistent_server_that_restarts_goes_on_where_it_was(
    inngest: Make, start_worker: Start, serve: Callable[..., Served], tmp_path: Path, how: signal.Signals
) -> None:
    server = inngest("start", redis=True)
    server.start()
    asked: list[str] = []
    variables = with_agent(server, serve, tmp_path, asked, pause_s=0.3, cases=40)
    worker = start_worker(**variables)
    store = moving(worker)
    run = wished(worker, variables)
    wait_until(lambda: len(finished(store, run.id)) >= 6)
    server.stop(how)
    server.start()
    wait_until(lambda: state(store, run.id) == "done", 150)
    assert max(Counter(asked).values()) == 1
    wait_until(lambda: replay_runs(server) == ["COMPLETED"], 180)
    wait_until(lambda: is_at(store, "inngest.pulse", "pulse.ok"))


def test_a_server_that_loses_its_queue_leaves_a_stuck_run_that_is_named_and_the_replay_ends_without_it(
    inngest: Make, start_worker: Start, serve: Callable[..., Served], tmp_path: Path
) -> None:
    server = inngest("start")
    server.start()
    asked: list[str] = []
    variables = with_agent(server, serve, tmp_path, asked, pause_s=0.5, cases=40)
    settings = tmp_path / "greenlight.toml"
    settings.write_text(settings.read_text().replace("stuck_after_s = 3600", "stuck_after_s = 15"))
    worker = start_worker(**variables)
    store = moving(worker)
    run = wished(worker, variables)
    wait_until(lambda: len(finished(store, run.id)) >= 4)
    server.stop(signal.SIGKILL)
    server.start()
    wait_until(lambda: state(store, run.id) == "done")
    assert max(Counter(asked).values()) == 1
    wait_until(lambda: is_at(store, "inngest.runs", "runs.stuck"))
    found = condition(store, "inngest.runs")
    assert found is not None
    (stuck,) = found.detail["stuck"]
    assert "replay-run" in stuck["function"]
    server.api("POST", f"/v2/runs/{stuck['id']}/cancel")
    server.api("POST", f"/v2/runs/{stuck['id']}/rerun")
    wait_until(lambda: is_at(store, "inngest.runs", "runs.ok"))
    assert max(Counter(asked).values()) == 1, "the rerun found every case done"
