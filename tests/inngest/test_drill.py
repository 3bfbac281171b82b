"""With any Inngest server: the drill for real. Workers that are served and that connect, replaced in the middle of a step
by SIGTERM and by SIGKILL; and our own worker, which is deployed while it follows the drill that proves it."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.drill import EVENT, FileLines, Line
from services import clock, requests
from services.access import local_operator
from services.deploys import drill, drill_state, drilling
from services.deploys.drill import Count
from services.evidence import chain
from services.evidence.model import Evidence
from services.settings import load
from services.store import Store
from tests.conftest import ROOT, free_port
from tests.inngest.conftest import EVENT_KEY, Inngest, configure
from tests.inngest.support import moving
from tests.inngest.test_connect import connected, connecting
from tests.patience import PATIENCE_S, wait_until
from tests.worker.conftest import RealWorker

Make = Callable[..., Inngest]
Start = Callable[..., RealWorker]
Transport = str
pytestmark = pytest.mark.timeout(1800)
STEPS_S = [1.0, 12.0, 1.0]
ENDED = {0, -signal.SIGTERM}  # uvicorn passes the signal on when it has finished
LIMIT_S = 8.0  # a pause by a retry is 10 s or more with the stand-in, and 15 with the real server


class Swarm:
    """Workers of the reference swarm, which has the kit's function and nothing else."""

    def __init__(self, server: Inngest, folder: Path, transport: Transport) -> None:
        self.server, self.folder, self.transport = server, folder, transport
        self.lines, self.id = folder / "drill.jsonl", secrets.token_hex(8)
        self.processes: list[subprocess.Popen[bytes]] = []
        (folder / "swarm.env").write_text(
            f"ENVIRONMENT=test\nINNGEST_APP_ID=swarm\nINNGEST_BASE_URL={server.url}\nINNGEST_EVENT_KEY={EVENT_KEY}\n"
            f"INNGEST_SIGNING_KEY=signkey-prod-{server.signing_key}\n"
        )

    def start(self) -> subprocess.Popen[bytes]:
        """Start one; back when the server knows it."""
        port, before = free_port(), self.known()
        words = [sys.executable, "-m", "examples.swarm", "--env-file", str(self.folder / "swarm.env"), "--port", str(port),
                 "worker", "--lines", str(self.lines), *(["--connect"] if self.transport == "connect" else [])]  # fmt: skip
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "INNGEST_", "REDIS_"))}
        process = subprocess.Popen(words, cwd=ROOT, env=clean)
        self.processes.append(process)
        if self.transport == "serve":
            wait_until(lambda: _registers(port))
        else:
            wait_until(lambda: self.known() > before)
        return process

    def known(self) -> int:
        """How many workers are connected, as the server says."""
        query = "{ workerConnections(first: 20) { edges { node { instanceId status } } } }"
        found = self.server.api("POST", "/v0/gql", json={"query": query})["data"]["workerConnections"]["edges"]
        return sum(edge["node"]["status"] == "READY" for edge in found)

    def begin(self) -> str:
        return self.server.send(EVENT, {"id": self.id, "steps_s": STEPS_S})

    def read(self) -> drill.Marks:
        data = self.lines.read_bytes() if self.lines.exists() else b""
        return drill.marks(data.split(b"\n"), self.id, len(STEPS_S) + 1)

    def ended(self, event_id: str) -> Count:
        """The count, once the run has ended."""
        wait_until(lambda: [r["status"] for r in self.server.runs_of(event_id)] == ["COMPLETED"], 300,
                   found=self.lines.read_text)  # fmt: skip
        return drill.count(self.read(), len(STEPS_S) + 1)


def _registers(port: int) -> bool:
    try:
        return httpx.put(f"http://127.0.0.1:{port}/inngest", timeout=PATIENCE_S).json().get("ok") is True
    except httpx.HTTPError:
        return False


@pytest.fixture(params=["serve", "connect"])
def swarm(request: pytest.FixtureRequest, inngest: Make, tmp_path: Path) -> Iterator[Swarm]:
    server = inngest("start", redis=True)
    server.start()
    made = Swarm(server, tmp_path, request.param)
    yield made
    for process in made.processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_is_replaced_in_the_middle_of_a_step(swarm: Swarm, how: signal.Signals) -> None:
    old = swarm.start()
    event_id = swarm.begin()
    wait_until(lambda: 2 in swarm.read().began)
    swarm.start()
    assert 2 not in swarm.read().ended, "the new worker took longer to start than the step: this proves nothing"
    old.send_signal(how)
    found = swarm.ended(event_id)
    result = drill.judge(found, "completed", gap_s=LIMIT_S)
    print(swarm.transport, how.name, found)
    assert (found.lost, found.moved, found.unread, found.runs) == ((), True, 0, 1)
    if how is signal.SIGTERM:
        assert (found.twice, result.code) == ((), "drill.passed")
        assert old.wait(PATIENCE_S) in ENDED
    else:
        assert (found.twice, result.code) == ((2,), "drill.twice")


