"""What is judged elsewhere becomes alerts: a lost Go, a worker that is silent, our own network, deploys, the canary."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from services import causes, clock
from services.alerts import writing
from services.alerts.setup import AlertSetup
from services.dependencies.model import Reading
from services.dependencies.run import Observation
from services.evidence import chain
from services.evidence.model import Evidence
from services.health import record as ledger
from services.settings import load
from services.settings.model import Settings
from services.store import Store, alerts, conditions, deploys, outbox, workers
from services.store.deploys import Deploy
from services.store.workers import Worker
from tests.services.health.test_record import seen

NOW = 1_800_000_000_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "greenlight.toml").write_text(
        '[[alerts.channels]]\nname="team"\nurl_variable="TEAM"\n'
        '[[environments]]\nname="e"\nrole="production"\nbase_url="http://127.0.0.1:9"\n'
    )
    return load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path / "d"),
                 "TEAM": "https://hooks.slack.com/services/x"})  # fmt: skip


def source(name: str) -> causes.Source:
    return next(item for item in causes.SOURCES if item.name == name)


def judged(store: Store, settings: Settings, name: str, now_ms: int = NOW) -> list[str]:
    causes.judge_source(store, settings, AlertSetup.from_settings(settings), source(name), "e", now_ms)
    with store.read() as connection:
        return [a.event for a in alerts.open_ones(connection)]


def verdict_is(store: Store, value: str, blocking: tuple[str, ...] = ()) -> None:
    outcome = {"GO": "pass", "NO_GO": "fail"}.get(value, "unknown")
    made = Evidence(environment="e", check="verdict", outcome=outcome, at_ms=NOW, value=value,  # type: ignore[arg-type]
                    detail={"why": "The replay failed.", "blocking": list(blocking)})  # fmt: skip
    signed = Evidence(environment="e", check="confirm.sign_off", outcome="pass", at_ms=NOW, value="Ada",
                      detail={"by": "Ada", "verified": True, "note": "x", "under_fingerprint": None})  # fmt: skip
    with store.write() as connection:
        chain.append(store, connection, [signed, made])


def test_a_signed_go_that_no_longer_stands_is_one(store: Store, settings: Settings) -> None:
    assert judged(store, settings, "verdict") == []
    verdict_is(store, "GO")
    assert judged(store, settings, "verdict") == []
    verdict_is(store, "NO_GO", ("replay",))
    assert judged(store, settings, "verdict") == ["go_lost"]
    with store.read() as connection:
        assert "The replay failed." in alerts.open_ones(connection)[0].what
    verdict_is(store, "GO")
    judged(store, settings, "verdict")
    assert judged(store, settings, "verdict", NOW + 600_000) == []


def test_a_go_that_is_lost_by_what_has_an_alert_of_its_own_is_told_once(store: Store, settings: Settings) -> None:
    within = partial(writing.of_states, AlertSetup.from_settings(settings))
    memory = ledger.Memory()
    for age, code in ((40, "ok"), (30, "refused"), (20, "refused"), (10, "refused")):
        ledger.record(store, [replace(seen(NOW / 1000 - age, f"readiness.{code}"))], memory, within)
    verdict_is(store, "NO_GO", ("readiness",))
    assert judged(store, settings, "verdict") == ["not_ready"]


def test_a_deploy_that_was_not_healthy_in_time_is_one_unless_readiness_says_so(
    store: Store, settings: Settings
) -> None:
    memory = ledger.Memory()
    begun = NOW / 1000 - 1200
    with store.write() as connection:
        deploys.note(connection, Deploy(environment="e", at_ms=round(begun * 1000), version="v2", source="told"))
    for second in range(-10, 1200, 10):
        ledger.record(store, [seen(begun + second, "readiness.refused")], memory)
    assert judged(store, settings, "deploys") == ["deploy_unconfirmed"]


def test_a_worker_that_ended_without_leaving_is_one_until_another_stands_in(store: Store, settings: Settings) -> None:
    setup = AlertSetup.from_settings(settings)

    def own() -> list[str]:
        causes.judge_own(store, settings, setup, NOW, troubles={})
        with store.read() as connection:
            return [a.event for a in alerts.open_ones(connection) if a.well_ms is None]

    with store.write() as connection:
        for name, begun, last in (("a", 300_000, 0), ("b", 300_000, 120_000)):
            workers.beat(connection, Worker(id=name, address="http://w", started_ms=NOW - begun, seen_ms=NOW - last))
    assert own() == ["worker_silent"]
    with store.write() as connection:
        workers.beat(connection, Worker(id="c", address="http://w", started_ms=NOW - 60_000, seen_ms=NOW))
    assert own() == []


def test_our_own_network_is_one_alert_of_greenlight_itself(store: Store, settings: Settings) -> None:
    setup = AlertSetup.from_settings(settings)
    item = Observation(environment="e", simulated=False, probe="readiness", interval_s=30, at_ms=NOW, lag_ms=0,
                       reading=Reading(code="prober.own_network"))  # fmt: skip
    ledger.record(store, [item], ledger.Memory(), partial(writing.of_states, setup))
    causes.judge_own(store, settings, setup, NOW, troubles={})
    with store.read() as connection:
        (alert,) = alerts.open_ones(connection)
        assert [d.channel for d in outbox.of_alerts(connection, (alert.id,))] == ["team"]
    assert (alert.environment, alert.cause, alert.also) == ("", "own_network", ("e",))


def test_what_a_worker_reports_for_long_is_one(store: Store, settings: Settings) -> None:
    setup = AlertSetup.from_settings(settings)
    causes.judge_own(store, settings, setup, NOW, troubles={"w": "A part of the worker is down."})
    with store.read() as connection:
        assert [a.event for a in alerts.open_ones(connection)] == ["worker_trouble"]


def test_an_environment_that_left_the_settings_keeps_nothing_open(store: Store, settings: Settings) -> None:
    setup = AlertSetup.from_settings(settings)
    memory = ledger.Memory()
    for age, code in ((40, "ok"), (30, "refused"), (20, "refused"), (10, "refused")):
        ledger.record(store, [seen(NOW / 1000 - age, f"readiness.{code}")], memory, partial(writing.of_states, setup))
    with store.write() as connection:
        (alert,) = alerts.open_ones(connection)
        alerts.save(connection, replace(alert, environment="gone"))
    causes.judge_own(store, settings, setup, NOW, troubles={})
    with store.read() as connection:
        assert alerts.open_ones(connection) == ()


def test_time_alone_ends_an_alert_that_has_been_well_for_long_enough(store: Store, settings: Settings) -> None:
    setup = AlertSetup.from_settings(settings)
    memory, within = ledger.Memory(), partial(writing.of_states, setup)
    for age, code in ((60, "ok"), (50, "refused"), (40, "refused"), (30, "refused"), (20, "ok"), (10, "ok")):
        ledger.record(store, [seen(NOW / 1000 - age, f"readiness.{code}")], memory, within)
    with store.read() as connection:
        assert alerts.open_ones(connection)[0].well_ms == NOW - 10_000
        assert conditions.load(connection, "e")[0].state == "ok"
    causes.judge_states(store, setup, "e", NOW + 5_000)
    with store.read() as connection:
        assert len(alerts.open_ones(connection)) == 1
    ledger.record(store, [seen(NOW / 1000 + 291)], memory)
    causes.judge_states(store, setup, "e", NOW + 291_000)
    with store.read() as connection:
        assert alerts.open_ones(connection) == ()
    assert causes.write_records(store, settings, NOW + 291_000 + clock.MINUTE_MS + 20_000) == 1
    assert causes.write_records(store, settings, NOW + 291_000 + clock.MINUTE_MS + 20_000) == 0
