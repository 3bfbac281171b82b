"""The writer: nothing handed over is lost, not while it writes, not while the store is away."""

import asyncio
from dataclasses import replace

import pytest

from services.dependencies.messages import advice
from services.dependencies.model import Check, Measure
from services.dependencies.run import Observation
from services.evidence import chain
from services.store import Store, conditions, samples
from tests.services.health.test_record import seen
from worker import writer as module
from worker.writer import Writer


def count(store: Store) -> int:
    with store.read() as connection:
        return samples.count(connection)


def query_only(store: Store, *, on: bool) -> None:
    with store.engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if on else 'OFF'}")


def test_what_arrives_while_it_writes_is_written_too(sqlite_store: Store) -> None:
    async def scenario() -> int:
        writer = Writer(sqlite_store)
        for number in range(200):
            writer.put(seen(number))
        flushing = asyncio.create_task(writer.flush())
        await asyncio.sleep(0)  # the first batch is on its way
        for number in range(200, 300):
            writer.put(seen(number))
        assert await flushing
        await writer.close()
        return writer.committed_samples

    assert asyncio.run(scenario()) == 300
    assert count(sqlite_store) == 300


def test_while_the_store_is_away_results_wait_and_are_written_when_it_is_back(sqlite_store: Store) -> None:
    async def scenario() -> None:
        writer = Writer(sqlite_store)
        writer.put(seen(0))
        assert await writer.flush()
        # The writer has a thread and so a pooled connection of its own: this one stands for both.
        query_only(sqlite_store, on=True)
        writer.put(seen(10))
        assert not await writer.flush()
        assert "read-only" in writer.trouble
        assert (writer.backlog, writer.committed_samples) == (1, 1)
        writer.put(seen(20))
        query_only(sqlite_store, on=False)
        assert await writer.flush()
        assert (writer.trouble, writer.backlog, writer.committed_samples) == ("", 0, 3)
        await writer.close()

    asyncio.run(scenario())
    assert count(sqlite_store) == 3


def odd(at_s: float, **fields: object) -> Observation:
    """An observation of another probe that no judge or no database takes."""
    item = seen(at_s)
    return replace(item, probe="redis.ping", reading=replace(item.reading, **fields))


POISON = [
    {"code": "readiness.not_ready", "checks": (Check(name="half \ud83d", outcome="fail"),)},
    {"detail": {"a": object()}},
    {"latency_ms": 10**400},
    {"version": "half \ud83d", "checks": (Check(name="x", outcome="pass"),)},
    {
        "measures": (Measure(sli="s", value=float("inf"), good=True),),
        "checks": (Check(name="x", outcome="pass", value=float("nan")),),
    },
]


@pytest.mark.parametrize("fields", POISON)
def test_an_observation_that_can_not_be_judged_or_stored_is_set_aside_alone(
    store: Store, fields: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> Writer:
        writer = Writer(store)
        for number in range(50):
            writer.put(seen(number * 10))
            if number % 10 == 3:
                writer.put(odd(number * 10, **fields))
        assert await writer.flush()
        await writer.close()
        return writer

    writer = asyncio.run(scenario())
    assert writer.set_aside.total() == 5
    assert (writer.committed_samples, writer.backlog, writer.trouble) == (50, 0, "")
    assert count(store) == 50
    with store.read() as connection:
        found = {c.probe: c for c in conditions.load(connection, "e")}
        assert chain.verify(connection) is None
    assert found["readiness"].state == "ok"
    assert found["redis.ping"].code == "prober.set_aside"
    assert advice(found["redis.ping"].code, found["redis.ping"].detail["words"]).what.startswith(
        "One check could not be stored: "
    )
    assert "half" not in caplog.text


def test_what_was_written_before_the_store_went_away_is_not_written_twice(sqlite_store: Store) -> None:
    """A batch is halved around what can't be stored, and the store goes away in the middle of it."""

    async def scenario() -> Writer:
        writer = Writer(sqlite_store)
        for number in range(8):
            writer.put(odd(number, checks=None) if number == 2 else seen(number))
        with sqlite_store.engine.connect() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER away BEFORE INSERT ON samples WHEN new.at_ms >= 5000 BEGIN "
                "SELECT RAISE(ABORT, 'database is locked'); END"
            )
            connection.commit()
        assert not await writer.flush()
        assert (writer.committed_samples, writer.backlog) == (3, 4)
        with sqlite_store.engine.connect() as connection:
            connection.exec_driver_sql("DROP TRIGGER away")
            connection.commit()
        assert await writer.flush()
        await writer.close()
        return writer

    writer = asyncio.run(scenario())
    assert (writer.committed_samples, writer.committed_observations, writer.backlog) == (7, 8, 0)
    assert count(sqlite_store) == 7


def test_beyond_its_bound_it_drops_the_oldest_and_counts_them(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_AT_MOST", 5)

    async def scenario() -> Writer:
        writer = Writer(sqlite_store)
        for number in range(8):
            writer.put(seen(number))
        await writer.close()
        return writer

    writer = asyncio.run(scenario())
    assert (writer.dropped, writer.committed_samples) == (3, 5)
    with sqlite_store.read() as connection:
        (points,) = samples.newest_values(connection, "e", since_ms=0).values()
    assert [at for at, _ in points] == [3000, 4000, 5000, 6000, 7000]
