"""Verdicts as kept and told: since when, and what became of a signed Go."""

from dataclasses import replace
from pathlib import Path

import pytest

from services import clock
from services.access import local_operator
from services.checklist.view import checklist
from services.evidence import chain, decisions
from services.evidence.model import Evidence
from services.fingerprint import InstallationKey, Snapshot
from services.health import record as ledger
from services.health.view import overview, raw_evidence
from services.settings import load
from services.store import Store, snapshots
from services.verdict import view, words
from tests.services.health.test_record import seen as look_at


def test_a_verdict_is_kept_when_it_changes_and_tells_since_when(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path)
    began = clock.now_ms()
    assert view.keep(store, settings) == 1
    assert view.keep(store, settings) == 0, "nothing changed"
    later = began + 3_700_000
    monkeypatch.setattr(clock, "now_ms", lambda: later)
    assert view.keep(store, settings) == 1, "an hour later it is said again"
    (told,) = view.summaries(store, settings, later, ("local",))
    assert told.verdict.state == "INCONCLUSIVE"
    assert told.since_ms is not None
    assert told.since_ms - began < 5_000, "since the first, not the newest record"
    with store.write() as connection:
        bad = Evidence(environment="local", check="readiness.ready", outcome="fail", at_ms=later)
        chain.append(store, connection, [bad])
    (told,) = view.summaries(store, settings, later, ("local",))
    assert (told.verdict.state, told.since_ms) == ("NO_GO", None), "not kept yet"
    assert view.keep(store, settings) == 1
    (told,) = view.summaries(store, settings, later, ("local",))
    assert told.since_ms == later


def test_production_comes_first_and_then_what_needs_attention_most(store: Store, tmp_path: Path) -> None:
    names = {"other": "other", "stage": "staging", "prod": "production", "ill": "other"}
    (tmp_path / "greenlight.toml").write_text(
        "".join(f'[[environments]]\nname = "{n}"\nrole = "{r}"\nbase_url = "http://x"\n' for n, r in names.items())
    )
    settings = load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path)})
    now = clock.now_ms()
    with store.write() as connection:
        bad = Evidence(environment="ill", check="readiness.ready", outcome="fail", at_ms=now)
        chain.append(store, connection, [bad])
    told = view.summaries(store, settings, now, tuple(names))
    assert [item.verdict.environment for item in told] == ["prod", "ill", "stage", "other"]


def test_a_change_after_the_signed_go_is_told(store: Store, tmp_path: Path) -> None:
    settings = load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path)
    environment = settings.environment("local")
    decisions.decide(store, environment, "sign_off", local_operator("Ada"), note="go")
    with store.read() as connection:
        go = view.signed_go(connection, "local")
        assert go is not None
        assert (go.covering, go.drift) == (go.decision, "")
    now = clock.now_ms()
    with store.write() as connection:
        snapshots.note(connection, Snapshot(environment="local", source="f", first_ms=now, last_ms=now,
                                            fingerprint="k-2", key_id="k", marks={}))  # fmt: skip
        go = view.signed_go(connection, "local")
        assert go is not None
        assert go.covering is None
        assert go.drift == "The Go that Ada (unverified) signed no longer covers local: its variables changed."


def test_an_application_that_runs_relaxed_again_is_no_longer_covered(store: Store, tmp_path: Path) -> None:
    """Nothing else need have changed: a platform can serve an older deployment of the very same version."""
    settings = load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path)

    def seen(redis: str, inngest: str) -> None:
        now = clock.now_ms()
        with store.write() as connection:
            chain.append(store, connection, [
                Evidence(environment="local", check="redis.required", outcome=redis, at_ms=now),  # type: ignore[arg-type]
                Evidence(environment="local", check="inngest.required", outcome=inngest, at_ms=now),  # type: ignore[arg-type]
            ])  # fmt: skip

    def drift() -> str:
        with store.read() as connection:
            go = view.signed_go(connection, "local")
        assert go is not None
        return go.drift

    seen("pass", "pass")
    decisions.decide(store, settings.environment("local"), "sign_off", local_operator("Ada"), note="go")
    assert drift() == ""
    seen("pass", "unknown")
    assert drift() == "", "what isn't known has not changed"
    seen("fail", "pass")
    assert drift() == "The Go that Ada (unverified) signed no longer covers local: its policy changed (relaxed now)."
    seen("pass", "pass")
    assert drift() == ""


def test_since_when_is_never_in_the_future(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path)
    now = clock.now_ms()
    monkeypatch.setattr(clock, "now_ms", lambda: now + 86_400_000)
    assert view.keep(store, settings) == 1
    monkeypatch.setattr(clock, "now_ms", lambda: now)
    assert view.keep(store, settings) == 1, "the last word is of a moment that has not come"
    (told,) = view.summaries(store, settings, now, ("local",))
    assert told.since_ms == now


