"""With any Inngest server: a replay is fanned out by case, and no finished case is repeated when a worker ends."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Served
from tests.inngest.conftest import Inngest
from tests.inngest.support import finished, moving, replay_runs, state, wished, with_agent
from tests.patience import PATIENCE_S, wait_until
from tests.worker.conftest import RealWorker

Make = Callable[..., Inngest]
Start = Callable[..., RealWorker]
pytestmark = pytest.mark.timeout(1800)


def test_a_replay_of_fifty_cases_is_fanned_out_over_two_workers_and_each_case_asked_once(
    inngest: Make, start_worker: Start, serve: Callable[..., Served], tmp_path: Path
) -> None:
    server = inngest("start", redis=True)
    server.start()
    asked: list[str] = []
    both_at_work = threading.Event()  # until then the agent answers nothing: neither worker can be too late
    variables = with_agent(server, serve, tmp_path, asked, cases=50, may_answer=both_at_work)
    one = start_worker(**variables)
    store = moving(one)
    two = start_worker(data=one.data, **variables)
    two.wait()
    run = wished(one, variables)

    def owners() -> set[str]:
        with store.read() as connection:
            found = connection.exec_driver_sql("SELECT DISTINCT owner FROM replay_results WHERE owner IS NOT NULL")
            return set(found.scalars())

    def are_both_at_work() -> bool:
        at_work = owners()
        in_steps = {owner.partition("#")[0] for owner in at_work if "#" in owner}
        return len(in_steps) == 1 and len({owner.partition("#")[0] for owner in at_work}) == 2

    wait_until(are_both_at_work, found=owners)
    both_at_work.set()
    wait_until(lambda: state(store, run.id) == "done")
    assert Counter(asked) == {f"c{n}": 1 for n in range(50)}
    wait_until(lambda: replay_runs(server) == ["COMPLETED"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_ends_in_the_middle_repeats_no_finished_case(
    inngest: Make, start_worker: Start, serve: Callable[..., Served], tmp_path: Path, how: signal.Signals
) -> None:
    server = inngest("start", redis=True)
    server.start()
    asked: list[str] = []
    variables = with_agent(server, serve, tmp_path, asked, pause_s=0.5, cases=40) | {"GREENLIGHT_DRAIN_SECONDS": "10"}
    one = start_worker(**variables)
    store = moving(one)
    run = wished(one, variables)
    wait_until(lambda: len(finished(store, run.id)) >= 8)
    done = finished(store, run.id)
    assert one.stop(how) == (0 if how is signal.SIGTERM else -signal.SIGKILL)
    done = finished(store, run.id) if how is signal.SIGTERM else done
    before = Counter(asked)
    two = start_worker(data=one.data, **variables)
    two.wait()
    wait_until(lambda: state(store, run.id) == "done", 150)
    again = {case for case, times in Counter(asked).items() if times > 1}
    assert not again & done
    if how is signal.SIGTERM:
        assert not again, "what was being asked was finished within the drain time"
        assert set(before) == done
        assert "everything was written and handed back" in one.log.read_text()
    wait_until(lambda: replay_runs(server) == ["COMPLETED"], 150)


def test_steps_that_a_stop_cuts_are_named_a_line_each_without_a_traceback(
    inngest: Make, start_worker: Start, serve: Callable[..., Served], tmp_path: Path
) -> None:
    server = inngest("start", redis=True)
    server.start()
    asked: list[str] = []
    variables = with_agent(server, serve, tmp_path, asked, cases=4, may_answer=threading.Event())
    worker = start_worker(**variables | {"GREENLIGHT_DRAIN_SECONDS": "1"})
    moving(worker)
    wished(worker, variables)
    wait_until(lambda: len(asked) == 4)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(PATIENCE_S) == 0
    said = worker.log.read_text()
    cut = [line for line in said.splitlines() if "cut off: step 'case" in line]
    assert len(cut) == 4
    assert all("of replay-run" in line and "Inngest runs it again" in line for line in cut)
    assert "Traceback" not in said


def test_no_more_cases_are_asked_side_by_side_than_replay_says(
    inngest: Make, start_worker: Start, serve: Callable[..., Served], tmp_path: Path
) -> None:
    server = inngest("start", redis=True)
    server.start()
    asked: list[str] = []
    may_answer = threading.Event()
    variables = with_agent(server, serve, tmp_path, asked, cases=12, may_answer=may_answer)
    worker = start_worker(**variables)
    store = moving(worker)
    run = wished(worker, variables)
    wait_until(lambda: len(asked) == 4)  # as `configure` sets it
    time.sleep(1.5)  # nothing more comes
    assert len(asked) == 4, "though Inngest calls eight steps at once"
    may_answer.set()
    wait_until(lambda: state(store, run.id) == "done")
    assert Counter(asked) == {f"c{n}": 1 for n in range(12)}
