"""What a finished run proves for a Go: held to all that a Go asks for, whatever gate it was asked with."""

import asyncio
import functools
import json
from pathlib import Path
from typing import Any

import pytest

from services import clock
from services.access import Person
from services.evidence import chain, current
from services.evidence.freshness import why_stale
from services.evidence.model import Evidence
from services.fingerprint import Snapshot
from services.replay import golden, identity, judge_llm, quarantine, rubric, runs, start
from services.replay.gate import GateRules
from services.replay.model import Answer
from services.report import blocks
from services.settings import load
from services.settings.model import Settings
from services.store import Store, snapshots
from services.store import quarantine as rows
from services.verdict.view import verdict
from tests.services.replay.test_runs import Scripted, begin, make_set, runner


def proof_of(store: Store, path: Path, agent: Scripted, rules: GateRules, **more: Any) -> tuple[str, Evidence]:
    """The run's own verdict, and what was kept as evidence."""
    begun = begin(store, path, rules=rules, environment="prod", **more)
    asyncio.run(runner(store, begun, agent).work())
    run, found = runs.conclude(store, begun.run, also=functools.partial(start.keep_evidence, store))
    with store.read() as connection:
        kept = chain.newest(connection, "prod", "replay.canary" if run.subset else "replay.gate")
    assert kept is not None
    return found.verdict, kept


def test_a_run_under_a_lower_gate_passes_its_own_and_proves_no_go(store: Store, tmp_path: Path) -> None:
    rules = GateRules(min_pass_rate=0.5)
    verdict, kept = proof_of(store, make_set(tmp_path), Scripted(wrong=("c1", "c2")), rules)
    assert verdict == "PASS"
    assert (kept.outcome, kept.value, kept.threshold) == ("fail", 0.9, 0.95)
    assert kept.detail["reasons"] == ["18 of 20 cases passed: 90 %; 95 % are needed."]


def test_a_case_that_passed_in_some_of_its_tries_only_counts_as_failed(store: Store, tmp_path: Path) -> None:
    class Moody(Scripted):
        async def ask(self, line: Any, timeout_s: float, *, repeat: int = 1) -> Any:
            answer = await super().ask(line, timeout_s)
            return Answer(output="wrong") if self.asked[str(line["case_id"])] == 1 else answer

    verdict, kept = proof_of(store, make_set(tmp_path), Moody(), GateRules(repeats=3, per_case="majority"))
    assert verdict == "PASS"
    assert (kept.outcome, kept.value) == ("fail", 0.0)


@pytest.mark.parametrize("subset", ["", "canary"])
def test_a_higher_gate_stays_as_it_is(store: Store, tmp_path: Path, subset: str) -> None:
    verdict, kept = proof_of(
        store, make_set(tmp_path, 100), Scripted(wrong=("c1",)), GateRules(min_pass_rate=1.0), subset=subset
    )
    assert (verdict, kept.outcome, kept.threshold) == ("BLOCK", "fail", 1.0)


def test_a_good_run_is_a_pass(store: Store, tmp_path: Path) -> None:
    verdict, kept = proof_of(store, make_set(tmp_path), Scripted(), GateRules())
    assert (verdict, kept.outcome, kept.value, kept.threshold) == ("PASS", "pass", 1.0, 0.95)


def configure(store: Store, fingerprint: str) -> None:
    now = clock.now_ms()
    with store.write() as connection:
        snapshots.note(connection, Snapshot(environment="prod", source="f", first_ms=now, last_ms=now,
                                            fingerprint=fingerprint, key_id="k", marks={}))  # fmt: skip


@pytest.mark.parametrize("when", ["not", "while it ran"])
def test_a_run_proves_nothing_of_variables_that_changed_while_it_ran(store: Store, tmp_path: Path, when: str) -> None:
    configure(store, "k-1")
    begun = begin(store, make_set(tmp_path), environment="prod")
    asyncio.run(runner(store, begun, Scripted()).work())
    if when == "while it ran":
        configure(store, "k-2")
    runs.conclude(store, begun.run, also=functools.partial(start.keep_evidence, store))
    with store.read() as connection:
        kept = chain.newest(connection, "prod", "replay.gate")
        now = current.context(connection, "prod")
    assert kept is not None
    assert (kept.outcome, kept.fingerprint) == ("pass", "k-1")
    expected = None if when == "not" else "the environment's variables changed since"
    assert why_stale(kept, now, clock.now_ms()) == expected


