"""The soak from the store: what it was read from, and how long a pass that was written down stands."""

from dataclasses import replace
from pathlib import Path

import pytest

from services import clock
from services.evidence import chain, current
from services.evidence.model import Evidence
from services.fingerprint import Snapshot
from services.health import record as ledger
from services.settings import load
from services.settings.model import Settings
from services.soak import reading
from services.soak.evaluate import Soak
from services.store import Store, snapshots, spans
from services.store.spans import Span
from tests.services.health.test_record import seen

HOUR_MS = 3_600_000
NOW = 1_800_000_000_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "greenlight.toml").write_text(
        '[soak]\nhours = 1\ncanaries = 0\n[[environments]]\nname = "stage"\nrole = "staging"\nbase_url = "http://s"\n'
    )
    return load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path)})


class Stage:
    """A staging environment whose hours are lived through by hand."""

    def __init__(self, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.settings, self.memory = store, settings, ledger.Memory()
        self.now = NOW
        monkeypatch.setattr(clock, "now_ms", lambda: self.now)

    def live(self, minutes: int, *, code: str = "readiness.ok") -> None:
        ends = self.now + minutes * 60_000
        while self.now < ends:
            self.now += 10_000
            check = replace(seen(self.now / 1000, code, environment="stage"), interval_s=10)
            ledger.record(self.store, [check], self.memory)
        self.strict()

    def strict(self) -> None:
        flags = [Evidence(environment="stage", check=check, outcome="pass", at_ms=self.now) for check in current.FLAGS]
        with self.store.write() as connection:
            chain.append(self.store, connection, flags)

    def soak(self) -> Soak:
        reading.keep(self.store, self.settings)
        return reading.soak(self.store, self.settings, self.settings.environment("stage"), self.now)


@pytest.fixture
def stage(store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Stage:
    found = Stage(store, settings, monkeypatch)
    found.strict()
    return found


def test_a_readiness_failure_in_its_last_minutes_begins_it_anew(stage: Stage) -> None:
    stage.live(57)
    before = stage.soak()
    assert (before.state, before.passed_ms) == ("running", None)
    assert 0 < before.left_ms < 4 * 60_000
    stage.live(1, code="readiness.not_ready")
    stage.live(1)
    after = stage.soak()
    assert (after.state, after.passed_ms) == ("running", None)
    assert after.left_ms > 58 * 60_000
    assert after.events[0].why == "Readiness failed: the application was not ready"
    with stage.store.read() as connection:
        written = [record.detail for _, _, record in chain.history(connection, "stage", check="soak")]
    assert len(written) == 2, "that it began again is written down at once"
    assert written[0]["why"] != written[1]["why"], "it runs until another moment now"


def test_a_pass_stands_through_a_bad_minute_and_falls_with_other_variables(stage: Stage) -> None:
    stage.live(62)
    passed = stage.soak()
    assert (passed.state, passed.passed_ms) == ("passed", stage.now)
    stage.live(2, code="readiness.not_ready")
    later = stage.soak()
    assert (later.state, later.passed_ms) == ("passed", passed.passed_ms)
    assert (later.since_ms, later.coverage, later.checks) == (passed.since_ms, passed.coverage, passed.checks), (
        "what is told of a pass is what it was given on, not what was seen since"
    )
    with stage.store.write() as connection:
        snapshots.note(connection, Snapshot(environment="stage", source="f", first_ms=stage.now, last_ms=stage.now,
                                            fingerprint="k-2", key_id="k", marks={}))  # fmt: skip
    assert stage.soak().passed_ms is None


def test_a_long_outage_counts_to_its_end_however_many_shorter_ones_began_after_it(stage: Stage) -> None:
    stage.live(62)
    minute, end = 60_000, stage.now

    def down(probe: str, from_min: float, until_min: float) -> Span:
        return Span(environment="stage", probe=probe, state="down", code="x",
                    from_ms=end - round(from_min * minute), until_ms=end - round(until_min * minute))  # fmt: skip

    with stage.store.write() as connection:
        spans.insert_all(connection, [down("redis.ping", 55, 2)])
        spans.insert_all(connection, [down("inngest", 50 - n, 49.5 - n) for n in range(30)])
    found = stage.soak()
    assert (found.events[0].why, found.events[0].at_ms) == ("Redis did not answer", end - 2 * minute)
    assert found.state == "running"


def test_a_pass_stands_for_a_week_and_no_longer(stage: Stage) -> None:
    stage.live(62)
    assert stage.soak().passed_ms is not None
    environment = stage.settings.environment("stage")
    stage.now += 7 * 24 * HOUR_MS + 60_000
    assert reading.soak(stage.store, stage.settings, environment, stage.now).passed_ms is None


def test_why_it_has_not_passed_comes_with_what_to_do(stage: Stage) -> None:
    """A day that runs is left alone; one that is over and not proven names what is missing."""
    stage.live(30)
    running = stage.soak()
    assert reading.why(running).startswith("it runs until ")
    assert reading.fix(running) == "Leave stage unchanged until its soak has passed."
    over = replace(running, state="waiting", left_ms=0, canaries_wanted=3)
    assert (reading.why(over), reading.fix(over).split(" and ")[0]) == (
        "0 of 3 canary runs passed inside", "Replay harness shows the canary runs",
    )  # fmt: skip
    unseen = replace(over, canaries=3, coverage=0.5)
    assert reading.why(unseen) == "only 50 % of the time was observed"
    assert "worker" in reading.fix(unseen)
    with stage.store.read() as connection:
        kept = chain.newest(connection, "stage", reading.CHECK)
    assert kept is not None
    assert kept.detail["fix"] == "Leave stage unchanged until its soak has passed."


def test_a_pass_does_not_stand_once_more_is_asked_for(stage: Stage) -> None:
    stage.live(62)
    assert stage.soak().passed_ms == stage.now
    asked = stage.settings.soak
    stage.settings = stage.settings.model_copy(update={"soak": asked.model_copy(update={"canaries": 1})})
    found = stage.soak()
    assert (found.state, found.passed_ms) == ("waiting", None)
    assert reading.why(found) == "0 of 1 canary runs passed inside"
    stage.settings = stage.settings.model_copy(update={"soak": asked.model_copy(update={"hours": 2})})
    found = stage.soak()
    assert (found.state, found.passed_ms) == ("running", None)
    assert 57 * 60_000 < found.left_ms < 59 * 60_000
