"""The checklist: ticked by evidence, in whatever order it came; waiting, reopened, and never ticked by a wish."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from services import clock
from services.access import local_operator
from services.checklist import steps as table
from services.checklist.view import Checklist, checklist, hand_over
from services.errors import SettingsError
from services.evidence import chain, decisions
from services.evidence.model import Evidence
from services.fingerprint import Snapshot
from services.settings import load
from services.settings.model import Settings
from services.store import Store, snapshots
from services.verdict import sign_off as signing
from tests.conftest import ROOT

CHECKS = ("env.connections", "env.validation", "redis.required", "inngest.required", "readiness.ready",
          "dependencies.ready", "redis.ping", "redis.write", "inngest.route", "inngest.functions", "inngest.moves_work",
          "replay.gate", "deploy.settings")  # fmt: skip


def settings(folder: Path) -> Settings:
    (folder / "greenlight.toml").write_text(
        '[[environments]]\nname = "stage"\nrole = "staging"\nbase_url = "http://s"\n'
        '[[environments]]\nname = "prod"\nrole = "production"\nbase_url = "http://p"\n'
    )
    return load({"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder)})


def prove(store: Store, environment: str, *checks: str, outcome: Any = "pass", **more: Any) -> None:
    now = clock.now_ms()
    records = [replace(Evidence(environment=environment, check=c, outcome=outcome, at_ms=now), **more) for c in checks]
    with store.write() as connection:
        chain.append(store, connection, records)


def look(store: Store, wanted: Settings, name: str = "prod") -> Checklist:
    return checklist(store, wanted, name, clock.now_ms())


def states(found: Checklist) -> dict[str, str]:
    return {view.key: view.state for view in found.steps}


def confirm(store: Store, wanted: Settings, name: str) -> None:
    """The decision to run strict stands; what stands already can't be confirmed again."""
    with store.read() as connection:
        stands = decisions.newest(connection, name, "policy")
    if stands is not None:
        return
    decisions.decide(store, wanted.environment(name), "policy", local_operator("Ada"), note="minutes of 20 November")


def test_nothing_measured_the_first_step_is_next_and_the_rest_waits(store: Store, tmp_path: Path) -> None:
    found = look(store, settings(tmp_path))
    assert found.current is not None
    assert found.current.key == "inputs-stage"
    assert states(found)["apply-prod"] == "waiting"
    assert found.progress.startswith("0 of 16 steps are done for prod.")
    assert found.verdict.state == "INCONCLUSIVE"


def test_the_whole_way_leads_to_go_and_only_with_everything(store: Store, tmp_path: Path) -> None:
    wanted = settings(tmp_path)
    for name in ("stage", "prod"):
        prove(store, name, *CHECKS)
        confirm(store, wanted, name)
    assert look(store, wanted).verdict.state == "INCONCLUSIVE", "the soak is missing"
    prove(store, "stage", "soak", value="passed")
    found = look(store, wanted)
    assert found.verdict.state == "GO"
    assert {key for key, state in states(found).items() if state != "done"} == {"go-prod"}
    signing.give(store, wanted, "prod", local_operator("Bob"), note="go")
    assert set(states(look(store, wanted)).values()) == {"done"}


def test_a_go_covers_what_it_was_given_for_and_is_given_again_for_something_else(store: Store, tmp_path: Path) -> None:
    wanted = settings(tmp_path)
    for name in ("stage", "prod"):
        prove(store, name, *CHECKS)
        confirm(store, wanted, name)
    prove(store, "stage", "soak", value="passed")
    signing.give(store, wanted, "prod", local_operator("Bob"), note="go")
    now = clock.now_ms()
    with store.write() as connection:
        snapshots.note(connection, Snapshot(environment="prod", source="f", first_ms=now, last_ms=now,
                                            fingerprint="k-2", key_id="k", marks={}))  # fmt: skip
    prove(store, "prod", *CHECKS, fingerprint="k-2")
    found = look(store, wanted)
    assert (found.verdict.state, states(found)["go-prod"]) == ("GO", "open")
    assert found.go is not None
    assert found.go.drift == "The Go that Bob (unverified) signed no longer covers prod: its variables changed."
    signing.give(store, wanted, "prod", local_operator("Eve"), note="go again")
    found = look(store, wanted)
    assert found.go is not None
    assert (found.go.drift, states(found)["go-prod"]) == ("", "done")


def test_each_campaign_is_listed_with_the_go_that_it_led_to(store: Store, tmp_path: Path) -> None:
    wanted = settings(tmp_path)
    prod = wanted.environment("prod")
    decisions.begin_campaign(store, prod, local_operator("Ada"), note="first try")
    decisions.begin_campaign(store, prod, local_operator("Ada"), note="second try")
    for name in ("stage", "prod"):
        prove(store, name, *CHECKS)
        confirm(store, wanted, name)
    prove(store, "stage", "soak", value="passed")
    signing.give(store, wanted, "prod", local_operator("Bob"), note="go")
    decisions.begin_campaign(store, prod, local_operator("Ada"), note="to strict again")
    found = look(store, wanted)
    told = [(c.begun.note, c.signed.by if c.signed else None) for c in found.campaigns]
    assert told == [("to strict again", None), ("second try", "Bob"), ("first try", None)]
    decisions.decide(store, prod, "sign_off", local_operator("Bob"), note="gave it for the wrong one", holds=False)
    assert look(store, wanted).campaigns[0].signed is None
    assert states(look(store, wanted))["go-prod"] == "open", "what was taken back doesn't stand"
    said = [d.kind for d in found.decisions]
    assert said == ["campaign", "sign_off", "policy", "policy", "campaign", "campaign"]


