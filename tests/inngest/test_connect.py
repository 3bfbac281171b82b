"""With any Inngest server: workers that connect. One moves work without an inbound port; the end of one of two pauses
nothing and repeats nothing; what ends a connection is begun again."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from services.store import Store
from tests.conftest import Served
from tests.inngest.conftest import Inngest, configure
from tests.inngest.support import condition, is_at, moving, replay_runs, state, wished, with_agent
from tests.patience import PATIENCE_S, wait_until
from tests.worker.conftest import RealWorker

Make = Callable[..., Inngest]
Start = Callable[..., RealWorker]
pytestmark = pytest.mark.timeout(1800)


def connecting(folder: Path) -> None:
    """The settings written by `configure`, with workers that connect."""
    file = folder / "greenlight.toml"
    file.write_text('[durable]\ntransport = "connect"\n' + file.read_text())


def connected(store: Store) -> list[str]:
    found = condition(store, "inngest.sync")
    return [name for name, _ in found.detail.get("connected", [])] if found is not None else []


def test_a_worker_that_connects_moves_work_and_takes_no_calls(
    inngest: Make, start_worker: Start, tmp_path: Path
) -> None:
    server = inngest("start", redis=True)
    server.start()
    variables = configure(tmp_path, server)
    connecting(tmp_path)
    worker = start_worker(**variables)
    store = moving(worker)
    assert len(connected(store)) == 1
    for method in ("POST", "PUT"):
        assert httpx.request(method, f"{worker.url}/inngest", timeout=PATIENCE_S).status_code == 403
    assert worker.stop() == 0
    said = worker.log.read_text()
    assert "connected to Inngest as" in said
    assert "Traceback" not in said


# A killed worker's cases wait for its lease: a minute.
@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.soak)])
def test_the_end_of_one_of_two_workers_loses_nothing_and_repeats_no_finished_case(
    inngest: Make, start_worker: Start, serve: Callable[..., Served], tmp_path: Path, how: signal.Signals
) -> None:
    server = inngest("start", redis=True)
    server.start()
    asked: list[str] = []
    variables = with_agent(server, serve, tmp_path, asked, pause_s=0.5, cases=40) | {"GREENLIGHT_DRAIN_SECONDS": "20"}
    connecting(tmp_path)
    one = start_worker(**variables)
    store = moving(one)
    two = start_worker(data=one.data, **variables)
    two.wait()
    wait_until(lambda: len(connected(store)) == 2)
    run = wished(one, variables)
    wait_until(lambda: len(asked) >= 8)
    began, many = time.monotonic(), len(asked)
    one.stop(how)
    wait_until(lambda: len(asked) > many)
    print(f"next case after {time.monotonic() - began:.1f} s")
    wait_until(lambda: state(store, run.id) == "done")
    twice = {case for case, count in Counter(asked).items() if count > 1}
    assert set(asked) == {f"c{n}" for n in range(40)}
    if how is signal.SIGTERM:
        assert not twice, "what was being asked was finished, and nothing was asked again"
    wait_until(lambda: "COMPLETED" in replay_runs(server))


def test_a_server_that_comes_back_is_connected_to_again(inngest: Make, start_worker: Start, tmp_path: Path) -> None:
    server = inngest("start", redis=True)
    server.start()
    variables = configure(tmp_path, server)
    connecting(tmp_path)
    worker = start_worker(**variables)
    store = moving(worker)
    server.stop(signal.SIGKILL)
    wait_until(lambda: is_at(store, "inngest.pulse", "pulse.no_answer"))
    server.start()
    wait_until(lambda: is_at(store, "inngest.pulse", "pulse.ok"))
    assert worker.process.poll() is None


def test_two_ways_of_registering_are_named(inngest: Make, start_worker: Start, tmp_path: Path) -> None:
    server = inngest("start", redis=True)
    server.start()
    variables = configure(tmp_path, server)
    (tmp_path / "other").mkdir()
    other = configure(tmp_path / "other", server)
    connecting(tmp_path)
    store = moving(start_worker(**variables))
    start_worker(data=tmp_path / "other" / "data", **other).wait()
    wait_until(lambda: is_at(store, "inngest.sync", "sync.two_ways"))
