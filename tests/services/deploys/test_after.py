"""What is looked at after a deploy, what stays of it, and the three measures of success."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from services import clock
from services.clock import HOUR_MS, MINUTE_MS
from services.dependencies.inngest.flight import Flight, InFlight
from services.deploys import after, history, in_flight, success
from services.deploys.history import Measured
from services.deploys.platform import read
from services.deploys.view import document, view
from services.evidence import chain
from services.evidence.model import Evidence
from services.settings import load
from services.settings.model import Settings
from services.store import Store, conditions, deploys, durations, samples, spans
from services.store.conditions import Condition
from services.store.deploys import Deploy
from services.store.durations import AGAIN, CUT, STEP
from services.store.samples import Sample
from services.store.spans import ENVIRONMENT, Span
from tests.services.deploys.test_light import settings_file

NOW = 1_800_000_000_000
AT = NOW - 10 * MINUTE_MS
Look = Callable[[int], after.Checked]


def deployed(store: Store, at_ms: int = AT, version: str = "2.0") -> Deploy:
    made = Deploy(environment="p", at_ms=at_ms, version=version, source="seen")
    with store.write() as connection:
        deploys.note(connection, made)
    return made


def seen(store: Store, probe: str, at_ms: int, state: str = "ok", **detail: object) -> None:
    with store.write() as connection:
        conditions.save(connection, [Condition(
            environment="p", probe=probe, at_ms=at_ms, interval_s=30, state=state, since_ms=at_ms, outcome=state,
            failures=0, successes=1, code="c", latency_ms=1, detail=detail,
        )])  # fmt: skip


def counted(store: Store, at_ms: int, number: int) -> None:
    with store.write() as connection:
        chain.append(store, connection, [Evidence(environment="p", check="inngest.functions", outcome="pass",
                                                  at_ms=at_ms, value=number)])  # fmt: skip


def run_moved(store: Store, at_ms: int, good: bool) -> None:
    with store.write() as connection:
        samples.append(connection, [Sample(environment="p", sli="inngest_run_success", at_ms=at_ms, value=1,
                                           good=good)], {})  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(settings_file(tmp_path, "http://127.0.0.1:9"))


def look(store: Store, settings: Settings, deploy: Deploy, now_ms: int = NOW) -> after.Checked:
    with store.read() as connection:
        return after.check(connection, settings, settings.environment("p"), deploy, now_ms)


def test_a_deploy_is_confirmed_when_all_that_can_be_measured_holds(sqlite_store: Store, settings: Settings) -> None:
    deploy = deployed(sqlite_store)
    seen(sqlite_store, "readiness", AT - 1000)
    counted(sqlite_store, AT - 5000, 4)
    seen(sqlite_store, "inngest", AT - 1000, facts={"function_count": 4})
    found = look(sqlite_store, settings, deploy)
    assert found == after.Checked(parts={"readiness": None, "functions": None, "moves": None}, confirmed=None)
    seen(sqlite_store, "readiness", AT + 1000)
    seen(sqlite_store, "inngest", AT + 1000, facts={"function_count": 3})
    run_moved(sqlite_store, AT + 2000, good=False)
    found = look(sqlite_store, settings, deploy)
    assert found == after.Checked(parts={"readiness": True, "functions": False, "moves": False}, confirmed=None)
    late = look(sqlite_store, settings, deploy, AT + 15 * MINUTE_MS)
    assert late.confirmed is False
    seen(sqlite_store, "inngest", AT + 3000, facts={"function_count": 5})
    run_moved(sqlite_store, AT + 4000, good=True)
    assert look(sqlite_store, settings, deploy).confirmed is True


def test_that_no_run_happened_to_end_is_no_fault_but_a_pulse_that_did_not_come_is(
    sqlite_store: Store, settings: Settings
) -> None:
    deploy, late = deployed(sqlite_store), AT + 15 * MINUTE_MS
    seen(sqlite_store, "readiness", AT + 1000)
    found = look(sqlite_store, settings, deploy, late)
    assert (found.confirmed, found.parts) == (True, {"readiness": True, "moves": None})
    assert look(sqlite_store, settings, deploy).confirmed is None, "one may still come"
    environment = settings.environment("p")
    assert environment.server is not None
    pulsed = environment.model_copy(update={"server": environment.server.model_copy(update={"pulsed": True})})
    with sqlite_store.read() as connection:
        assert after.check(connection, settings, pulsed, deploy, late).confirmed is False


def test_what_comes_late_still_confirms(sqlite_store: Store, settings: Settings) -> None:
    deploy = deployed(sqlite_store)
    with sqlite_store.write() as connection:
        after.keep(connection, deploy, look(sqlite_store, settings, deploy, AT + 15 * MINUTE_MS), NOW)
        again = after.due(connection, "p", AT + 30 * MINUTE_MS)
    assert again is not None
    assert again.detail[history.CHECK]["confirmed"] is False
    seen(sqlite_store, "readiness", AT + 20 * MINUTE_MS)
    assert look(sqlite_store, settings, again, AT + 30 * MINUTE_MS).confirmed is True


def test_what_is_not_known_after_a_quarter_of_an_hour_is_not_confirmed(sqlite_store: Store, settings: Settings) -> None:
    deploy = deployed(sqlite_store)
    assert look(sqlite_store, settings, deploy, AT + 15 * MINUTE_MS).confirmed is False
    seen(sqlite_store, "inngest", AT + 1000, facts={"function_count": "four"})
    assert look(sqlite_store, settings, deploy).parts["functions"] is None


def test_the_newest_deploy_is_due_until_it_is_judged(sqlite_store: Store, settings: Settings) -> None:
    with sqlite_store.write() as connection:
        deploys.note(connection, Deploy(environment="p", at_ms=AT, version="1.0", source=deploys.FIRST))
        assert after.due(connection, "p", NOW) is None, "the version that ran before we looked is no deploy"
    deploy = deployed(sqlite_store, AT + 1)
    with sqlite_store.write() as connection:
        assert after.due(connection, "p", NOW) is not None
        assert after.due(connection, "p", AT + HOUR_MS + 1) is None
        after.keep(connection, deploy, after.Checked(parts={"readiness": True}, confirmed=True), NOW)
        assert after.due(connection, "p", NOW) is None
        (past,) = history.read(connection, "p", NOW)
    assert (past.is_confirmed, past.check) == (True, {"readiness": True})


def test_a_deploy_that_is_not_confirmed_is_a_finding_on_the_page(sqlite_store: Store, settings: Settings) -> None:
    now = clock.now_ms()
    deploy = deployed(sqlite_store, now - 20 * MINUTE_MS)
    with sqlite_store.write() as connection:
        after.keep(connection, deploy, after.Checked(parts={"readiness": True, "moves": None}, confirmed=False), now)
    found = view(sqlite_store, settings, "p", now)
    (own,) = [f for f in found.findings if f.code == "unconfirmed"]
    assert own.advice.what == "The deploy of 2.0 is not confirmed after 15 min: a run completed."


def tried(prefix: str, at_ms: int, took: float = 60) -> Sample:
    return Sample(environment="p", sli=durations.name(prefix, "scan", "ask"), at_ms=at_ms, value=took, good=True)


def test_steps_that_broke_around_a_deploy_are_counted_and_stay_known(sqlite_store: Store) -> None:
    at = NOW - 26 * HOUR_MS
    deployed(sqlite_store, at)
    measured = Measured(granted_s=30, budget_s=3600, knows_tries=True)
    with sqlite_store.write() as connection:
        spans.insert_all(connection, [Span(environment="p", probe=ENVIRONMENT, state=state, code="", from_ms=at + low,
                                           until_ms=at + high)
                                      for state, low, high in (("not_ready", 0, 36_000), ("ready", 36_000, HOUR_MS))])  # fmt: skip
        samples.append(connection, [tried(CUT, at + 20_000), tried(CUT, at + 21_000), tried(CUT, at + 900_000),
                                    tried(AGAIN, at + 90_000), tried(STEP, at)], {})  # fmt: skip
        (live,) = history.read(connection, "p", NOW, measured)
        assert (live.after.cut, live.after.again, live.after.gap_s, live.after.budget) == (2, 1, 36, 0.01)
        (blind,) = history.read(connection, "p", NOW, replace(measured, knows_tries=False, budget_s=None))
        assert (blind.after.cut, blind.after.again, blind.after.budget) == (None, None, None)
        assert history.put_down(connection, "p", measured, NOW) == 1
        assert history.put_down(connection, "p", measured, NOW) == 0
        samples.drop_before(connection, NOW)
        (kept,) = history.read(connection, "p", NOW)
    assert kept.after == live.after, "single measurements are gone, and what came after the deploy is still known"


def test_the_measures_count_a_week_and_since_the_settings_changed(sqlite_store: Store, tmp_path: Path) -> None:
    at = NOW - 3 * HOUR_MS
    deployed(sqlite_store, at)
    env = tmp_path / "p.env"
    env.write_text("RAILWAY_DEPLOYMENT_DRAINING_SECONDS=3\n")
    measured = Measured(granted_s=3, knows_tries=True)
    with sqlite_store.write() as connection:
        samples.append(connection, [tried(CUT, at + 5000), *(tried(STEP, at + n * 60_000) for n in range(100))], {})
        for text, when in (("3", at - HOUR_MS), ("3", at), ("90", NOW - 1000)):
            env.write_text(f"RAILWAY_DEPLOYMENT_DRAINING_SECONDS={text}\n")
            success.note_settings(connection, "p", read(env, (), "p"), clock.from_ms(NOW), when)
        past = history.read(connection, "p", NOW, measured)
        changed = success.settings_since(connection, "p")
        week = success.since(connection, "p", past, NOW - success.WEEK_MS, NOW, 8.0)
        since = success.since(connection, "p", past, changed or 0, NOW, None)
    assert (week.deploys, week.steps, week.cut, week.rate, week.cost, week.by_hand) == (1, 100, 1, 0.01, 8.0, 0)
    assert changed == NOW - 1000
    assert (since.deploys, since.cut, since.cost) == (0, 0, None)


def test_what_is_at_work_is_read_while_somebody_looks(sqlite_store: Store, settings: Settings) -> None:
    now = clock.now_ms()
    in_flight.look(sqlite_store, "p", now)
    in_flight.look(sqlite_store, "p", now + 1000)
    with sqlite_store.write() as connection:
        assert in_flight.wanted(connection, ("p", "q"), now + 10_000) == ("p",)
        assert in_flight.wanted(connection, ("p", "q"), now + 30_000) == ()
        run = InFlight(id="r", function="scan", since_ms=now - 9000, step="ask", step_since_ms=now - 4000)
        in_flight.keep(connection, "p", Flight(runs=(run,), idle=2), now)
    found = view(sqlite_store, settings, "p", now + 1000)
    assert (found.light.clear, found.light.at_work[0].step, found.light.idle) == (False, "ask", 2)
    assert document(found)["light"]["in_flight"][0]["step"] == "ask"
    with sqlite_store.write() as connection:
        in_flight.keep(connection, "p", "The server did not answer.", now)
    found = view(sqlite_store, settings, "p", now + 1000)
    assert (found.light.clear, found.light.why) == (None, "The server did not answer.")