def test_what_was_done_before_its_turn_is_ticked_and_the_gap_is_named(store: Store, tmp_path: Path) -> None:
    prove(store, "prod", "redis.required", "inngest.required")
    found = look(store, settings(tmp_path))
    step = next(view for view in found.steps if view.key == "apply-prod")
    assert step.state == "done"
    assert step.out_of_order == "step 2"


def test_a_later_regression_reopens_a_step(store: Store, tmp_path: Path) -> None:
    wanted = settings(tmp_path)
    for name in ("stage", "prod"):
        prove(store, name, *CHECKS)
        confirm(store, wanted, name)
    prove(store, "stage", "redis.required", outcome="fail")
    step = next(view for view in look(store, wanted).steps if view.key == "apply-stage")
    assert (step.state, step.reopened) == ("failed", True)
    assert look(store, wanted).current == step


def test_a_step_that_was_never_done_as_a_whole_is_not_reopened(store: Store, tmp_path: Path) -> None:
    """Its parts held, but not at the same time; or nobody had confirmed it."""
    wanted = settings(tmp_path)

    def reopened(key: str) -> bool:
        return next(view.reopened for view in look(store, wanted).steps if view.key == key)

    prove(store, "stage", "env.connections")
    assert not reopened("inputs-stage"), "verified, and not confirmed yet"
    confirm(store, wanted, "stage")
    assert not reopened("inputs-stage"), "it is done"
    prove(store, "stage", "env.connections", outcome="fail")
    assert reopened("inputs-stage")
    prove(store, "stage", "inngest.moves_work", "redis.required")
    prove(store, "stage", "redis.required", outcome="fail")
    prove(store, "stage", "env.connections", "inngest.route", "inngest.functions", "inngest.required")
    assert not reopened("apply-stage"), "one held before the other did"
    prove(store, "stage", "redis.required")
    prove(store, "stage", "inngest.required", outcome="fail")
    assert reopened("apply-stage")


def test_a_changed_configuration_makes_what_depended_on_it_stale(store: Store, tmp_path: Path) -> None:
    wanted = settings(tmp_path)
    prove(store, "prod", *CHECKS, fingerprint="k-1")
    confirm(store, wanted, "prod")
    now = clock.now_ms()
    with store.write() as connection:
        snapshots.note(connection, Snapshot(environment="prod", source="f", first_ms=now, last_ms=now,
                                            fingerprint="k-2", key_id="k", marks={}))  # fmt: skip
    found = look(store, wanted)
    step = next(view for view in found.steps if view.key == "validate-prod")
    assert step.state != "done"
    assert "variables changed" in step.checks[0].advice.what
    assert next(v for v in found.steps if v.key == "inputs-prod").decision is not None, "what was decided stands"
    redo = {f.rule: f.advice.fix for f in found.verdict.blocking}
    assert redo["replay"] == "Replay all cases once more, against what runs now, on Replay harness."
    assert redo["validation"].startswith("Press Verify in the checklist: it is measured again")
    assert redo["soak"].startswith("Make staging strict"), "never measured is not the same as no longer known"


def test_commands_hold_the_environment_s_own_names(store: Store, tmp_path: Path) -> None:
    found = look(store, settings(tmp_path))
    step = next(view for view in found.steps if view.key == "apply-prod")
    assert "--mode production" in step.bash
    assert "scripts\\" in step.powershell
    assert not [
        v
        for v in found.steps
        for text in (v.why, v.if_not, *v.how, v.bash, v.powershell, v.confirm_words)
        if "{" in text
    ]
    assert "Do not send keys by e-mail" in found.steps[0].message


def test_a_step_is_handed_over_with_what_is_the_matter_and_its_link(store: Store, tmp_path: Path) -> None:
    found_bad = {"found": "Redis refuses writes: its memory is full.", "remedy": "Raise the plan's limit."}
    prove(store, "prod", "redis.write", outcome="fail", detail=found_bad)
    found = look(store, settings(tmp_path))
    verify, inputs = (next(v for v in found.steps if v.key == f"{name}-prod") for name in ("verify", "inputs"))
    said = hand_over(verify, "https://x/strict_mode_checklist?step=verify-prod", simulated=False)
    assert "needs you: Verify prod.\n" in said
    assert "- Redis refuses writes: its memory is full. Raise the plan's limit.\n" in said
    assert "- Not measured yet: whether the application answers that it is ready. Start the worker" in said
    assert said.endswith("https://x/strict_mode_checklist?step=verify-prod\n")
    asked = hand_over(inputs, "https://x", simulated=True)
    assert "needs you: Collect and confirm the four inputs, for prod (simulated).\n" in asked
    assert "- To be confirmed by name: I confirm the decision to run prod in strict mode." in asked


