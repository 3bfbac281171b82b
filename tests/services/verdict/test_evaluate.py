"""The verdict: any rule false, No-Go; any not known, not enough evidence; and never on what does not count."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.evidence.freshness import Context
from services.evidence.model import Evidence
from services.soak.evaluate import CHECK as SOAK
from services.verdict.evaluate import check_result, evaluate
from services.verdict.model import Facts, Probed, Subject
from services.verdict.rules import RULES

NOW = 1_800_000_000_000
HOUR = 3_600_000
CONTEXT = Context(fingerprint="k-1", version="v1", golden_sha256="g-1", judges=frozenset({"j-1"}))
PRODUCTION = Subject(
    name="production", role="production", queues=("email",), staging="staging", needs_soak=True, alerts=True
)
CHECKS = tuple(c for rule in RULES if rule.applies(PRODUCTION) for c in rule.checks(PRODUCTION) if c != SOAK)


def record(check: str, outcome: str = "pass", **more: Any) -> Evidence:
    made = Evidence(environment="production", check=check, outcome=outcome, at_ms=NOW - 60_000, value=True,  # type: ignore[arg-type]
                    fingerprint="k-1", version="v1")  # fmt: skip
    return replace(made, **more)


def facts(subject: Subject = PRODUCTION, **changes: Evidence | None) -> Facts:
    found = {check: record(check) for check in CHECKS}
    for name, change in changes.items():
        found.pop(name, None)
        if change is not None:
            found[name] = change
    soak = record(SOAK, environment="staging", value="passed")
    return Facts(subject=subject, now_ms=NOW, context=CONTEXT, records=found, soak=soak, soak_context=CONTEXT)


def test_all_rules_fresh_and_true_is_go() -> None:
    found = evaluate(facts())
    assert (found.state, found.blocking, found.next_step) == ("GO", (), "")


TERMS = {"overlap_s": 0, "draining_s": 90, "transport": "serve"}


def test_a_drill_is_a_rule_where_the_policy_asks_for_it_and_holds_for_its_terms_alone() -> None:
    staging = Subject(name="staging", role="staging", queues=("email",), needs_drill=True)
    assert evaluate(facts(replace(staging, needs_drill=False))).state == "GO"
    (missing,) = evaluate(facts(staging)).blocking
    assert (missing.rule, missing.outcome) == ("drill", "unknown")
    assert "Start the drill on Deployments" in missing.advice.fix
    drilled = record("deploy.drill", version=None, detail={"terms": TERMS})

    def under(**changes: Any) -> str:
        found = facts(staging, **{"deploy.drill": drilled})
        return evaluate(replace(found, context=replace(CONTEXT, terms=TERMS | changes))).state

    assert under() == "GO"
    for change in ({"draining_s": 3}, {"overlap_s": 1}, {"transport": "connect"}):
        assert under(**change) == "INCONCLUSIVE"
    assert evaluate(facts(staging, **{"deploy.drill": replace(drilled, outcome="fail")})).state == "NO_GO"
    old = replace(drilled, at_ms=NOW - 31 * 24 * HOUR)
    assert evaluate(facts(staging, **{"deploy.drill": old})).state == "INCONCLUSIVE"


@pytest.mark.parametrize("check", CHECKS)
def test_one_check_measured_false_is_no_go_and_names_its_rule(check: str) -> None:
    found = evaluate(facts(**{check: record(check, "fail")}))
    assert found.state == "NO_GO"
    (blocking,) = found.blocking
    assert blocking.outcome == "fail"
    assert check in {c.check for c in blocking.checks}
    assert found.next_step == blocking.advice.fix
    assert blocking.advice.what.endswith(".")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "change",
    [
        None,
        {"outcome": "unknown"},
        {"at_ms": NOW - 400 * 24 * HOUR},
        {"fingerprint": "k-2"},
        {"version": "v0"},
        {"simulated": True},
        {"golden_sha256": "g-0"},
        {"judge_sha256": "j-0"},
    ],
)
def test_what_does_not_count_never_counts_as_true(check: str, change: dict[str, Any] | None) -> None:
    if check.startswith("confirm.") and change is not None and "at_ms" in change:
        stands = record(check, **change)  # a person's decision stands until it is taken back
        assert evaluate(facts(**{check: stands})).state == "GO"
        return
    found = evaluate(facts(**{check: None if change is None else record(check, **change)}))
    assert found.state == "INCONCLUSIVE"
    (blocking,) = found.blocking
    assert blocking.outcome == "unknown"
    assert blocking.advice.fix


def test_false_comes_before_unknown() -> None:
    found = evaluate(facts(**{"readiness.ready": None, "replay.gate": record("replay.gate", "fail")}))
    assert found.state == "NO_GO"
    assert [f.outcome for f in found.blocking] == ["fail", "unknown"]


def test_the_cause_is_told_as_it_was_found_with_its_own_remedy() -> None:
    found_bad = {"found": "The application serves 3 Inngest functions, 4 are expected.", "remedy": "Check serve()."}
    bad = record("inngest.functions", "fail", code="inngest.function_count", detail=found_bad)
    (blocking,) = evaluate(facts(**{"inngest.functions": bad})).blocking
    assert (blocking.advice.what, blocking.advice.fix) == (found_bad["found"], found_bad["remedy"])


def test_what_another_check_s_look_found_is_no_cause() -> None:
    """The same look tells of readiness and of strictness: that all is well is no reason for either to be false."""
    relaxed = record("redis.required", "fail", code="dependencies.ok")
    unseen = record("redis.write", "unknown", code="redis.ok")
    found = evaluate(facts(**{"redis.required": relaxed, "redis.write": unseen}))
    assert [f.advice.what for f in found.blocking] == [
        "The application keeps running without Redis, so an outage would go unnoticed (relaxed mode).",
        "Not known whether Redis takes and gives back what is written. It could not be measured.",
    ]


@pytest.mark.parametrize("check", [*CHECKS, SOAK])
def test_what_was_never_measured_says_what_it_takes(check: str) -> None:
    whole = facts(**{check: None})
    (blocking,) = evaluate(replace(whole, soak=None) if check == SOAK else whole).blocking
    assert blocking.advice.what.startswith(("Not measured yet: whether ", "Not confirmed yet: "))
    assert blocking.advice.fix.endswith(".")
    assert "Redis" not in blocking.advice.what or "redis" not in blocking.advice.what


def test_what_is_broken_now_comes_before_what_is_missing_on_the_way() -> None:
    names = ("redis.required", "env.connections", "readiness.ready")
    found = evaluate(facts(**{name: record(name, "fail") for name in names}))
    assert [f.rule for f in found.blocking] == ["readiness", "inputs", "strict"]


def test_a_relaxed_pass_is_false_not_unknown() -> None:
    found = evaluate(facts(**{"env.validation": record("env.validation", "unknown", value="RELAXED")}))
    assert found.state == "NO_GO"
    assert "nothing is enforced" in found.blocking[0].advice.what


def test_production_needs_staging_s_soak_and_staging_does_not() -> None:
    whole = facts()
    assert evaluate(replace(whole, soak=None)).state == "INCONCLUSIVE"
    assert evaluate(replace(whole, soak_context=Context(fingerprint="k-9", version="v1"))).state == "INCONCLUSIVE"
    assert whole.soak is not None
    assert evaluate(replace(whole, soak=replace(whole.soak, outcome="fail"))).state == "NO_GO"
    without = replace(PRODUCTION, staging=None)
    assert "No staging environment" in evaluate(replace(whole, subject=without)).blocking[0].advice.what
    staging = Subject(name="production", role="staging", queues=("email",))
    assert evaluate(replace(whole, subject=staging, soak=None)).state == "GO"


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ({}, "GO"),  # written down before it was noted what it was held to
        ({"hours": 24, "coverage": 0.99, "canaries": 3}, "GO"),
        ({"hours": 24, "coverage": 1.0, "canaries": 0, "waived": "Ada: none planned"}, "GO"),
        ({"hours": 23.9, "coverage": 1.0, "canaries": 3}, "INCONCLUSIVE"),
        ({"hours": 24, "coverage": 0.98, "canaries": 3}, "INCONCLUSIVE"),
        ({"hours": 24, "coverage": 1.0, "canaries": 2, "waived": ""}, "INCONCLUSIVE"),
    ],
)
def test_a_soak_that_was_held_to_less_than_is_asked_for_now_does_not_count(told: dict[str, Any], outcome: str) -> None:
    whole = facts()
    found = evaluate(replace(whole, soak=record(SOAK, environment="staging", value="passed", detail=told)))
    assert found.state == outcome
    if outcome != "GO":
        assert found.blocking[0].advice.what.endswith("the settings now ask for a longer or fuller soak.")
        assert "Leave staging alone" in found.next_step


def test_a_simulated_environment_s_verdict_says_so_and_real_evidence_counts_for_none_of_it() -> None:
    whole = facts(subject=replace(PRODUCTION, simulated=True))
    assert evaluate(whole).state == "INCONCLUSIVE"
    own = {name: replace(r, simulated=True) for name, r in whole.records.items()}
    assert whole.soak is not None
    found = evaluate(replace(whole, records=own, soak=replace(whole.soak, simulated=True)))
    assert (found.state, found.words) == ("GO", "Go (simulated)")


outcomes = st.sampled_from(["pass", "fail", "unknown"])
records_ = st.fixed_dictionaries(
    {
        check: st.none() | st.tuples(outcomes, st.integers(0, 30 * 24), st.sampled_from(["k-1", "k-2"]))
        for check in CHECKS
    }
)


@settings(max_examples=200, deadline=None)
@given(records_, st.randoms(use_true_random=False))
def test_no_set_of_facts_reaches_go_without_every_rule_and_order_plays_no_part(
    drawn: dict[str, Any], chance: random.Random
) -> None:
    made = {
        check: record(check, what[0], at_ms=NOW - what[1] * HOUR, fingerprint=what[2])
        for check, what in drawn.items() if what is not None
    }  # fmt: skip
    found = evaluate(replace(facts(), records=made))
    outcomes = {c.check: c.outcome for r in found.results for c in r.checks}
    if found.state == "GO":
        assert set(outcomes.values()) == {"pass"}
        assert all(made[check].outcome == "pass" and made[check].fingerprint == "k-1" for check in CHECKS)
    if found.state == "NO_GO":
        assert found.blocking[0].outcome == "fail"
    names = list(made)
    chance.shuffle(names)
    assert evaluate(replace(facts(), records={name: made[name] for name in names})) == found


@pytest.mark.parametrize(
    ("check", "probe", "outcome", "later"),
    [
        ("redis.ping", "redis.ping", "ok", True),
        ("redis.ping", "redis.ping", "down", False),
        ("readiness.ready", "readiness", "slow", True),
        ("inngest.route", "inngest", "ok", True),
        ("inngest.moves_work", "inngest", "ok", False),
        ("redis.required", "dependencies", "ok", True),
        ("queue:email", "queue:email", "ok", True),
        ("dependency:crm", "crm", "ok", True),
        ("env.validation", "readiness", "ok", False),
    ],
)  # fmt: skip
def test_it_was_measured_when_its_own_probe_last_found_the_same(
    check: str, probe: str, outcome: str, later: bool
) -> None:
    """Evidence is written when something changes, and hourly: its date alone is the last change."""
    kept = record(check)
    known = replace(facts(), probed={probe: Probed(outcome, kept.at_ms + 5000)})
    found = check_result(check, kept, CONTEXT, known)
    assert found.measured_ms == kept.at_ms + (5000 if later else 0)


def test_a_failure_that_is_being_confirmed_is_said_to_be() -> None:
    found_bad = facts(
        **{"redis.write": record("redis.write", "fail", detail={"what": "Redis is full.", "fix": "Free it."})}
    )
    unsure = replace(found_bad, probed={"redis.write": Probed("down", NOW, "failing, being confirmed (1 of 3)")})
    found = evaluate(unsure)
    assert found.state == "NO_GO"
    assert found.why == "Redis is full. It is failing, being confirmed (1 of 3)."
    assert evaluate(found_bad).why == "Redis is full."