@pytest.mark.soak
def test_without_a_second_worker_nothing_is_lost_but_work_pauses(swarm: Swarm) -> None:
    old = swarm.start()
    event_id = swarm.begin()
    wait_until(lambda: 2 in swarm.read().began)
    old.send_signal(signal.SIGTERM)
    assert old.wait(PATIENCE_S) in ENDED
    swarm.start()
    found = swarm.ended(event_id)
    assert (found.lost, found.twice, found.moved) == ((), (), True)
    assert found.gap_s is not None
    assert found.gap_s > LIMIT_S
    assert drill.judge(found, "completed", gap_s=LIMIT_S).code == "drill.gap"


def test_a_file_s_lines_outlive_one_that_was_torn(tmp_path: Path) -> None:
    import asyncio

    path = tmp_path / "drill.jsonl"
    path.write_bytes(b'{"id": "torn')
    asyncio.run(FileLines(path).append(
        Line(id="abcd", run="r", step=1, attempt="a", phase="begin", worker="w", up_s=1.0)
    ))  # fmt: skip
    found = drill.marks(path.read_bytes().split(b"\n"), "abcd", 2)
    assert (len(found.marks), found.unread) == (1, 0)


def drilled(folder: Path, server: Inngest, transport: Transport) -> dict[str, str]:
    """Settings for our own worker with the kit's function, deployed by a person; its variables."""
    variables = configure(folder, server)
    file = folder / "greenlight.toml"
    file.write_text(file.read_text() + f'drill = {{ steps_s = [1, 30, 1], gap_s = {LIMIT_S}, deploy_at = 2, '
                    f'lines = "drill.jsonl", transport = "{transport}" }}\n')  # fmt: skip
    if transport == "connect":
        connecting(folder)
    return variables | {"DRILL_LINES": str(folder / "drill.jsonl"), "GREENLIGHT_DRAIN_SECONDS": "60"}


def evidence(store: Store) -> Evidence | None:
    with store.read() as connection:
        return chain.newest(connection, "prod", drill.CHECK)


def state(store: Store) -> drill_state.State | None:
    with store.read() as connection:
        return drill_state.load(connection, "prod")


# A killed worker's job waits for its lease: a minute.
CASES: list[Any] = [
    pytest.param("connect", signal.SIGTERM, "drill.passed", id="connected, by SIGTERM"),
    # The next worker registers when it has taken over: in the middle of the step, or after it.
    pytest.param("serve", signal.SIGTERM, "drill.passed drill.gap", id="served, by SIGTERM", marks=pytest.mark.soak),
    pytest.param("connect", signal.SIGKILL, "drill.twice", id="connected, by SIGKILL", marks=pytest.mark.soak),
    pytest.param("serve", signal.SIGKILL, "drill.twice", id="served, by SIGKILL", marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("transport", "how", "code"), CASES)
def test_our_own_worker_is_deployed_while_it_follows_the_drill_and_the_next_one_ends_it(
    inngest: Make, start_worker: Start, tmp_path: Path, transport: Transport, how: signal.Signals, code: str
) -> None:
    server = inngest("start", redis=True)
    server.start()
    variables = drilled(tmp_path, server, transport)
    one = start_worker(module="tests.inngest.drilled_worker", **variables)
    store = moving(one)
    settings = load(variables | {"GREENLIGHT_DATA": str(one.data)})
    began_ms = clock.now_ms()
    job = drilling.ask(store, settings, "prod", by=local_operator("Ada"))
    with pytest.raises(drilling.NotDrilled, match="under way"):
        drilling.ask(store, settings, "prod", by=local_operator("Bob"))
    wait_until(lambda: (found := state(store)) is not None and found.deploy == "asked")
    asked = requests.probe_now(store, settings, "prod", by=local_operator("Ada"))
    wait_until(
        lambda: (done := requests.find(store, asked.id)) is not None and done.state == "done"
    )  # not after the drill
    assert evidence(store) is None
    two = start_worker(data=one.data, module="tests.inngest.drilled_worker", **variables)
    two.wait()
    if transport == "connect":
        wait_until(lambda: len(connected(store)) == 2)
    followed = state(store)
    assert followed is not None
    assert followed.ended_steps == 1, "the new worker took longer to start than the step: this proves nothing"
    status = one.stop(how)
    wait_until(lambda: evidence(store) is not None, 300, found=lambda: (state(store), two.log.read_text()[-3000:]))
    found = evidence(store)
    assert found is not None
    print(found.code, found.detail["counts"])
    assert found.code in code.split()
    assert found.outcome == ("pass" if found.code == "drill.passed" else "fail")
    counts = found.detail["counts"]
    assert (counts["lost"], counts["moved"], counts["unread"]) == ([], True, 0)
    assert counts["twice"] == ([2] if how is signal.SIGKILL else [])
    assert (found.detail["drill"], found.detail["by"], found.at_ms > began_ms) == (job.id, "Ada (unverified)", True)
    assert found.detail["terms"] == {"overlap_s": 0, "draining_s": 0, "transport": transport}
    if how is signal.SIGTERM:
        assert status == 0
    ended = state(store)
    assert ended is not None
    assert (ended.phase, ended.deploy) == ("done", "asked")