def test_an_environment_of_its_own_has_a_way_of_its_own(store: Store, tmp_path: Path) -> None:
    found = look(store, settings(tmp_path), "stage")
    assert {view.environment for view in found.steps} == {"stage"}
    assert [view.step.id for view in found.steps][-1] == "go"


def test_a_step_may_link_to_every_page_and_to_no_other() -> None:
    assert set(table.PAGES) == {page.stem for page in (ROOT / "pages").glob("*.py")} - {"overview"}, (
        "Overview is at the root"
    )


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('after = ["apply"]', 'after = ["aply"]', "validate waits for aply, which is no step above it"),
        ('after = ["inputs"]', 'after = ["replay"]', "inngest waits for replay, which is no step above it"),
        ("if_not", "if_nt", "if_not: Field required"),
        ("[[steps]]", "x = [", "can't be read"),
        ('"redis.ping"', '"redis.pign"', "verify names the check 'redis.pign', which is not measured"),
        ("to run {name}", "to run {nmae}", "has a blank that is not known ('nmae')"),
        ("to run {name}", "to run {", "has a blank that is not known"),
        ('confirm = "policy"', 'confirm = "polcy"', "steps.0.confirm: Input should be"),
        ('"env_diff?view=write"', '"env_dif?view=write"', "links to 'env_dif?view=write', which is no page"),
        ('id = "verify"', 'id = "validate"', "validate is there twice for one environment"),
        ("confirm_words = ", "# ", "asks for a confirmation without saying of what"),
        ("powershell = ", "# ", "has its command for one shell only"),
    ],
)
def test_a_wrong_table_of_steps_is_refused_with_the_place(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    file = tmp_path / "steps.toml"
    text = table.FILE.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong, 1))
    with pytest.raises(SettingsError, match=re.escape(said)):
        table.load(file)


def test_a_team_s_own_steps_stand_in_place_of_ours(store: Store, tmp_path: Path) -> None:
    wanted = settings(tmp_path)
    own = tmp_path / "greenlight.steps.toml"
    own.write_text(
        '[[steps]]\nid = "verify"\nenvironment = "production"\ntitle = "Ask {name}"\nwhy = "w"\nhow = ["h"]\n'
        'checks = ["readiness.ready"]\nverify = "probe"\nif_not = "n"\n'
    )
    assert [(v.key, v.title) for v in look(store, wanted).steps] == [("verify-prod", "Ask prod")]
    own.write_text("[[steps]]")
    table.load.cache_clear()
    with pytest.raises(SettingsError, match=r"greenlight\.steps\.toml"):
        look(store, wanted)


def test_a_table_without_steps_is_refused(tmp_path: Path) -> None:
    (tmp_path / "steps.toml").write_text("steps = []")
    with pytest.raises(SettingsError, match="at least 1 item"):
        table.load(tmp_path / "steps.toml")


def test_it_reads_its_evidence_once(store: Store, tmp_path: Path) -> None:
    """Every step asks the same facts and the same log of decisions: questions to the store don't grow with the steps."""
    wanted = settings(tmp_path)
    for name in ("stage", "prod"):
        prove(store, name, *CHECKS)
    asked: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append(f"{statement} {parameters}")

    event.listen(store.engine, "before_cursor_execute", note)
    checklist(store, wanted, "prod", clock.now_ms())
    event.remove(store.engine, "before_cursor_execute", note)
    assert len([question for question in asked if "max(evidence.seq)" in question]) == 2, "once an environment"
    assert len([question for question in asked if "row_number()" in question]) == 2, "decisions too"
    assert len(asked) < 40, len(asked)


@pytest.mark.parametrize(("channel", "policy", "is_there"), [
    ("", "", False),
    ('[[alerts.channels]]\nname="team"\nurl_variable="TEAM"\n', "", True),
    ('[[alerts.channels]]\nname="team"\nurl_variable="TEAM"\nenvironments=["stage"]\n', "", False),
    ("", "[policy]\nalerts=true\n", True),
])  # fmt: skip
def test_the_step_about_alerts_is_asked_for_where_somebody_is_to_be_reached(
    store: Store, tmp_path: Path, channel: str, policy: str, is_there: bool
) -> None:
    settings(tmp_path)
    file = tmp_path / "greenlight.toml"
    file.write_text(channel + policy + file.read_text())
    wanted = load({"GREENLIGHT_CONFIG": str(file), "GREENLIGHT_DATA": str(tmp_path),
                   "TEAM": "https://hooks.slack.com/services/x"})  # fmt: skip
    assert ("alerts-prod" in states(look(store, wanted))) is is_there
    prove(store, "prod", "alerts.reach")
    assert (states(look(store, wanted)).get("alerts-prod") == "done") is is_there
