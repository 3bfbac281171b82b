"""A database that the version before this round wrote is brought up to date, and its chain proves the same as before.

`tests/data/greenlight-0005.db.gz` was written by that version's own worker (two environments, one well and one not), with a
person's decision.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.evidence import chain
from services.health.evaluate import evaluate
from services.settings.model import Environment
from services.slo import view as slos
from services.store import Store, conditions, heartbeats
from services.store.migrate import HEAD, check, migrate
from services.verdict.evaluate import check_result
from services.verdict.model import Facts, Subject
from tests.conftest import ROOT

OLD = ROOT / "tests" / "data" / "greenlight-0005.db.gz"
RECORDS = 35


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "greenlight.db").write_bytes(gzip.decompress(OLD.read_bytes()))
    opened = Store.open(f"sqlite:///{tmp_path / 'greenlight.db'}")
    yield opened
    opened.close()


def proven(store: Store) -> tuple[int, str]:
    with store.read() as connection:
        assert chain.verify(connection) is None
        return chain.tip(connection)


def test_every_migration_runs_and_the_chain_is_whole_before_and_after(store: Store) -> None:
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "0005"
    before = proven(store)
    assert before[0] == RECORDS
    assert migrate(store) is True
    check(store)
    assert proven(store) == before
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == HEAD
        chain.refuse_misfiled(connection)
        assert heartbeats.newest(connection, "production", "backup") == ()
    assert migrate(store) is False


def test_what_it_holds_is_read_as_it_was_meant(store: Store) -> None:
    migrate(store)
    with store.read() as connection:
        records = {record.check: record for record in chain.latest(connection, "staging")}
        now_ms = max(record.at_ms for record in records.values()) + 1000
        states = conditions.load(connection, "staging")
        health = evaluate("staging", states, max(state.at_ms for state in states))
        decided = chain.newest(connection, "production", "confirm.policy")
    facts = Facts(subject=Subject(name="staging"), now_ms=now_ms)
    found = check_result("readiness.ready", records["readiness.ready"], facts.context, facts)
    assert found.outcome == "fail"
    assert found.advice.what == "The application's readiness could not be read: nothing listens at its address."
    assert found.advice.fix == "Start the application, or correct base_url."
    assert health.state == "not_ready"
    assert decided is not None
    assert decided.detail["by"] == "Old Version"
    environment = Environment(name="production", base_url="http://127.0.0.1:9911")
    rows = {row.slo.sli: row for row in slos.slos(store, environment, now_ms + 120_000).rows}
    assert rows["readiness_uptime"].status.good > 10
