"""Real workers carry replays out: together, across a kill, for the canary, with evidence."""

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from services.access import local_operator
from services.evidence import chain
from services.evidence.model import Evidence
from services.replay import runs, start
from services.replay.start import Wish
from services.settings import load
from services.settings.model import Settings
from services.store import Store, replays
from tests.conftest import Served
from tests.patience import wait_until
from tests.services.replay.test_agents import app as agent_app
from tests.services.replay.test_runs import make_set
from tests.worker.conftest import RealWorker
from tests.worker.test_process import open_store

Start = Callable[..., RealWorker]


def configured(folder: Path, url: str, cases: int = 40) -> dict[str, str]:
    make_set(folder, cases)
    (folder / "greenlight.toml").write_text(
        f'[replay]\ngolden = "set.json"\nconcurrency = 4\nagents = [{{ name = "mine", url = "{url}", environment = "prod" }}]\n'
        '[[environments]]\nname = "prod"\nbase_url = "http://127.0.0.1:9"\n'
    )
    return {"GREENLIGHT_CONFIG": str(folder / "greenlight.toml")}


def serve_agent(
    serve: Callable[..., Served], asked: list[str], pause_s: float = 0.02, may_answer: threading.Event | None = None
) -> str:
    import asyncio

    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

    async def handler(request: Request) -> Response:
        case = await request.json()
        asked.append(case["case_id"])
        await asyncio.sleep(pause_s)
        while may_answer is not None and not may_answer.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.05)
        return JSONResponse({"case_id": case["case_id"], "output": "done"})

    return serve(agent_app(handler)).url + "/agent"


def settings_of(worker: RealWorker, variables: dict[str, str]) -> Settings:
    return load(variables | {"GREENLIGHT_DATA": str(worker.data)})


def state(store: Store, run_id: str) -> str:
    with store.read() as connection:
        return replays.state_of(connection, run_id)


def gate_evidence(store: Store) -> list[Evidence]:
    with store.read() as connection:
        return [record for _, _, record in chain.history(connection, "prod", check="replay.gate")]


def test_two_workers_share_a_run_ask_once_and_leave_evidence(
    start_worker: Start, serve: Callable[..., Served], tmp_path: Path
) -> None:
    asked: list[str] = []
    variables = configured(tmp_path, serve_agent(serve, asked, 0.05), cases=120)
    one = start_worker(**variables)
    two = start_worker(data=one.data, **variables)
    one.wait()
    two.wait()
    store = open_store(one)
    run = start.ask(store, settings_of(one, variables), Wish(agent="mine"), by=local_operator("test"))
    owners: set[str] = set()

    def done() -> bool:
        with store.read() as connection:
            rows = connection.exec_driver_sql("SELECT DISTINCT owner FROM replay_results WHERE owner IS NOT NULL")
            owners.update(row[0] for row in rows)
        return state(store, run.id) == "done"

    wait_until(done)
    assert sorted(asked) == sorted(f"c{n}" for n in range(120))
    assert len(owners) == 2
    (proof,) = gate_evidence(store)
    assert (proof.outcome, proof.detail["run_id"], proof.golden_sha256) == ("pass", run.id, run.golden_sha256)


def test_a_killed_worker_s_cases_are_taken_up_by_another(
    start_worker: Start, serve: Callable[..., Served], tmp_path: Path
) -> None:
    asked: list[str] = []
    variables = configured(tmp_path, serve_agent(serve, asked, 0.1), cases=60)
    one = start_worker(**variables)
    one.wait()
    store = open_store(one)
    run = start.ask(store, settings_of(one, variables), Wish(agent="mine"), by=local_operator("test"))
    wait_until(lambda: len(asked) > 10)
    one.stop(signal.SIGKILL)
    with store.write() as connection:  # its lease would end in a minute: time is an argument here, too
        connection.exec_driver_sql("UPDATE replay_results SET lease_until_ms = 0 WHERE state = 'running'")
        kept = dict(connection.exec_driver_sql("SELECT case_id, body FROM replay_results WHERE state = 'done'").all())  # type: ignore[arg-type]
    two = start_worker(data=one.data, **variables)
    two.wait()
    wait_until(lambda: state(store, run.id) == "done")
    found = runs.result(store, run)
    assert (found.total, found.passed) == (60, 60)
    with store.read() as connection:
        now = dict(connection.exec_driver_sql("SELECT case_id, body FROM replay_results").all())  # type: ignore[arg-type]
    assert {case: now[case] for case in kept} == kept, "what was finished was not done again"


def test_sigterm_hands_back_what_is_held(start_worker: Start, serve: Callable[..., Served], tmp_path: Path) -> None:
    asked: list[str] = []
    variables = configured(tmp_path, serve_agent(serve, asked, 0.2), cases=400)
    worker = start_worker(**variables)
    worker.wait()
    store = open_store(worker)
    run = start.ask(store, settings_of(worker, variables), Wish(agent="mine"), by=local_operator("test"))
    wait_until(lambda: len(asked) > 8)
    assert worker.stop() == 0
    with store.read() as connection:
        counts = replays.counts(connection, run.id)
    assert counts.get("running", 0) == 0
    assert counts["pending"] > 0


def test_an_agent_that_is_gone_from_the_settings_fails_the_run_in_words(
    start_worker: Start, serve: Callable[..., Served], tmp_path: Path
) -> None:
    variables = configured(tmp_path, "http://127.0.0.1:1/agent")
    first = start_worker(**variables)
    first.wait()
    store = open_store(first)
    settings = settings_of(first, variables)
    first.stop()
    run = start.ask(store, settings, Wish(agent="mine"), by=local_operator("test"))
    with store.write() as connection:
        options = json.dumps(dict(run.options) | {"agent": "gone"})
        connection.exec_driver_sql("UPDATE replay_runs SET options = ?", (options,))
    start_worker(data=first.data, **variables).wait()
    wait_until(lambda: state(store, run.id) == "failed")
    with store.read() as connection:
        found = replays.get(connection, run.id)
    assert found is not None
    assert "no longer configured" in found.message


def test_the_canary_asks_once_for_each_agent_with_an_environment(store: Store, tmp_path: Path) -> None:
    settings = load(configured(tmp_path, "http://127.0.0.1:1/agent") | {"GREENLIGHT_DATA": str(tmp_path)})
    pair = start.ask_pairs(store, settings)
    assert len(pair) == 2
    assert pair[0].options["aa"] == pair[1].options["aa"]
    assert start.ask_pairs(store, settings) == (), "the last pair is still open"
    first = start.ask_canaries(store, settings)
    assert [(run.agent, run.subset, run.total, run.requested_by) for run in first] == [
        ("mine", "canary", 4, "schedule")
    ]
    assert start.ask_canaries(store, settings) == (), "the last one is still open"
