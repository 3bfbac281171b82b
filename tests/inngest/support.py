"""What the scenarios look at: conditions, runs and who did what."""

import threading
from collections.abc import Callable
from pathlib import Path

from services import clock
from services.access import local_operator
from services.replay import start
from services.replay.start import Wish
from services.settings import load
from services.store import Store, conditions, replays, schedules
from services.store.conditions import Condition
from services.store.replays import Run
from services.store.schedules import ScheduleRun
from tests.conftest import Served
from tests.inngest.conftest import Inngest, configure
from tests.patience import wait_until
from tests.services.replay.test_runs import make_set
from tests.worker.conftest import RealWorker
from tests.worker.test_process import open_store
from tests.worker.test_replays import serve_agent


def condition(store: Store, probe: str) -> Condition | None:
    with store.read() as connection:
        return {c.probe: c for c in conditions.load(connection, "prod")}.get(probe)


def is_at(store: Store, probe: str, code: str) -> bool:
    found = condition(store, probe)
    return found is not None and found.code == code and clock.now_ms() - found.at_ms < 15_000


def moving(worker: RealWorker) -> Store:
    """The worker's store, once a pulse has finished and the registration is in order."""
    worker.wait()
    store = open_store(worker)
    wait_until(lambda: is_at(store, "inngest.pulse", "pulse.ok"))
    wait_until(lambda: is_at(store, "inngest.sync", "sync.ok"))
    return store


def kept(store: Store) -> set[str]:
    with store.read() as connection:
        return set(connection.exec_driver_sql("SELECT run_id FROM inngest_runs").scalars())


def all_runs(server: Inngest) -> list[dict[str, object]]:
    from services.dependencies.inngest.api import rfc3339

    query = {"from": rfc3339(clock.now_ms() - 3_600_000), "until": rfc3339(clock.now_ms() + 60_000), "limit": "100"}
    return list(server.api("GET", "/v2/runs", params=query).get("data") or [])


def wished(worker: RealWorker, variables: dict[str, str]) -> Run:
    settings = load(variables | {"GREENLIGHT_DATA": str(worker.data)})
    return start.ask(open_store(worker), settings, Wish(agent="mine"), by=local_operator("test"))


def state(store: Store, run_id: str) -> str:
    with store.read() as connection:
        return replays.state_of(connection, run_id)


def replay_runs(server: Inngest) -> list[str]:
    return [str(r["status"]) for r in all_runs(server) if "replay-run" in str(r["function"])]


def with_agent(
    server: Inngest,
    serve: Callable[..., Served],
    folder: Path,
    asked: list[str],
    *,
    cases: int,
    pause_s: float = 0.02,
    may_answer: threading.Event | None = None,
) -> dict[str, str]:
    make_set(folder, cases)
    agent = serve_agent(serve, asked, pause_s, may_answer)
    # A slow pulse: on a busy machine a quick one is late now and then, and then the workers don't trust Inngest.
    return configure(folder, server, agent=agent, cases="set.json", pulse_s=10)


def finished(store: Store, run_id: str) -> set[str]:
    with store.read() as connection:
        rows = connection.exec_driver_sql(
            f"SELECT case_id FROM replay_results WHERE run_id='{run_id}' AND state='done'"
        )
        return set(rows.scalars())


def history(store: Store) -> tuple[ScheduleRun, ...]:
    with store.read() as connection:
        return schedules.history(connection)
