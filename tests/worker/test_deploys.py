"""The worker's part that watches deploys: over a real store, with an Inngest server on loopback."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from services import clock
from services.deploys import asked, history, in_flight
from services.deploys.history import AFTER, CHECK
from services.settings import load
from services.store import Store, deploys, readings
from services.store.deploys import Deploy
from tests.conftest import Served
from tests.services.dependencies.test_inngest_server import Fake, row
from tests.services.deploys.test_after import seen
from tests.services.deploys.test_light import settings_file
from worker import deploys as watching
from worker.deploys import DeployWatch

Serve = Callable[..., Served]


def test_it_reads_what_is_at_work_checks_what_was_deployed_and_remembers(
    sqlite_store: Store, tmp_path: Path, serve: Serve
) -> None:
    fake = Fake()
    fake.rows = [row("works", "RUNNING", ended_s=None)]
    settings = load(settings_file(tmp_path, serve(fake.app()).url))
    now, soon = clock.now_ms(), []
    with sqlite_store.write() as connection:
        for at, version in ((now - 30 * clock.HOUR_MS, "1.0"), (now - 5000, "2.0")):
            deploys.note(connection, Deploy(environment="p", at_ms=at, version=version, source="told"))
    seen(sqlite_store, "readiness", now)
    in_flight.look(sqlite_store, "p", now)
    watch = DeployWatch(sqlite_store, settings, owner="w", holds=lambda _name: True,
                        look_soon=lambda name, probes: soon.append((name, tuple(probes))))  # fmt: skip

    async def until_seen() -> None:
        task = asyncio.create_task(watch.run())
        while not soon:
            assert not task.done(), task.result()
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(asyncio.wait_for(until_seen(), 60))
    assert soon == [("p", watching.SOON)]
    with sqlite_store.read() as connection:
        found = in_flight.load(connection, "p")
        newest, old = history.read(connection, "p", clock.now_ms())
        assert readings.load(connection, "p", "deploy_settings") is not None
        assert asked.hinted_ms(connection, "p") > 0, "of a new deploy the platform is asked soon"
    assert found is not None
    assert [run.id for run in found.flight.runs] == ["works"]
    assert newest.deploy.detail[CHECK]["parts"] == {"readiness": True, "moves": None}
    assert AFTER in old.deploy.detail
    assert CHECK not in old.deploy.detail


def test_an_environment_that_another_worker_holds_is_left_alone(sqlite_store: Store, tmp_path: Path) -> None:
    settings = load(settings_file(tmp_path, "http://127.0.0.1:9"))
    now = clock.now_ms()
    with sqlite_store.write() as connection:
        deploys.note(connection, Deploy(environment="p", at_ms=now, version="2.0", source="told"))
    watch = DeployWatch(sqlite_store, settings, owner="w", holds=lambda _name: False, look_soon=lambda *_: None)
    assert watch._check_all(True) == []
    with sqlite_store.read() as connection:
        assert readings.load(connection, "p", "deploy_settings") is None
