"""Contradictions between probes are findings of their own."""

from dataclasses import replace
from typing import Any

import pytest

from services.dependencies.messages import message
from services.dependencies.registry import KINDS
from services.health.contradictions import find
from services.store.conditions import Condition


def condition(probe: str, code: str, **detail: Any) -> Condition:
    outcome = message(code).outcome
    return Condition(
        environment="e", probe=probe, at_ms=0, interval_s=30, state=outcome, since_ms=0, outcome=outcome,
        failures=0, successes=0, code=code, latency_ms=1.0, detail=detail,
    )  # fmt: skip


def reported(redis: bool = True, inngest: bool = True, ready: bool = True) -> Condition:
    return condition(
        "dependencies",
        "dependencies.ok",
        ready=ready,
        reported={"redis": {"required": True, "healthy": redis}, "inngest": {"required": True, "healthy": inngest}},
    )


GOOD = (
    condition("readiness", "readiness.ok"),
    reported(),
    condition("redis.ping", "redis.ok"),
    condition("redis.write", "redis.write_ok"),
    condition("inngest", "inngest.ok"),
)


def rules_of(*changed: Condition) -> set[str]:
    conditions = {c.probe: c for c in (*GOOD, *changed)}
    return {finding.rule for finding in find(conditions)}


def test_agreeing_probes_find_nothing() -> None:
    assert rules_of() == set()
    assert find({}) == ()


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ([condition("redis.write", "redis.read_only")], "ready_but_no_writes"),
        ([reported(ready=False)], "ready_but_report_says_not"),
        ([condition("readiness", "readiness.not_ready")], "report_ready_but_not"),
        ([condition("redis.ping", "redis.refused")], "redis_healthy_but_silent"),
        ([reported(redis=False)], "redis_answers_but_reported_ill"),
        ([condition("inngest", "inngest.not_mounted")], "inngest_healthy_but_route_ill"),
        ([condition("dependencies", "dependencies.token_refused")], "token_refused"),
    ],
)
def test_each_contradiction_is_found(changed: list[Condition], rule: str) -> None:
    assert rule in rules_of(*changed)


def test_one_bad_look_is_no_contradiction_yet() -> None:
    once = replace(condition("redis.ping", "redis.refused"), state="ok", failures=1)
    assert rules_of(once) == set()
    assert rules_of(once, reported(redis=False)) == set(), "the report is merely quicker than we are"


CONFLICTS = [conflict for kind in KINDS.values() for conflict in kind.conflicts]


def test_every_rule_says_what_to_do() -> None:
    assert all(rule.advice.what and rule.advice.fix for rule in CONFLICTS)
    assert len({rule.name for rule in CONFLICTS}) == len(CONFLICTS) == 7


def test_when_everything_is_down_nothing_contradicts() -> None:
    assert (
        rules_of(
            condition("readiness", "readiness.refused"),
            condition("dependencies", "dependencies.refused"),
            condition("redis.ping", "redis.refused"),
            condition("redis.write", "redis.refused"),
            condition("inngest", "inngest.refused"),
        )
        == set()
    )
