"""The worker's part that asks the platform: over a real store and the real client, with its API on loopback."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from services import clock
from services.deploys import asked
from services.settings.model import Settings
from services.store import Store, deploys, readings
from tests.conftest import Served
from tests.patience import PATIENCE_S
from tests.services.deploys.railway_stand_in import TOKEN, Railway, deployment
from tests.services.deploys.test_api import settings
from worker.platform import PlatformWatch

Serve = Callable[..., Served]


def watching(store: Store, found: Settings, holds: bool = True) -> PlatformWatch:
    return PlatformWatch(store, found, holds=lambda _name: holds)


def hint(store: Store) -> None:
    with store.write() as connection:
        asked.hint(connection, "p", clock.now_ms())


def earlier(store: Store, found: Settings, ago_ms: int) -> None:
    """As if it had been asked by so much earlier."""
    with store.write() as connection:
        kept = readings.load(connection, "p", asked.KIND)
        assert kept is not None
        body = dict(kept.body) | {"asked_ms": kept.body["asked_ms"] - ago_ms}
        readings.keep(connection, "p", asked.KIND, at_ms=kept.at_ms, body=body)


async def until(watch: PlatformWatch, met: Callable[[], bool]) -> None:
    part: Awaitable[None] = watch.run()
    task = asyncio.ensure_future(part)
    async with asyncio.timeout(PATIENCE_S):
        while not met():
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])


def test_it_asks_by_itself_and_notes_a_deploy(sqlite_store: Store, tmp_path: Path, serve: Serve) -> None:
    railway = Railway()
    railway.deployments = [deployment("d1", "SUCCESS", 600, commitHash="ab12cd3456")]
    found = settings(tmp_path, serve(railway.app()).url)

    def noted() -> bool:
        with sqlite_store.read() as connection:
            return deploys.newest(connection, "p") is not None

    asyncio.run(until(watching(sqlite_store, found), noted))
    with sqlite_store.read() as connection:
        (deploy,) = deploys.since(connection, "p", 0, clock.now_ms())
        assert asked.load(connection, found, "p").values["draining"] == "180"
    assert (deploy.version, deploy.source) == ("ab12cd3456", deploys.PLATFORM)


def test_a_hint_that_comes_too_soon_is_kept_for_later(sqlite_store: Store, tmp_path: Path, serve: Serve) -> None:
    railway = Railway()
    found = settings(tmp_path, serve(railway.app()).url)
    watch = watching(sqlite_store, found)
    asyncio.run(watch.ask("p"))
    for _ in range(3):
        hint(sqlite_store)
        asyncio.run(watch.ask("p"))
    assert len(railway.queries) == 3, "one time has three questions; hints within 10 s bring no other"
    earlier(sqlite_store, found, asked.SOON_MS)
    asyncio.run(watch.ask("p"))
    assert len(railway.queries) == 6, "it is asked as soon as it may be, and not only minutes later"
    earlier(sqlite_store, found, asked.SOON_MS)
    asyncio.run(watch.ask("p"))
    assert len(railway.queries) == 6, "and a hint counts once"


def test_a_hint_does_not_break_into_the_time_that_it_was_asked_to_wait(
    sqlite_store: Store, tmp_path: Path, serve: Serve
) -> None:
    railway = Railway()
    found = settings(tmp_path, serve(railway.app()).url)
    watch = watching(sqlite_store, found)
    railway.left = 0
    asyncio.run(watch.ask("p"))
    hint(sqlite_store)
    earlier(sqlite_store, found, asked.SOON_MS)
    asyncio.run(watch.ask("p", hinted=True))
    assert len(railway.queries) == 1


def test_it_leaves_alone_what_another_worker_holds_and_what_has_no_token(
    sqlite_store: Store, tmp_path: Path, serve: Serve
) -> None:
    railway = Railway()
    url = serve(railway.app()).url
    found = settings(tmp_path, url, env="A=1\n")
    asyncio.run(watching(sqlite_store, found).ask("p"))

    async def a_while() -> None:
        task = asyncio.create_task(watching(sqlite_store, settings(tmp_path, url), holds=False).run())
        await asyncio.sleep(0.1)
        task.cancel()

    asyncio.run(a_while())
    assert railway.queries == []


def test_two_that_want_to_know_at_once_ask_once(sqlite_store: Store, tmp_path: Path, serve: Serve) -> None:
    railway = Railway()
    watch = watching(sqlite_store, settings(tmp_path, serve(railway.app()).url))

    async def both() -> None:
        await asyncio.gather(watch.ask("p", hinted=True), watch.ask("p", hinted=True), watch.ask("p"))

    asyncio.run(both())
    assert len(railway.queries) == 3


def test_the_token_stands_in_no_log_and_nowhere_in_the_store(
    sqlite_store: Store, tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    railway = Railway()
    assert railway.instance is not None
    railway.instance |= {"startCommand": f"run {TOKEN}", "healthcheckPath": f"/{TOKEN}", "cronSchedule": TOKEN}
    railway.deployments = [
        deployment(
            f"{TOKEN}-{state}", state, ago, commitHash=TOKEN, branch=TOKEN, commitMessage=TOKEN, commitAuthor=TOKEN
        )
        for state, ago in (("SUCCESS", 600), ("FAILED", 1200))
    ]
    watch = watching(sqlite_store, settings(tmp_path, serve(railway.app()).url))
    asyncio.run(watch.ask("p"))
    earlier(sqlite_store, watch._settings, asked.SOON_MS)
    railway.trouble = Railway.error(f"{TOKEN} is not good for {TOKEN[:15]}")
    asyncio.run(watch.ask("p", hinted=True))
    with sqlite_store.read() as connection:
        names = [row[0] for row in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")]
        stored = {name: repr(connection.exec_driver_sql(f'SELECT * FROM "{name}"').fetchall()) for name in names}
    assert "[removed]" in stored["readings"]
    assert "[removed]" in stored["deploys"]
    for text in (caplog.text, json.dumps(stored)):
        assert TOKEN[:12] not in text
    assert "refuses what is asked about p: error" in caplog.text
