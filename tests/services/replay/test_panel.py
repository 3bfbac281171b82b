"""A panel of models over HTTP: the majority decides, no majority is no pass, and too little agreement decides nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.errors import SettingsError
from services.replay import bodies, golden, panel, trust
from services.replay import sealed as sealing
from services.replay.gate import GateRules, decide
from services.replay.judge_llm import Endpoint, calibration_path, from_files, panel_from_settings
from services.replay.model import Answer, CriterionScore, GoldenCase, Judged, Outcome
from services.replay.panel import Panel, agreed, decided
from services.replay.sealed import SealedWord
from services.settings import Settings, load
from tests.conftest import Served
from tests.examples.test_reference_agent import said
from tests.services.replay.test_judge_llm import Model

CASES = golden.read(golden.DEFAULT).cases
CASE = next(case for case in CASES if len(case.criteria) > 1)


def one(passed: bool | None, case: GoldenCase = CASE, score: float | None = None) -> Judged:
    if passed is None:
        return Judged(unscored="the judge was away")
    value = score if score is not None else 5.0 if passed else 0.0
    return Judged(criteria=tuple(
        CriterionScore(id=c.id, score=value, reason="seen", critical=c.critical, passed=passed) for c in case.criteria
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("votes", "passed"),
    [
        ((True, True, False), True),
        ((True, False, False), False),
        ((True, False), None),
        ((True, True, None), True),
        ((True, None, None), None),
        ((None, None, None), None),
        ((True, True, False, False), None),
        ((True, True, False, None), None),
        ((True, False, None), None),
    ],
)
def test_more_than_half_of_all_judges_decide(votes: tuple[bool | None, ...], passed: bool | None) -> None:
    found = decided(CASE, {f"j{n}": one(vote) for n, vote in enumerate(votes)})
    assert found.passed is passed
    assert {c.passed for c in found.criteria} == {passed}
    assert bool(found.unscored) is (passed is None)


def test_each_word_is_kept_and_the_score_is_the_majority_s() -> None:
    found = decided(CASE, {"a": one(True, score=4), "b": one(True, score=5), "c": one(False, score=0)})
    assert {c.score for c in found.criteria} == {4.5}
    assert "c disagrees" in found.criteria[0].reason
    outcome = Outcome(case_id="x", repeat=1, category="k", judged=found, answer=None, trouble=None, duration_ms=1,
                      attempts=1)  # fmt: skip
    again = bodies.from_json(bodies.to_json(outcome))
    assert again.judged is not None
    assert again.judged.words == found.words
    assert len(found.words) == 3 * len(CASE.criteria)


def asked(serve: Callable[..., Served], *values: float) -> Panel:
    def model(name: str, value: float) -> Any:
        def say(question: str) -> dict[str, Any]:
            return {"criteria": [{"id": c.id, "score": value, "reason": "seen"} for c in CASE.criteria]}

        endpoint = Endpoint(url=Model(serve, say).judge.endpoint.url, model="m", name=name, timeout_s=30)
        return from_files(endpoint)

    return Panel(tuple(model(f"j{n}", value) for n, value in enumerate(values)))


def test_real_models_are_asked_side_by_side_and_their_cost_is_added(serve: Callable[..., Served]) -> None:
    judge = asked(serve, 5, 5, 0)

    async def go() -> Judged:
        try:
            return await judge.judge(CASE, said(CASE))
        finally:
            await judge.close()

    assert asyncio.run(go()).passed is True
    usage = judge.usage()
    assert (usage["calls"], usage["input_tokens"], set(usage["judges"])) == (3, 300, {"j0", "j1", "j2"})
    assert "cost" not in usage, "without prices it is not known"


def test_a_member_that_is_away_leaves_the_others_to_decide(serve: Callable[..., Served]) -> None:
    judge = asked(serve, 5, 5)
    gone = from_files(Endpoint(url="http://127.0.0.1:1/", model="m", name="gone", timeout_s=1))

    async def go(members: tuple[Any, ...]) -> Judged:
        try:
            return await Panel(members).judge(CASE, said(CASE))
        finally:
            for member in members:
                await member.close()
                member._client = None

    assert asyncio.run(go((*judge.members, gone))).passed is True
    left = asyncio.run(go((judge.members[0], gone)))
    assert left.passed is None
    assert "gone: the judge gave no answer" in str(left.unscored)


def outcomes(votes: list[tuple[bool | None, ...]]) -> list[Outcome]:
    simple = GoldenCase(id="c", title="t", category="k", input={}, context={}, expectations=(),
                        criteria=(CASE.criteria[0],))  # fmt: skip
    return [
        Outcome(case_id=f"c{n}", repeat=1, category="k", answer=Answer(output="x"), trouble=None, duration_ms=1,
                attempts=1, judged=decided(simple, {f"j{i}": one(vote, simple) for i, vote in enumerate(row)}))
        for n, row in enumerate(votes)
    ]  # fmt: skip


def doubts(votes: list[tuple[bool | None, ...]]) -> tuple[str, ...]:
    found = outcomes(votes)
    return trust.panel_doubts(
        found, 0.667, lambda turned: decide(turned, [o.case_id for o in found], GateRules(min_pass_rate=0.9))
    )


def test_agreement_is_measured_over_the_run() -> None:
    found = agreed(outcomes([(True, True, True)] * 8 + [(False, False, False)] * 2))
    assert [item.alpha for item in found] == [1, 1]
    assert (found[0].criterion, found[0].contested, found[0].judged) == ("", 0, 10)
    alike = agreed(outcomes([(True, True, True)] * 10))
    assert alike[0].alpha is None, "without variation it is not known, and not 1"
    assert agreed([]) == ()


def test_too_little_agreement_decides_nothing_where_it_decides() -> None:
    split = [(True, True, False), (True, False, True), (False, True, True), (True, False, False)] * 5
    assert "agree too little" in doubts(split)[0]
    assert "alpha is -0." in doubts(split)[0]


def test_one_dissent_among_many_passes_is_no_doubt() -> None:
    """Alpha falls to 0 by a single dissent where nearly all passes: the verdict is the same either way."""
    votes = [(True, True, True)] * 39 + [(True, True, False)]
    assert (agreed(outcomes(votes))[0].alpha or 0) < 0.1
    assert doubts(votes) == ()


def word(judge: str, n: int, passed: bool | None, label: bool = True) -> SealedWord:
    return SealedWord(judge=judge, judge_sha256="s", answer=f"a{n}", criterion="c", label=label, passed=passed)


def test_a_judge_that_turned_on_itself_is_named_and_chance_is_not() -> None:
    before = [word("a", n, n % 2 == 0, n % 2 == 0) for n in range(40)]
    chance = [word("a", n, True if n in {1, 3, 5} else n % 2 == 0, n % 2 == 0) for n in range(40)]
    turned = [word("a", n, True if n in {1, 3, 5, 7, 9, 11} else n % 2 == 0, n % 2 == 0) for n in range(40)]
    assert sealing.doubts(chance, {"a": before}) == ()
    (said_,) = sealing.doubts(turned, {"a": before})
    assert "Judge a became milder" in said_
    assert "passes 6 that it failed (p = 0.031)" in said_


def test_what_is_unscored_agrees_with_no_label_and_turns_nothing() -> None:
    now = [word("a", n, None) for n in range(10)]
    assert sealing.agreement(now) == 0
    assert sealing.changed(now, [word("a", n, True) for n in range(10)]).both == 0
    assert "can't be trusted" in sealing.doubts(now, {})[0]


def test_the_agreement_of_a_panel_is_its_majority_s() -> None:
    words = [word(judge, n, judge != "c") for judge in "abc" for n in range(4)]
    assert sealing.agreement(words) == 1
    assert "Judge c" in sealing.doubts(words, {})[0]


def settings(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "greenlight.toml"
    path.write_text('[[environments]]\nname="local"\nbase_url="http://127.0.0.1:9"\n' + text)
    return load({"GREENLIGHT_CONFIG": str(path), "GREENLIGHT_DATA": str(tmp_path)})


TWO = '[[replay.judges]]\nname="a"\nurl="http://h/1"\nmodel="m"\n[[replay.judges]]\nname="b"\nurl="http://h/2"\nmodel="m"\n'


def test_a_panel_comes_from_the_settings_and_counts_as_one_judge(tmp_path: Path) -> None:
    from services.replay.identity import judges_now

    found = settings(tmp_path, TWO)
    made = panel_from_settings(found)
    assert [member.label for member in made.members] == ["a", "b"]
    assert made.sha256 in judges_now(found)
    assert made.sha256 == panel.identity(reversed([member.sha256 for member in made.members]))


def test_no_provider_is_sent_another_s_key(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="GREENLIGHT_JUDGE_KEY: name one for each"):
        settings(tmp_path, TWO.replace("http://h/2", "http://other/2"))
    single = '[replay.judge]\nurl="http://third/1"\nmodel="m"\n'
    with pytest.raises(SettingsError, match="GREENLIGHT_JUDGE_KEY: name one for each"):
        settings(tmp_path, TWO + single)
    assert settings(tmp_path, TWO.replace('"http://h/2"', '"http://other/2"\nkey_variable="KEY_2"')).replay.judges


@pytest.mark.parametrize("text", [TWO.replace('"b"', '"a"'), TWO.partition('[[replay.judges]]\nname="b"')[0]])
def test_a_panel_of_one_or_of_two_alike_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"replay"):
        settings(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said_"),
    [
        ("[]", "list of labelled answers"),
        ('{"answers": [3]}', "answers[0]"),
        ('{"answers": [{"case": {}, "answer": {"output": 1}, "labels": {"x": true}}]}', "answers[0].case"),
        ("{", "not valid JSON"),
    ],
)
def test_a_calibration_file_of_one_s_own_is_refused_with_the_place(tmp_path: Path, text: str, said_: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    found = settings(tmp_path, f'[replay]\ncalibration = "labels.json"\n{TWO}')
    assert calibration_path(found) == tmp_path / "labels.json"
    with pytest.raises(SettingsError) as refused:
        panel_from_settings(found)
    assert said_ in str(refused.value)
