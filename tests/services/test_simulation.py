"""The generated past of a simulated environment never stands before what was measured."""

from pathlib import Path

import pytest

from services import clock, simulation
from services.deploys import history
from services.evidence import chain
from services.evidence.model import Evidence
from services.settings import load
from services.settings.model import Environment
from services.store import Store, durations


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "greenlight.toml").write_text(
        '[[environments]]\nname = "demo"\nbase_url = "http://127.0.0.1:9"\nsimulated = true\n'
    )
    settings = load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path)})
    return settings.environment("demo")


def test_what_was_measured_stays_the_newest_and_the_rest_has_its_past(
    sqlite_store: Store, environment: Environment
) -> None:
    now = clock.now_ms()
    live = Evidence(environment="demo", check="readiness.ready", outcome="fail", at_ms=now, simulated=True)
    with sqlite_store.write() as connection:
        chain.append(sqlite_store, connection, [live])
    assert simulation.seed(sqlite_store, environment, now)
    with sqlite_store.read() as connection:
        newest = {record.check: record for record in chain.latest(connection, "demo")}
        assert chain.verify(connection) is None
    assert (newest["readiness.ready"].at_ms, newest["readiness.ready"].outcome) == (now, "fail")
    assert newest["redis.write"].detail == {"generated": True}
    assert not simulation.seed(sqlite_store, environment, clock.now_ms()), "once"


def test_the_past_has_a_deploy_that_cut_a_step(sqlite_store: Store, environment: Environment) -> None:
    now = clock.now_ms()
    assert simulation.seed(sqlite_store, environment, now)
    with sqlite_store.read() as connection:
        *later, first = history.read(connection, "demo", now)
        steps = durations.load(connection, "demo", durations.STEP, since_ms=0, now_ms=now)
    assert (first.after.cut, first.after.again) == (1, 1)
    assert all(deploy.after.cut == 0 for deploy in later)
    assert first.foreseen is not None and first.foreseen.expected > 0
    assert {item.step for item in steps} == {"plan", "ask-model", "check-sources", "write"}
