"""The ledger: one transaction for samples, states, spans and evidence; on both databases."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from services.dependencies.model import Check, Measure, Reading
from services.dependencies.run import Observation
from services.errors import StoreError
from services.evidence import chain
from services.health import record as ledger
from services.store import Store, conditions, deploys, samples, spans
from services.store.deploys import Deploy
from services.store.migrate import migrate


def seen(at_s: float, code: str = "readiness.ok", environment: str = "e", version: str | None = "v1") -> Observation:
    good = code == "readiness.ok"
    return Observation(
        environment=environment,
        simulated=False,
        probe="readiness",
        interval_s=10,
        at_ms=int(at_s * 1000),
        lag_ms=0,
        reading=Reading(
            code=code,
            latency_ms=5.0,
            measures=(Measure(sli="readiness_uptime", value=5.0 if good else None, good=good),),
            checks=(Check(name="readiness.ready", outcome="pass" if good else "fail"),),
            version=version,
        ),
    )


def state_of(store: Store) -> str:
    with store.read() as connection:
        return conditions.load(connection, "e")[0].state


def records(store: Store) -> list[tuple[str, str | None]]:
    with store.read() as connection:
        assert chain.verify(connection) is None
        return [(e.outcome, e.version) for _, _, e in reversed(chain.history(connection, "e"))]


def test_every_observation_becomes_a_sample_but_evidence_only_on_change(store: Store) -> None:
    memory = ledger.Memory()
    for at_s in range(0, 100, 10):
        assert ledger.record(store, [seen(at_s)], memory) == 1
    ledger.record(store, [seen(100, "readiness.not_ready")], memory)
    with store.read() as connection:
        assert samples.count(connection) == 11
    assert records(store) == [("pass", "v1"), ("fail", "v1")]


def test_what_somebody_asked_for_is_evidence_of_that_moment_unchanged_or_not(store: Store) -> None:
    """Else anyone who presses Verify sees the time of an earlier check."""
    memory = ledger.Memory()
    ledger.record(store, [seen(0)], memory)
    ledger.record(store, [replace(seen(60), asked=True)], memory)
    ledger.record(store, [seen(70)], memory)
    with store.read() as connection:
        assert [e.at_ms for _, _, e in chain.history(connection, "e")] == [60_000, 0]


def test_hysteresis_goes_on_over_batches_and_restarts(store: Store) -> None:
    down = "readiness.refused"
    ledger.record(store, [seen(0), seen(10, down), seen(20, down)], ledger.Memory())
    assert state_of(store) == "ok"
    ledger.record(store, [seen(30, down)], ledger.Memory())  # another process: nothing in memory
    assert state_of(store) == "down"


def test_after_a_gap_the_first_look_decides(store: Store) -> None:
    ledger.record(store, [seen(0)], ledger.Memory())
    ledger.record(store, [seen(3600, "readiness.refused")], ledger.Memory())
    assert state_of(store) == "down"
    with store.read() as connection:
        found = spans.load(connection, "e", since_ms=0, probe="readiness")
    assert [(s.from_ms, s.until_ms) for s in reversed(found)] == [(0, 0), (3_600_000, 3_600_000)]


def test_a_new_version_makes_new_evidence(store: Store) -> None:
    memory = ledger.Memory()
    ledger.record(store, [seen(0), seen(10, version="v2")], memory)
    assert records(store) == [("pass", "v1"), ("pass", "v2")]


def test_a_failed_write_changes_neither_store_nor_memory(sqlite_store: Store) -> None:
    memory = ledger.Memory()
    ledger.record(sqlite_store, [seen(0)], memory)
    with sqlite_store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
    with pytest.raises(StoreError):
        ledger.record(sqlite_store, [seen(10, "readiness.not_ready")], memory)
    with sqlite_store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=OFF")
    assert records(sqlite_store) == [("pass", "v1")]
    ledger.record(sqlite_store, [seen(10, "readiness.not_ready")], memory)
    assert records(sqlite_store) == [("pass", "v1"), ("fail", "v1")]


def test_two_writers_with_memories_of_their_own_keep_one_chain(store: Store) -> None:
    first, second = ledger.Memory(), ledger.Memory()
    for at_s, memory in zip(range(0, 80, 10), itertools.cycle([first, second]), strict=False):
        code = "readiness.ok" if at_s % 20 else "readiness.not_ready"
        ledger.record(store, [seen(at_s, code)], memory)
    with store.read() as connection:
        assert chain.verify(connection) is None


def test_a_late_observation_with_an_older_clock_does_not_shorten_a_span(store: Store) -> None:
    memory = ledger.Memory()
    ledger.record(store, [seen(100), seen(105)], memory)
    ledger.record(store, [seen(50)], memory)
    with store.read() as connection:
        newest = spans.newest(connection, "e")["readiness"].span
    assert newest.until_ms >= 105_000


def test_simulated_evidence_says_so(store: Store) -> None:
    ledger.record(store, [replace(seen(0), simulated=True)], ledger.Memory())
    with store.read() as connection:
        assert all(e.simulated for e in chain.latest(connection, "e"))


def test_an_empty_batch_writes_nothing(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'x.db'}")
    migrate(store)
    assert ledger.record(store, [], ledger.Memory()) == 0
    with store.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM spans")).scalar() == 0


def test_what_the_platform_told_first_and_readiness_shows_then_is_one_deploy(store: Store) -> None:
    memory = ledger.Memory()
    ledger.record(store, [seen(0)], memory)
    with store.write() as connection:
        told = Deploy(environment="e", at_ms=100_000, version="ab12cd3456", source=deploys.PLATFORM, detail={"x": 1})
        deploys.note(connection, told)
    ledger.record(store, [seen(160, version="2.5.0")], memory)
    ledger.record(store, [seen(5000, version="2.6.0")], memory)
    with store.read() as connection:
        found = deploys.since(connection, "e", 0, 10_000_000)
    assert [(d.at_ms, d.version, d.source, dict(d.detail)) for d in found] == [
        (100_000, "2.5.0", "seen", {"x": 1}), (5_000_000, "2.6.0", "seen", {}),
    ]  # fmt: skip


def test_a_redeploy_of_the_same_version_that_the_platform_told_is_not_seen_again_at_a_restart(store: Store) -> None:
    memory = ledger.Memory()
    ledger.record(store, [seen(0, version="2.5.0")], memory)
    with store.write() as connection:
        deploys.note(connection, Deploy(environment="e", at_ms=100_000, version="ab12cd3456", source=deploys.PLATFORM))
    memory.forget("e")
    ledger.record(store, [seen(9000, version="2.5.0")], memory)
    with store.read() as connection:
        found = deploys.since(connection, "e", 0, 10_000_000)
    assert [(d.version, d.source) for d in found] == [("ab12cd3456", deploys.PLATFORM)]


def test_the_version_that_ran_when_we_first_looked_takes_no_deploy_s_place(store: Store) -> None:
    with store.write() as connection:
        deploys.note(connection, Deploy(environment="e", at_ms=100_000, version="ab12cd3456", source=deploys.PLATFORM))
    ledger.record(store, [seen(160, version="2.5.0")], ledger.Memory())
    with store.read() as connection:
        (found,) = deploys.since(connection, "e", 0, 10_000_000)
        assert deploys.reported(connection, "e") == "2.5.0"
    assert (found.at_ms, found.version, found.source) == (100_000, "ab12cd3456", deploys.PLATFORM)