def test_a_changed_golden_set_makes_what_was_proven_with_the_old_one_count_no_more(
    store: Store, tmp_path: Path
) -> None:
    """Not so a changed layout of its file; and anyone who asks is told what to do again."""
    path = make_set(tmp_path)
    settings = configured(tmp_path)
    proof_of(store, path, Scripted(), GateRules())
    assert replay_rule(store, settings) == ("pass", "", "")
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    assert replay_rule(store, settings)[0] == "pass"
    changed = json.loads(path.read_text())
    changed["cases"][0]["title"] += ", changed"
    path.write_text(json.dumps(changed))
    assert replay_rule(store, settings) == (
        "unknown",
        "No longer known whether the agent passes the golden cases: the golden set changed since.",
        "Replay all cases once more, against what runs now, on Replay harness.",
    )
    path.unlink()
    assert replay_rule(store, settings)[0] == "unknown"


def test_a_run_s_judge_must_be_one_that_there_is(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configured(tmp_path)
    proof_of(store, make_set(tmp_path), Scripted(), GateRules())
    assert replay_rule(store, settings)[0] == "pass"
    monkeypatch.setattr(identity, "_rubric", lambda: "another")
    assert ": the judge changed since" in replay_rule(store, settings)[1]


def test_golden_set_and_judges_of_now_are_those_that_a_run_is_stamped_with(tmp_path: Path) -> None:
    path, settings = make_set(tmp_path), configured(tmp_path)
    assert identity.golden_now(settings) == golden.read(path).sha256
    assert identity.judges_now(settings) == {rubric.identity()}
    assert identity.golden_now(load({"GREENLIGHT_DATA": str(tmp_path / "d")})) == golden.read(golden.DEFAULT).sha256


def test_a_model_that_is_configured_as_judge_counts_too_and_is_another_one_under_another_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = configured(tmp_path, '[replay.judge]\nurl = "http://127.0.0.1:9/v1"\nmodel = "m"\n')
    before = judge_llm.from_settings(settings).sha256
    assert identity.judges_now(settings) == {rubric.identity(), before}
    prompt = tmp_path / "prompt.md"
    prompt.write_text("another prompt")
    monkeypatch.setattr(judge_llm, "PROMPT", prompt)
    monkeypatch.setattr(judge_llm, "FILES", (prompt, judge_llm.SCHEMA, judge_llm.CALIBRATION))
    after = judge_llm.from_settings(settings).sha256
    assert identity.judges_now(settings) == {rubric.identity(), after} != {rubric.identity(), before}
    prompt.unlink()
    assert identity.judges_now(settings) == {rubric.identity()}


def configured(folder: Path, more: str = "") -> Settings:
    (folder / "greenlight.toml").write_text(
        '[replay]\ngolden = "set.json"\n[[environments]]\nname = "prod"\nbase_url = "http://x"\n' + more
    )
    return load({"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder / "data")})


def replay_rule(store: Store, settings: Settings) -> tuple[str, str, str]:
    found = verdict(store, settings, "prod", clock.now_ms())
    rule = next(f for f in found.results if f.rule == "replay")
    return rule.outcome, rule.advice.what, rule.advice.fix


def titles(store: Store, settings: Settings) -> list[str]:
    return [rule.title for rule in verdict(store, settings, "prod", clock.now_ms()).results]


@pytest.mark.parametrize("how", ["its day came", "lifted"])
def test_a_pass_that_rests_on_a_quarantine_counts_no_longer_than_that(store: Store, tmp_path: Path, how: str) -> None:
    path = make_set(tmp_path)
    settings = configured(tmp_path)
    now = clock.now_ms()
    by = Person(name="Eva", role="engineer", verified=True)
    quarantine.put(store, golden.read(path), "c1", owner="Ada", reason="flaky", days=1, by=by, now_ms=now - 1000)
    verdict_, kept = proof_of(store, path, Scripted(wrong=("c1",)), GateRules())
    assert (verdict_, kept.outcome, kept.detail["quarantine"]) == ("PASS", "pass", ["trivial/c1"])
    with store.read() as connection:
        (entry,) = rows.open_ones(connection)
        assert why_stale(kept, current.complete(connection, settings, "prod", now, ()), now) is None
    document = {"replay": {"pass_rate": 1.0, "measured_at": clock.iso(now), **kept.detail}}
    assert "in quarantine, so not counted: trivial/c1" in str(blocks._replay(document, ""))
    assert "The agent passes the replay gate, without 1 case in quarantine" in titles(store, settings)
    if how == "lifted":
        quarantine.lift(store, entry.id, by=by, now_ms=now)
    later = now if how == "lifted" else entry.until_ms
    with store.read() as connection:
        context = current.complete(connection, settings, "prod", later, ())
    assert why_stale(kept, context, later) == "a quarantine that it rests on has ended"
