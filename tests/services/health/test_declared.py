"""Declared dependencies count: they decide readiness and the verdict as Redis does; what is only reported says so."""

from __future__ import annotations

from typing import Any

import pytest

from services.dependencies.model import Check, Measure, Reading
from services.dependencies.registry import BREAKS
from services.dependencies.run import Observation
from services.health.evaluate import evaluate, never_seen
from services.settings.model import Environment
from services.slo.objectives import slos_of
from services.slo.words import title
from services.store.conditions import Condition
from services.verdict import evaluate as verdicts
from services.verdict import words
from services.verdict.model import Facts, Subject
from services.verdict.view import subject

NOW = 1_790_000_000_000


def condition(probe: str, state: str, **detail: Any) -> Condition:
    return Condition(
        environment="e", probe=probe, at_ms=NOW, interval_s=60, state=state, since_ms=NOW, outcome=state, failures=0,
        successes=1, code=f"{probe}.ok", latency_ms=1.0, detail=detail,
    )  # fmt: skip


def declared(state: str, *, required: bool) -> Condition:
    return condition("crm", state, declared={"kind": "http", "required": required, "label": "CRM"})


READY = condition("readiness", "ok")


def report(**claims: tuple[bool | None, bool | None]) -> Condition:
    said = {name: {"required": required, "healthy": healthy} for name, (required, healthy) in claims.items()}
    return condition("dependencies", "ok", reported=said)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ([declared("ok", required=True)], "ready"),
        ([declared("down", required=True)], "not_ready"),
        ([declared("unknown", required=True)], "unknown"),
        ([declared("slow", required=True)], "degraded"),
        ([declared("down", required=False)], "degraded"),
        ([declared("unknown", required=False)], "degraded"),
        ([never_seen("e", "crm", 60)], "unknown"),
        ([report(db=(True, True))], "ready"),
        ([report(db=(True, False))], "not_ready"),
        ([report(db=(False, False))], "degraded"),
    ],
)
def test_a_dependency_that_is_required_decides(found: list[Condition], state: str) -> None:
    assert evaluate("e", [READY, *found], NOW).state == state


def test_what_only_the_application_reports_has_a_row_that_says_so() -> None:
    health = evaluate("e", [READY, report(db=(True, True), crm=(None, False)), declared("ok", required=False)], NOW)
    rows = {d.name: d for d in health.dependencies}
    assert (rows["db"].measured, rows["db"].state, rows["db"].required) == (False, "ok", True)
    assert rows["db"].leading.code == "reported.healthy"
    assert (rows["crm"].measured, rows["crm"].reported_healthy, rows["crm"].label) == (True, False, "CRM")


@pytest.mark.parametrize(
    ("ours", "theirs", "rule"),
    [("down", True, "declared_healthy_but_down"), ("ok", False, "declared_works_but_reported_unhealthy"),
     ("ok", True, None), ("down", False, None), ("unknown", True, None), ("unknown", False, None)],
)  # fmt: skip
def test_what_the_application_reports_of_a_declared_one_is_compared(ours: str, theirs: bool, rule: str | None) -> None:
    health = evaluate("e", [READY, report(crm=(False, theirs)), declared(ours, required=False)], NOW)
    assert [finding.rule for finding in health.contradictions] == ([] if rule is None else [rule])


def test_what_a_built_in_probe_calls_declared_is_no_dependency_s() -> None:
    """The registration's probe keeps the functions that our worker declares under that word."""
    sync = condition("inngest.sync", "ok", declared=["pulse", "replay-run"])
    assert evaluate("e", [READY, sync], NOW).contradictions == ()


def test_strict_mode_is_about_what_the_team_says() -> None:
    said = report(redis=(True, True), inngest=(True, True), postgres=(False, True))
    assert evaluate("e", [READY, said], NOW).policy == "strict"
    assert evaluate("e", [READY, said], NOW, strict=("redis", "inngest", "postgres")).policy == "mixed"
    verdict = verdicts.evaluate(Facts(subject=Subject(name="e", strict=("redis", "postgres")), now_ms=NOW))
    (rule,) = (finding for finding in verdict.results if finding.rule == "strict")
    assert [check.check for check in rule.checks] == ["redis.required", "postgres.required"]
    assert words.title("postgres.required") == "The running application requires PostgreSQL"
    assert "PostgreSQL" in words.false("postgres.required")


ENVIRONMENT = Environment.model_validate(
    {"name": "e", "base_url": "http://e", "dependencies": [
        {"name": "crm", "kind": "tcp", "host": "h", "port": 1, "required": True, "slow_ms": 70},
        {"name": "mail", "kind": "tcp", "host": "h", "port": 2},
    ]}
)  # fmt: skip


def test_the_verdict_asks_for_those_that_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.settings.model import Settings

    settings = Settings.model_construct(environments=(ENVIRONMENT,), soak=Subject(name="x").soak)
    about = subject(settings, ENVIRONMENT)
    verdict = verdicts.evaluate(Facts(subject=about, now_ms=NOW))
    (rule,) = (finding for finding in verdict.results if finding.rule == "dependencies")
    assert [check.check for check in rule.checks] == [
        "dependencies.ready", "redis.ping", "redis.write", "dependency:crm"
    ]  # fmt: skip
    assert words.whether("dependency:crm") == "the dependency crm answers as expected"
    assert words.needs("dependency:crm")


def test_each_has_an_uptime_and_a_latency_objective_without_being_asked() -> None:
    found = {p.sli: p for p in slos_of(ENVIRONMENT)}
    assert {
        "dependency_uptime:crm",
        "dependency_latency:crm",
        "dependency_uptime:mail",
        "dependency_latency:mail",
    } <= set(found)
    assert found["dependency_latency:crm"].threshold == 70
    assert found["dependency_uptime:crm"].probe == "crm"
    assert title("dependency_uptime:crm") == "Uptime of crm"


def test_evidence_of_a_failing_one_says_why_in_its_own_words() -> None:
    reading = Reading(
        code="tcp.refused", words={"label": "CRM"}, measures=(Measure(sli="dependency_uptime:crm", value=None, good=False),),
        checks=(Check(name="dependency:crm", outcome="fail", value="refused"),),
    )  # fmt: skip
    observation = Observation(
        environment="e", simulated=False, probe="crm", interval_s=60, at_ms=NOW, lag_ms=0, reading=reading
    )
    (proof,) = observation.evidence("v1")
    verdict = verdicts.evaluate(
        Facts(subject=Subject(name="e", required=("crm",)), now_ms=NOW, records={"dependency:crm": proof})
    )
    (rule,) = (finding for finding in verdict.results if finding.rule == "dependencies")
    assert verdict.state == "NO_GO"
    assert rule.advice.what == "CRM is not reached: nothing listens at its address."
    assert rule.advice.fix == "Start it, or correct its address in greenlight.toml."
    assert "crm" not in BREAKS
