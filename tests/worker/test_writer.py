"""The writer: nothing handed over is lost, not while it writes, not while the store is away."""

import asyncio

import pytest

from services.store import Store, samples
from tests.services.test_ledger import seen
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
