"""What is judged elsewhere becomes alerts: a lost Go, a worker that is silent, our own network, deploys, the canary."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from services import causes, clock
from services.access import local_operator
from services.alerts import writing
from services.alerts.setup import AlertSetup
from services.dependencies.model import Reading
from services.dependencies.run import Observation
from services.evidence import chain, decisions
from services.evidence.model import Evidence
from services.health import record as ledger
from services.settings import load
from services.settings.model import Settings
from services.store import Store, alerts, conditions, deploys, outbox, replays, workers
from services.store.deploys import Deploy
from services.store.replays import Run
from services.store.workers import Worker
from tests.services.health.test_record import seen
from tests.services.soak.test_reading import Stage

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


def over(store: Store, settings: Settings, name: str, now_ms: int) -> list[str]:
    """What is still open once all was well for long enough."""
    judged(store, settings, name, now_ms)
    return judged(store, settings, name, now_ms + 600_000)


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


def test_a_soak_that_passed_or_broke_is_said_once(
    store: Store, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "greenlight.toml").write_text(
        '[[alerts.channels]]\nname="team"\nurl_variable="TEAM"\nseverities=["page", "notify"]\n[soak]\nhours=1\n'
        'canaries=0\n[[environments]]\nname="stage"\nrole="staging"\nbase_url="http://s"\n'
    )
    wanted = load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path / "d"),
                   "TEAM": "https://hooks.slack.com/services/x"})  # fmt: skip
    stage = Stage(store, wanted, monkeypatch)

    def told() -> list[str]:
        stage.soak()
        causes.judge_source(store, wanted, AlertSetup.from_settings(wanted), source("soak"), "stage", stage.now)
        with store.read() as connection:
            return [a.event for a in alerts.ended(connection, since_ms=0)]

    stage.strict()
    stage.live(20)
    assert told() == []
    stage.live(2, code="readiness.not_ready")
    stage.live(1)
    assert told() == ["soak_broken"]
    assert told() == ["soak_broken"], "what was said is not said again"
    stage.live(61)
    assert told() == ["soak_broken", "soak_passed"] or told() == ["soak_passed", "soak_broken"]
    assert len(told()) == 2


def failing_readiness(store: Store, settings: Settings, minutes: int, *, with_alert: bool) -> None:
    memory, within = ledger.Memory(), partial(writing.of_states, AlertSetup.from_settings(settings))
    for second in range(-60 * minutes, 0, 10):
        at_s = NOW / 1000 + second
        ledger.record(store, [seen(at_s, "readiness.refused")], memory, *([within] if with_alert else []))


def test_a_budget_that_burns_is_one_alert_unless_its_cause_has_one(store: Store, settings: Settings) -> None:
    failing_readiness(store, settings, 90, with_alert=False)
    assert judged(store, settings, "slo") == ["burn_page"]
    with store.read() as connection:
        assert [a.cause for a in alerts.open_ones(connection)] == ["burn:readiness_uptime"]


def test_a_budget_that_burns_by_what_people_know_is_not_sent(store: Store, settings: Settings) -> None:
    failing_readiness(store, settings, 90, with_alert=True)
    assert judged(store, settings, "slo") == ["not_ready"]


def canary_run(number: int, verdict: str, critical: tuple[str, ...] = ()) -> Run:
    return Run(id=f"r{number}", created_ms=NOW + number, started_ms=NOW + number, finished_ms=NOW + number,
               state="finished", runner="worker", requested_by="schedule", environment="e", agent="swarm",
               subset="canary", options={}, golden_name="g", golden_sha256="x", judge_sha256="y", total=12,
               verdict=verdict, summary={"critical_failures": list(critical)})  # fmt: skip


def test_the_canary_is_an_alert_after_two_failing_runs_or_one_critical_failure(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "greenlight.toml").write_text(
        (tmp_path / "greenlight.toml").read_text()
        + '[[replay.agents]]\nname="swarm"\nurl="http://127.0.0.1:9"\nenvironment="e"\n'
    )
    wanted = load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path / "d"),
                   "TEAM": "https://hooks.slack.com/services/x"})  # fmt: skip

    def after(run: Run) -> list[str]:
        with store.write() as connection:
            replays.create(connection, run, [("c", 0)], "{}", "1")
        return judged(store, wanted, "canary", NOW + int(run.id[1:]))

    assert after(canary_run(1, "PASS")) == []
    assert after(canary_run(2, "BLOCK")) == [], "one failing run may be chance"
    assert after(canary_run(3, "BLOCK")) == ["canary"]
    assert after(canary_run(4, "BLOCK", ("send_money",))) == ["canary_critical"]
    with store.read() as connection:
        assert "send_money" in alerts.open_ones(connection)[0].what
    after(canary_run(5, "PASS"))
    assert over(store, wanted, "canary", NOW + 600_000) == []


def test_a_waiver_that_ends_within_a_day_is_one(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now_ms", lambda: NOW)
    decisions.waive_canaries(store, settings.environment("e"), local_operator("Ada"), note="none planned", days=3)
    assert judged(store, settings, "waiver") == []
    assert judged(store, settings, "waiver", NOW + 3 * clock.DAY_MS - clock.HOUR_MS) == ["waiver_ends"]
    with store.read() as connection:
        assert "ends in 1 h" in alerts.open_ones(connection)[0].what.replace("\u00a0", " ")
    assert over(store, settings, "waiver", NOW + 4 * clock.DAY_MS) == [], "what has ended is no news"


def test_settings_that_stand_only_in_a_file_that_is_no_longer_read_are_one(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "railway.json").write_text('{"deploy": {"overlapSeconds": 60, "drainingSeconds": 60}}')
    (tmp_path / "greenlight.toml").write_text(
        '[deploys]\nfiles=["railway.json"]\n' + (tmp_path / "greenlight.toml").read_text()
    )
    wanted = load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path / "d"),
                   "TEAM": "https://hooks.slack.com/services/x"})  # fmt: skip
    assert judged(store, wanted, "platform") == ["settings_unread"]
    with store.read() as connection:
        assert "railway.json" in alerts.open_ones(connection)[0].what
    assert over(store, settings, "platform", NOW + 600_000) == []
