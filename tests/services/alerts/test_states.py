"""What the states of probes mean: one cause each, with what is down because of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.alerts import states
from services.alerts.judge import Seen
from services.alerts.setup import Watched
from services.store.conditions import Condition

NOW = 10_000_000


def condition(
    probe: str, code: str, state: str = "down", *, outcome: str = "", age_s: float = 1, **detail: object
) -> Condition:
    return Condition(
        environment="e", probe=probe, at_ms=NOW - round(age_s * 1000), interval_s=30, state=state, since_ms=NOW - 60_000,
        outcome=outcome or state, failures=3, successes=0, code=code, latency_ms=None, detail=detail,
    )  # fmt: skip


def declared(
    name: str, code: str = "http.refused", state: str = "down", *, required: bool = False, kind: str = "http"
) -> Condition:
    return condition(name, code, state, declared={"kind": kind, "required": required, "label": name.upper()},
                     words={"label": name.upper()})  # fmt: skip


def seen(*found: Condition, targets: dict[str, str] | None = None) -> Seen:
    watched = Watched(name="e", probes=frozenset(c.probe for c in found), targets=targets or {})
    return states.seen(watched, found, NOW)


OK = condition("readiness", "readiness.ok", "ok")
REPORT = {"redis": {"required": True, "healthy": False}, "inngest": {"required": False, "healthy": True}}
REQUIRES_REDIS = condition("dependencies", "dependencies.ok", "ok", reported=REPORT)


def causes(found: Seen) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {s.cause: (s.event, s.also) for s in found.symptoms}


def test_redis_is_down_with_readiness_and_two_queues() -> None:
    found = seen(
        condition("readiness", "readiness.not_ready"),
        condition("dependencies", "dependencies.unhealthy", reported=REPORT),
        condition("redis.ping", "redis.refused"), condition("redis.write", "redis.refused"),
        condition("queue:email", "redis.refused"), condition("queue:sms", "redis.refused"),
        condition("inngest", "inngest.ok", "ok"),
    )  # fmt: skip
    assert causes(found) == {
        "redis": ("required_down", ("Dependency report", "queue email", "queue sms", "the application"))
    }
    (symptom,) = found.symptoms
    assert symptom.takes_in >= {"dependencies", "queue:email", "queue:sms", "readiness"}
    assert symptom.fix


def test_one_failed_check_of_the_cause_is_enough_once_its_effect_is_confirmed() -> None:
    found = seen(condition("readiness", "readiness.not_ready"), REQUIRES_REDIS,
                 condition("redis.ping", "redis.refused", "ok", outcome="down"))  # fmt: skip
    assert causes(found) == {"redis": ("required_down", ("the application",))}


def test_a_failure_that_is_not_confirmed_is_no_alert() -> None:
    assert seen(OK, condition("redis.ping", "redis.refused", "ok", outcome="down")).symptoms == ()


def test_an_application_that_can_not_be_reached_is_above_what_it_serves() -> None:
    found = seen(condition("readiness", "readiness.refused"), condition("dependencies", "dependencies.refused"),
                 condition("inngest", "inngest.refused"), condition("redis.ping", "redis.ok", "ok"))  # fmt: skip
    assert causes(found) == {"readiness": ("not_ready", ("Dependency report", "Inngest route"))} or list(
        causes(found)
    ) == ["readiness"]


def test_an_application_that_says_not_ready_for_another_reason_is_its_own_cause() -> None:
    found = seen(condition("readiness", "readiness.not_ready"), REQUIRES_REDIS, condition("redis.ping", "redis.ok", "ok"),
                 declared("crm"))  # fmt: skip
    assert causes(found) == {"readiness": ("not_ready", ()), "crm": ("optional_down", ())}


def test_a_declared_dependency_that_is_required_explains_readiness() -> None:
    found = seen(condition("readiness", "readiness.not_ready"), declared("crm", required=True))
    assert causes(found) == {"crm": ("required_down", ("the application",))}


def test_many_behind_one_host_are_one_cause() -> None:
    names = [f"d{n}" for n in range(100)]
    found = seen(OK, *(declared(name) for name in names), targets=dict.fromkeys(names, "api.example.org:443"))
    (symptom,) = found.symptoms
    assert symptom.cause == "host:api.example.org:443"
    assert len(symptom.also) == 100
    assert len(symptom.name) < 60


def test_what_answers_wrongly_is_not_put_down_to_its_host() -> None:
    found = seen(OK, declared("a", "http.not_met"), declared("b", "http.not_met"), targets={"a": "h:1", "b": "h:1"})
    assert set(causes(found)) == {"a", "b"}


def test_the_last_of_several_goes_on_in_their_alert() -> None:
    found = seen(OK, declared("a"), declared("b", "http.ok", "ok"), targets={"a": "h:1", "b": "h:1"})
    (symptom,) = found.symptoms
    assert symptom.cause == "a"
    assert "host:h:1" in symptom.takes_in
    assert ("e", "host:h:1") not in found.well


@pytest.mark.parametrize(
    ("found", "well"),
    [
        (condition("redis.ping", "redis.ok", "ok"), True),
        (condition("redis.ping", "redis.slow", "slow"), True),
        (condition("redis.ping", "redis.ok", "ok", age_s=600), False),  # too old to say
        (condition("redis.ping", "prober.own_network", "unknown"), False),
        (condition("redis.ping", "prober.fault", "unknown"), False),
        (condition("redis.ping", "redis.ok", "ok", outcome="down"), True),  # one failed check is not down
    ],
)
def test_only_what_is_known_to_work_is_well(found: Condition, well: bool) -> None:
    assert (("e", "redis") in seen(OK, found).well) is well


def test_what_redis_does_not_tell_keeps_nothing_open() -> None:
    found = seen(OK, condition("redis.ping", "redis.ok", "ok"), condition("redis.info", "redis.info_denied", "unknown"))
    assert ("e", "redis") in found.well


def test_stuck_runs_and_late_jobs_and_queues_are_alerts() -> None:
    found = seen(OK, condition("inngest.runs", "runs.stuck", "slow", words={"count": 2}), condition("queue:email", "queue.late", "slow"),
                 declared("backup", "heartbeat.late", kind="heartbeat"))  # fmt: skip
    assert {cause: event for cause, (event, _) in causes(found).items()} == {
        "inngest:runs_stuck": "runs_stuck", "queue:email:queue_late": "queue_late", "backup": "job_late",
    }  # fmt: skip


def test_a_certificate_that_ends_soon_is_one_even_while_all_is_well() -> None:
    found = seen(condition("readiness", "readiness.ok", "ok", certificate={"days_left": 6.2}))
    assert causes(found) == {"certificate:readiness": ("certificate", ())}
    assert "in 6 days" in found.symptoms[0].what
    assert ("e", "certificate:readiness") in seen(
        condition("readiness", "readiness.ok", "ok", certificate={"days_left": 60.0})
    ).well


def test_what_the_settings_no_longer_name_is_not_judged() -> None:
    watched = Watched(name="e", probes=frozenset({"readiness"}))
    assert states.seen(watched, [OK, declared("gone")], NOW).symptoms == ()


def test_what_comes_back_opens_nothing_and_is_not_yet_well() -> None:
    found = seen(condition("readiness", "readiness.ok", "down", outcome="ok"))
    assert found.symptoms == ()
    assert ("e", "readiness") not in found.well


BACK = condition("redis.ping", "redis.ok", "ok")


def test_an_effect_that_was_not_checked_since_its_cause_came_back_opens_nothing() -> None:
    back = replace(BACK, since_ms=NOW - 5_000)
    found = seen(condition("readiness", "readiness.not_ready", age_s=20), REQUIRES_REDIS, back)
    assert found.symptoms == ()
    assert ("e", "redis") in found.well


def test_an_effect_that_outlasts_its_cause_goes_on_in_its_alert() -> None:
    back = replace(BACK, since_ms=NOW - 30_000)
    found = seen(condition("readiness", "readiness.not_ready", age_s=1), REQUIRES_REDIS, back)
    (symptom,) = found.symptoms
    assert symptom.cause == "readiness"
    assert "redis" in symptom.takes_in
