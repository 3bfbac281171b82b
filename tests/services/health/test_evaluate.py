"""An environment's state: ready means every required dependency healthy, and nothing unseen counts as well."""

from typing import Any

import pytest

from services.dependencies.messages import message
from services.health.evaluate import Health, evaluate
from services.store.conditions import Condition

NOW = 1_000_000_000


def condition(probe: str, code: str, *, age_s: float = 1, interval_s: float = 30, **detail: Any) -> Condition:
    outcome = message(code).outcome
    return Condition(
        environment="e", probe=probe, at_ms=int(NOW - age_s * 1000), interval_s=interval_s, state=outcome,
        since_ms=NOW - 5000, outcome=outcome, failures=0, successes=0, code=code, latency_ms=1.0, detail=detail,
    )  # fmt: skip


def report(*, redis: tuple[bool, bool] = (True, True), inngest: tuple[bool, bool] = (True, True)) -> Condition:
    flags = {"redis": redis, "inngest": inngest}
    ready = all(healthy for required, healthy in flags.values() if required)
    code = "dependencies.ok" if ready else "dependencies.unhealthy"
    entries = {name: {"required": required, "healthy": healthy} for name, (required, healthy) in flags.items()}
    return condition("dependencies", code, ready=ready, reported=entries)


RELAXED = report(redis=(False, True), inngest=(False, True))
GOOD = {
    "readiness": condition("readiness", "readiness.ok", body={"version": "v1"}),
    "dependencies": report(),
    "redis.ping": condition("redis.ping", "redis.ok"),
    "redis.write": condition("redis.write", "redis.write_ok"),
    "inngest": condition("inngest", "inngest.ok"),
}


def health(*changed: Condition, without: tuple[str, ...] = ()) -> Health:
    found = GOOD | {c.probe: c for c in changed}
    return evaluate("e", [c for name, c in found.items() if name not in without], NOW)


def test_all_well_is_ready_and_strict() -> None:
    found = health()
    assert (found.state, found.policy, found.version, found.stale) == ("ready", "strict", "v1", False)


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ([condition("readiness", "readiness.not_ready")], "not_ready"),
        ([condition("redis.ping", "redis.refused")], "not_ready"),
        ([condition("inngest", "inngest.not_mounted")], "not_ready"),
        ([condition("redis.ping", "redis.refused"), RELAXED], "degraded"),
        ([condition("redis.write", "redis.read_only"), RELAXED], "degraded"),
        ([condition("redis.ping", "redis.slow")], "degraded"),
        ([condition("queue:q", "queue.late")], "degraded"),
        ([condition("queue:q", "queue.unreadable")], "degraded"),
        ([condition("readiness", "readiness.ok", age_s=61)], "unknown"),
        ([condition("queue:q", "queue.ok", age_s=61)], "unknown"),
        ([condition("dependencies", "dependencies.token_refused")], "degraded"),
        ([condition("redis.ping", "redis.not_configured"), condition("redis.write", "redis.not_configured")], "ready"),
        ([condition("inngest", "inngest.signed_only")], "degraded"),
        ([condition("redis.info", "redis.info_denied")], "ready"),
    ],
)
def test_what_a_trouble_makes_of_the_environment(changed: list[Condition], state: str) -> None:
    assert health(*changed).state == state


def test_a_required_dependency_that_nobody_sees_leaves_it_unknown() -> None:
    unseen = condition("redis.ping", "redis.ok", age_s=999), condition("redis.write", "redis.write_ok", age_s=999)
    doubtful = condition(
        "dependencies", "dependencies.ok", ready=True, reported={"redis": {"required": True, "healthy": None}}
    )
    assert health(*unseen, doubtful).state == "unknown"


def test_nothing_measured_is_unknown() -> None:
    assert evaluate("e", [], NOW).state == "unknown"
    assert health(without=("readiness",)).state == "unknown"


def test_everything_stale_is_unknown_never_green() -> None:
    old = [condition(c.probe, c.code, age_s=120, **dict(c.detail)) for c in GOOD.values()]
    found = evaluate("e", old, NOW)
    assert (found.state, found.policy, found.stale) == ("unknown", "unknown", True)
    assert {d.state for d in found.dependencies} == {"unknown"}


def test_a_clock_that_went_back_makes_readings_stale_not_fresh() -> None:
    assert health(condition("readiness", "readiness.ok", age_s=-3600)).state == "unknown"


@pytest.mark.parametrize(
    ("flags", "policy"),
    [((True, True), "strict"), ((False, False), "relaxed"), ((True, False), "mixed")],
)
def test_the_policy_is_what_the_running_app_reports(flags: tuple[bool, bool], policy: str) -> None:
    assert health(report(redis=(flags[0], True), inngest=(flags[1], True))).policy == policy


def test_without_the_app_s_report_the_policy_is_unknown() -> None:
    assert health(condition("dependencies", "dependencies.no_token")).policy == "unknown"


def test_a_dependency_takes_the_worst_of_its_probes() -> None:
    found = health(condition("redis.write", "redis.out_of_memory"))
    redis = next(d for d in found.dependencies if d.name == "redis")
    assert (redis.state, redis.leading.probe) == ("down", "redis.write")
    assert redis.healthy is False
