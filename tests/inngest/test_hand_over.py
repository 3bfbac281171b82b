"""With any Inngest server: schedules pass to the fallback and back, and nothing runs twice."""

import itertools
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services import clock
from services.store import Store
from tests.inngest.conftest import Inngest, configure
from tests.inngest.support import all_runs, history, is_at, moving
from tests.patience import wait_until
from tests.worker.conftest import RealWorker

Make = Callable[..., Inngest]
Start = Callable[..., RealWorker]
pytestmark = pytest.mark.timeout(1800)


def test_schedules_pass_from_inngest_to_the_fallback_and_back_and_nothing_runs_twice(
    inngest: Make, start_worker: Start, tmp_path: Path
) -> None:
    server = inngest("start", redis=True)
    server.start()
    every_s = 60 if server.is_real else 4
    variables = configure(tmp_path, server) | {"QUICK_EVERY_S": str(every_s)}
    one = start_worker(module="tests.inngest.quick_worker", **variables)
    two = start_worker(data=one.data, module="tests.inngest.quick_worker", **variables)
    two.wait()
    store = moving(one)
    begun = clock.now_ms()
    ran_by(store, server, "inngest", since_ms=begun, ticks=2, every_s=every_s)
    server.stop(signal.SIGKILL)
    gone = clock.now_ms()
    ran_by(store, server, "fallback", since_ms=gone, ticks=2, every_s=every_s)
    server.start()
    wait_until(lambda: is_at(store, "inngest.pulse", "pulse.ok"))
    ran_by(store, server, "inngest", since_ms=clock.now_ms(), ticks=2, every_s=every_s)
    found = history(store)
    first_fallback = min(r.due_ms for r in found if r.by == "fallback" and r.due_ms >= gone - every_s * 1000)
    assert first_fallback - gone <= 2 * every_s * 1000
    done = [r for r in found if r.outcome == "done"]
    assert all(r.tries == 1 for r in done)
    ran = one.log.read_text().count("retention dropped")  # both write into the one log
    assert ran in {len(done), len(done) + 1}, "the newest may have run and not be noted yet"
    due = sorted(r.due_ms for r in found if r.due_ms >= begun)
    assert max(b - a for a, b in itertools.pairwise(due)) <= 2 * every_s * 1000


def test_a_duty_that_fails_is_tried_again_for_the_same_moment_and_its_finished_step_is_not(
    inngest: Make, start_worker: Start, tmp_path: Path
) -> None:
    server = inngest("start", redis=True)
    server.start()
    every_s = 60 if server.is_real else 3600
    variables = configure(tmp_path, server) | {"QUICK_EVERY_S": str(every_s), "QUICK_FAILS": "1"}
    worker = start_worker(module="tests.inngest.quick_worker", **variables)
    store = moving(worker)
    if not server.is_real:  # whose cron comes with the minute
        server.fire("greenlight-worker-retention")
    wait_until(lambda: any(r.tries == 2 and r.outcome == "done" for r in history(store)), 240)
    ran = next(r for r in history(store) if r.tries == 2)
    assert ran.due_ms % (every_s * 1000) == 0
    log = worker.log.read_text()
    assert "the task retention failed (RuntimeError at tests/inngest/quick_worker.py:" in log
    assert "planned" not in log, "an error's text may quote a secret"
    if server.is_real:
        return  # how it called is not for us to see; who was first to try again, it or the fallback, is open
    assert ran.by == "inngest"
    wait_until(lambda: any(str(r["status"]) == "COMPLETED" and "retention" in str(r["function"])
                           for r in all_runs(server)))  # fmt: skip
    run_id = next(str(r["id"]) for r in all_runs(server) if "retention" in str(r["function"]))
    calls = [(c["attempt"], c["status"]) for c in server.api("GET", "/stand-in/calls") if c["run"] == run_id]
    # "due" is done; "work" fails, and its second attempt does it; the function returns.
    assert calls == [(0, 206), (0, 206), (1, 206), (0, 200)]


def ran_by(store: Store, server: Inngest, by: str, *, since_ms: int, ticks: int, every_s: float) -> None:
    """Wait until that scheduler ran some due moments; the stand-in's clock is driven from here."""
    fired = 0

    def enough() -> bool:
        nonlocal fired
        tick = int(time.time() // every_s)
        if by == "inngest" and not server.is_real and tick != fired:
            server.fire("greenlight-worker-retention")
            fired = tick
        return len([r for r in history(store) if r.by == by and r.due_ms >= since_ms and r.outcome == "done"]) >= ticks

    wait_until(enough, 8 * every_s + 20)
