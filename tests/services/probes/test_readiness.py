"""Readiness and the app's own report, judged against the contract."""

import json
from typing import Any

import pytest

from services.probes import dependencies, readiness
from services.probes.http import Answer
from services.probes.model import Failure, Reading


def answer(status: int, body: Any, ms: float = 5.0) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers={}, body=raw, timings={"total": ms})


def ready(status: int, body: Any, ms: float = 5.0) -> Reading:
    return readiness.judge(answer(status, body, ms), slow_ms=1000)


@pytest.mark.parametrize(
    ("status", "body", "ms", "code", "good"),
    [
        (200, {"ready": True}, 5, "readiness.ok", True),
        (200, {}, 5, "readiness.ok", True),
        (200, {"ready": True}, 1500, "readiness.slow", True),
        (503, {"ready": False}, 5, "readiness.not_ready", False),
        (503, b"", 5, "readiness.not_ready", False),
        (404, {}, 5, "readiness.not_mounted", False),
        (500, {}, 5, "readiness.bad_status", False),
        (204, b"", 5, "readiness.bad_status", False),
        (200, b"<html>log in", 5, "readiness.bad_body", False),
        (200, ["ready"], 5, "readiness.bad_body", False),
        (200, {"ready": False}, 5, "readiness.contradicts_itself", False),
    ],
)
def test_readiness(status: int, body: Any, ms: float, code: str, good: bool) -> None:
    reading = ready(status, body, ms)
    assert reading.code == code
    assert reading.measures[0].good is good
    assert reading.checks[0].outcome == ("pass" if good else "fail")


def test_no_answer_is_a_bad_sample_without_a_value() -> None:
    reading = readiness.judge(Failure(code="timeout", detail="x"), slow_ms=1)
    assert (reading.code, reading.measures[0].value, reading.measures[0].good) == ("readiness.timeout", None, False)


def test_the_version_is_read_and_bounded() -> None:
    assert ready(200, {"version": "v7"}).version == "v7"
    assert ready(200, {"version": 42}).version == "42"
    assert ready(200, {"version": {"a": 1}}).version is None
    assert len(ready(200, {"version": "x" * 9999}).version or "") <= 80


def test_only_a_few_plain_values_of_the_body_are_kept() -> None:
    body = {"ready": True, "nested": {"token": "t"}, "long": "x" * 9999} | {f"k{n}": n for n in range(100)}
    kept = ready(200, body).detail["body"]
    assert "nested" not in kept
    assert len(kept) <= 20
    assert len(kept["long"]) <= 120


def report(status: int, body: Any, *, token_known: bool = True, ms: float = 5.0) -> Reading:
    return dependencies.judge(answer(status, body, ms), slow_ms=1000, token_known=token_known)


def body_of(*, ready_: bool = True, **deps: tuple[bool, bool]) -> dict[str, Any]:
    return {"ready": ready_, "dependencies": {k: {"required": r, "healthy": h} for k, (r, h) in deps.items()}}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, body_of(redis=(True, True), inngest=(True, True)), "dependencies.ok"),
        (200, body_of(redis=(False, False), inngest=(True, True)), "dependencies.degraded"),
        (503, body_of(ready_=False, redis=(True, False)), "dependencies.unhealthy"),
        (200, body_of(ready_=True, redis=(True, False)), "dependencies.ready_contradicts"),
        (200, body_of(ready_=False, redis=(True, True)), "dependencies.ready_contradicts"),
        (200, {"ready": True, "redis": {"required": True, "healthy": True}}, "dependencies.ok"),
        (401, {}, "dependencies.token_refused"),
        (403, {}, "dependencies.token_refused"),
        (404, {}, "dependencies.not_mounted"),
        (500, {}, "dependencies.bad_status"),
        (200, {}, "dependencies.bad_body"),
        (200, b"[]", "dependencies.bad_body"),
        (200, {"dependencies": "none"}, "dependencies.bad_body"),
    ],
)
def test_the_app_s_own_report(status: int, body: Any, code: str) -> None:
    assert report(status, body).code == code


def test_without_a_token_a_refusal_is_unknown_not_down() -> None:
    reading = report(401, {}, token_known=False)
    assert reading.code == "dependencies.no_token"
    assert reading.checks[0].outcome == "unknown"


def test_the_required_flags_become_evidence_of_strictness() -> None:
    checks = {c.name: c.outcome for c in report(200, body_of(redis=(True, True), inngest=(False, True))).checks}
    assert checks["redis.required"] == "pass"
    assert checks["inngest.required"] == "fail"


def test_a_flag_of_the_wrong_type_is_not_taken_for_a_promise() -> None:
    reading = report(200, {"ready": True, "dependencies": {"redis": {"required": "yes", "healthy": True}}})
    assert reading.detail["reported"]["redis"]["required"] is None
    assert {c.name: c.outcome for c in reading.checks}["redis.required"] == "unknown"