def test_which_variables_and_which_version_changed_after_the_go_is_said_by_name(store: Store, tmp_path: Path) -> None:
    settings = load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path)
    key = InstallationKey(b"k" * 32)

    def seen(version: str, **values: str) -> None:
        now = clock.now_ms()
        marks = {name: key.mark(name, value) for name, value in values.items()}
        made = look_at(now / 1000, environment="local", version=version)
        look = replace(made, reading=replace(made.reading, detail={"body": {"version": version}}))
        with store.write() as connection:
            snapshots.note(connection, Snapshot(environment="local", source="f", first_ms=now, last_ms=now, key_id=key.id,
                                                fingerprint=key.fingerprint(marks), marks=marks))  # fmt: skip
        ledger.record(store, [look], ledger.Memory())

    seen("v1", A="1", B="1", C="1", SECRET="hidden")
    decisions.decide(store, settings.environment("local"), "sign_off", local_operator("Ada"), note="go")
    seen("v2", A="2", B="", D="1", E="1", SECRET="hidden")
    with store.read() as connection:
        go = view.signed_go(connection, "local")
    assert go is not None
    assert go.changed == (
        "its variables changed (D was added, E was added, C was taken out, 2 more)",
        "its version changed (v1 then, v2 now)",
    )
    assert "SECRET" not in go.drift


def test_an_application_that_does_not_answer_has_not_changed_its_version(store: Store, tmp_path: Path) -> None:
    settings = load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path)
    made = look_at(clock.now_ms() / 1000, environment="local", version="v1")
    answered = replace(made, reading=replace(made.reading, detail={"body": {"version": "v1"}}))
    ledger.record(store, [answered], ledger.Memory())
    decisions.decide(store, settings.environment("local"), "sign_off", local_operator("Ada"), note="go")
    ledger.record(store, [look_at(clock.now_ms() / 1000 + 1, "readiness.refused", "local", None)], ledger.Memory())
    with store.read() as connection:
        go = view.signed_go(connection, "local")
    assert go is not None
    assert go.changed == ()


@pytest.mark.parametrize(("minutes", "interval_s", "silent"), [(9, 30, False), (11, 30, True), (11, 600, False)])
def test_a_go_does_not_outlive_the_worker_by_an_hour(
    store: Store, tmp_path: Path, minutes: int, interval_s: float, silent: bool
) -> None:
    """Evidence is written on change and hourly: without this, a dead worker's Go stood for up to two hours."""
    settings = load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path)
    now = clock.now_ms()
    ledger.record(store, [replace(look_at(now / 1000, environment="local"), interval_s=interval_s)], ledger.Memory())
    found = view.verdict(store, settings, "local", now + minutes * 60_000)
    (ready,) = [f for f in found.results if f.rule == "readiness"]
    assert ready.outcome == ("unknown" if silent else "pass")
    if silent:
        assert ready.advice.what.endswith(": nothing was measured for 11 min.")
        assert ready.advice.fix == words.START
        (proof,) = [
            p for p in raw_evidence(store, settings, "local", found.as_of_ms) if p.record.check == "readiness.ready"
        ]
        assert proof.stale == "nothing was measured for 11 min", "said alike wherever evidence is listed"


def test_an_application_that_contradicts_itself_is_told_so_and_no_dependency_blamed(
    store: Store, tmp_path: Path
) -> None:
    """Readiness says 503, the report says ready: no dependency is down, so none is to be fixed."""
    settings = load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path)
    now = clock.now_ms() / 1000
    memory = ledger.Memory()
    for second in (-30, -20, -10):
        report = replace(
            look_at(now + second, environment="local"), probe="dependencies",
            reading=replace(look_at(0).reading, code="dependencies.ok", detail={"ready": True, "reported": {}}, checks=(),
                            measures=()),
        )  # fmt: skip
        ledger.record(store, [look_at(now + second, "readiness.not_ready", "local"), report], memory)
    at_ms = round(1000 * now)
    found = view.verdict(store, settings, "local", at_ms)
    rule = next(result for result in found.results if result.rule == "readiness")
    assert rule.outcome == "fail"
    assert rule.advice.what.startswith("The application contradicts itself")
    assert rule.advice.fix == "Correct the application, not a dependency: both routes must use the same rule."
    card = overview(store, settings, at_ms).cards[0]
    assert card.findings[0].advice == rule.advice
    assert "dependency that is down" not in " ".join(finding.advice.fix for finding in card.findings)
    way = checklist(store, settings, "local", at_ms)
    assert way.next_step == f"First: {rule.advice.fix}"
