"""PASS, BLOCK or INCONCLUSIVE: trouble is never a wrong answer, never absent, and never a pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.replay import gate
from services.replay.gate import GateRules, decide
from services.replay.model import Answer, CriterionScore, Held, Judged, Outcome, Trouble


def outcome(case: str, state: str, *, repeat: int = 1, critical: bool = False, score: float | None = None) -> Outcome:
    trouble = Trouble(code="timeout", detail="x") if state == "error" else None
    judged = None
    if state in {"passed", "failed"}:
        good = state == "passed"
        value = score if score is not None else 5.0 if good else 1.0
        judged = Judged(criteria=(CriterionScore(id="c", score=value, reason="r", critical=critical, passed=good),))
    if state == "unscored":
        judged = Judged(unscored="the judge was away")
    answer = None if trouble else Answer(output="x")
    return Outcome(
        case_id=case,
        repeat=repeat,
        category="k",
        judged=judged,
        answer=answer,
        trouble=trouble,
        duration_ms=1,
        attempts=1,
    )


def run(counts: dict[str, int], agreement: float | None = None) -> gate.GateResult:
    states = [state for state, number in counts.items() for _ in range(number)]
    outcomes = [outcome(f"c{n}", state) for n, state in enumerate(states) if state != "absent"]
    return decide(outcomes, [f"c{n}" for n in range(len(states))], GateRules(), judge_agreement=agreement)


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ({"passed": 50}, "PASS"),
        ({"passed": 48, "failed": 2}, "PASS"),
        ({"passed": 47, "failed": 3}, "BLOCK"),
        ({"passed": 48, "error": 2}, "PASS"),
        ({"passed": 47, "failed": 1, "error": 2}, "INCONCLUSIVE"),
        ({"passed": 46, "error": 4}, "INCONCLUSIVE"),
        ({"passed": 46, "unscored": 4}, "INCONCLUSIVE"),
        ({"passed": 46, "absent": 4}, "INCONCLUSIVE"),
        ({"error": 50}, "INCONCLUSIVE"),
        ({"failed": 3, "error": 47}, "BLOCK"),
        ({"passed": 20}, "PASS"),
        ({"passed": 19, "failed": 1}, "PASS"),
        ({}, "INCONCLUSIVE"),
    ],
)
def test_the_verdict(counts: dict[str, int], verdict: str) -> None:
    found = run(counts)
    assert found.verdict == verdict
    assert found.block_build is (verdict != "PASS")
    assert found.reasons


def test_one_critical_failure_blocks_whatever_the_rate() -> None:
    outcomes = [outcome(f"c{n}", "passed") for n in range(99)] + [outcome("c99", "failed", critical=True)]
    found = decide(outcomes, [f"c{n}" for n in range(100)], GateRules())
    assert found.verdict == "BLOCK"
    assert found.critical_failures == ("c99: c",)


def test_a_judge_that_cannot_be_trusted_decides_nothing() -> None:
    for counts in ({"passed": 50}, {"failed": 50}):
        found = run(counts, agreement=0.84)
        assert found.verdict == "INCONCLUSIVE"
        assert "judge can't be trusted" in found.reasons[0]
    assert run({"passed": 50}, agreement=0.85).verdict == "PASS"


@pytest.mark.parametrize(
    ("rule", "states", "expected"),
    [
        ("all", ["passed", "passed", "passed"], "passed"),
        ("all", ["passed", "passed", "failed"], "failed"),
        ("all", ["passed", "passed", "error"], "error"),
        ("majority", ["passed", "passed", "error"], "passed"),
        ("majority", ["passed", "failed", "error"], "error"),
        ("majority", ["failed", "failed", "error"], "failed"),
        ("at_least:1", ["passed", "failed", "failed"], "passed"),
        ("all", ["passed", "passed", "unscored"], "unscored"),
        ("all", ["passed", "passed"], "error"),
    ],
)
def test_repeats_by_their_rule(rule: str, states: list[str], expected: str) -> None:
    rules = GateRules(repeats=3, per_case=rule)
    outcomes = [outcome("c", state, repeat=n) for n, state in enumerate(states, 1)]
    assert decide(outcomes, ["c"], rules).cases[0].state == expected


@given(
    st.lists(st.sampled_from(["passed", "failed", "error", "unscored", "absent"]), min_size=1, max_size=80),
    st.randoms(),
)
def test_no_trouble_can_make_a_pass(states: list[str], chance: object) -> None:
    """Had every missing answer been wrong, the gate would still pass: only then it says PASS."""
    counts = {state: states.count(state) for state in set(states)}
    found = run(counts)
    assert found.passed + found.failed + found.errors + found.unscored == found.total == len(states)
    if found.verdict == "PASS":
        assert counts.get("passed", 0) / len(states) >= 0.95 - 1e-9
    if found.verdict == "BLOCK":
        assert (len(states) - counts.get("failed", 0)) / len(states) < 0.95


@given(st.lists(st.sampled_from(["passed", "failed", "error"]), min_size=1, max_size=60), st.integers(0, 10))
def test_a_quarantine_is_named_and_never_makes_a_pass_of_the_rest(states: list[str], aside: int) -> None:
    ids = [f"c{n}" for n in range(len(states))]
    held = [Held(case_id=id_, owner="Ada", reason="flaky", until="2026-12-31") for id_ in ids[:aside]]
    found = decide([outcome(id_, state) for id_, state in zip(ids, states, strict=True)], ids, GateRules(),
                   quarantine=held)  # fmt: skip
    rest = states[aside:]
    assert found.total == len(rest) == found.passed + found.failed + found.errors + found.unscored
    assert sum("In quarantine until 2026-12-31" in reason for reason in found.reasons) == min(aside, len(ids))
    if found.verdict == "PASS":
        assert rest.count("passed") / len(rest) >= 0.95 - 1e-9
        assert aside <= 0.1 * len(ids) + 1e-9


def test_a_critical_failure_blocks_in_quarantine_too() -> None:
    outcomes = [outcome(f"c{n}", "passed") for n in range(19)] + [outcome("c19", "failed", critical=True)]
    held = [Held(case_id="c19", owner="Ada", reason="flaky", until="2026-12-31")]
    assert decide(outcomes, [f"c{n}" for n in range(20)], GateRules(), quarantine=held).verdict == "BLOCK"


def test_doubts_about_the_judges_decide_nothing_and_are_said() -> None:
    for state in ("passed", "failed"):
        found = decide([outcome("c", state)], ["c"], GateRules(), judge_agreement=0.1, doubts=("Judge a drifts.",))
        assert (found.verdict, found.reasons) == ("INCONCLUSIVE", ("Judge a drifts.",))


def test_the_gate_says_how_often_it_errs() -> None:
    words = gate.own_error_rates(50, GateRules())[0]
    assert "97 % is blocked 19 % of the time" in words
    assert "94 % gets through 42 %" in words
    assert "best that can be hoped for" in gate.own_error_rates(50, GateRules(repeats=3, per_case="majority"))[0]
