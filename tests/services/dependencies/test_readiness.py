"""Readiness and the app's own report, judged against the contract."""

import json
from typing import Any

import pytest

from services.dependencies.app import readiness
from services.dependencies.app import report as dependencies
from services.dependencies.http_client import Answer
from services.dependencies.messages import advice
from services.dependencies.model import Failure, Reading


def answer(status: int, body: Any, ms: float = 5.0) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers={}, body=raw, timings={"total": ms})


def ready(status: int, body: Any, ms: float = 5.0) -> Reading:
    return readiness.judge(answer(status, body, ms), slow_ms=1000)


@pytest.mark.parametrize(
    ("status", "body", "ms", "code", "good"),
    [
        (200, {"ready": True}, 5, "readiness.ok", True),
        (200, {}, 5, "readiness.not_said", False),
        (200, {"status": "DOWN"}, 5, "readiness.not_said", False),
        (200, {"status": "UP"}, 5, "readiness.not_said", False),
        (200, {"ready": "false"}, 5, "readiness.not_said", False),
        (200, {"ready": "true"}, 5, "readiness.not_said", False),
        (200, {"ready": 1}, 5, "readiness.not_said", False),
        (200, {"ready": [True]}, 5, "readiness.not_said", False),
        (200, {"ready": None}, 5, "readiness.not_said", False),
        (200, {"Ready": True}, 5, "readiness.not_said", False),
        (200, [{"ready": True}], 5, "readiness.bad_body", False),
        (200, b'{"ready": false, "ready": true}', 5, "readiness.bad_body", False),
        (200, b'{"ready": true, "load": NaN}', 5, "readiness.bad_body", False),
        (200, '{"ready": true}'.encode("utf-16"), 5, "readiness.bad_body", False),
        (200, b'\xef\xbb\xbf{"ready": true}', 5, "readiness.ok", True),
        (201, {"ready": True}, 5, "readiness.bad_status", False),
        (200, {"ready": True}, 1500, "readiness.slow", True),
        (503, {"ready": False}, 5, "readiness.not_ready", False),
        (503, b"", 5, "readiness.bad_503", False),
        (503, {"detail": "no"}, 5, "readiness.bad_503", False),
        (503, {"ready": True}, 5, "readiness.contradicts_503", False),
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
    assert len(ready(200, {"version": "x" * 9999}).version or "") <= 120


def test_half_an_emoji_in_the_answer_is_read_and_kept_with_a_replacement() -> None:
    reading = ready(200, rb'{"ready":true,"version":"1.2","note":"release \ud83d"}')
    assert (reading.code, reading.version) == ("readiness.ok", "1.2")
    assert reading.detail["body"]["note"] == "release \ufffd"
    assert ready(200, rb'{"ready":true,"version":"\ud800"}').version == "\ufffd"
    assert ready(200, rb'{"ready":true,"version":"1\u0000"}').version == "1\ufffd"


PAGE_503 = (
    b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body><hr><center>nginx</center>"
)


@pytest.mark.parametrize(
    ("status", "headers", "body", "code", "who"),
    [
        (503, {"server": "nginx/1.25", "content-type": "text/html"}, PAGE_503, "front_gateway", "nginx"),
        (503, {}, b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n", "front_gateway", "HAProxy"),
        (503, {"server": "envoy"}, b"no healthy upstream", "front_gateway", "Envoy"),
        (503, {}, b"no available server\n", "front_gateway", "Traefik"),
        (502, {"server": "railway-edge", "x-railway-fallback": "true"}, b'{"status":"error","code":502,"message":"Application failed to respond"}', "front_gateway", "Railway's edge"),
        (404, {"server": "railway-edge", "x-railway-fallback": "true"}, b'{"status":"error","code":404,"message":"Application not found"}', "front_gateway", "Railway's edge"),
        (404, {"server": "railway-edge"}, b'{"status":"error","code":404,"message":"Application not found","request_id":"x"}', "front_gateway", "Railway's edge"),
        (404, {"server": "Vercel", "x-vercel-error": "DEPLOYMENT_NOT_FOUND"}, b"The deployment could not be found on Vercel.", "front_gateway", "Vercel"),
        (404, {"server": "Vercel", "x-vercel-error": "NOT_FOUND"}, b"The page could not be found", "not_mounted", None),
        (404, {"server": "Cowboy"}, b"<html><head><title>No such app</title>", "front_gateway", "Heroku's router"),
        (404, {}, b"default backend - 404", "front_gateway", "a Kubernetes ingress"),
        (404, {"server": "nginx"}, b'{"detail":"Not Found"}', "not_mounted", None),
        (404, {"server": "nginx"}, b"<html><center><h1>404 Not Found</h1></center><hr><center>nginx</center>", "not_mounted", None),
        (504, {}, b"upstream request timeout", "front_gateway", "what answers there"),
        (502, {"server": "uvicorn"}, b"upstream model failed", "bad_status", None),
        (403, {"server": "cloudflare", "cf-mitigated": "challenge"}, b"<!DOCTYPE html><title>Just a moment...</title>", "front_refuses", "Cloudflare's bot protection"),
        (403, {"x-vercel-mitigated": "challenge"}, b"<html>", "front_refuses", "Vercel's firewall"),
        (403, {"server": "AkamaiGHost"}, b"<HTML><HEAD>\n<TITLE>Access Denied</TITLE>", "front_refuses", "Akamai"),
        (429, {"server": "cloudflare", "retry-after": "30"}, b"error code: 1015", "front_limited", "Cloudflare"),
        (429, {"server": "uvicorn"}, b'{"error": "rate limit"}', "front_limited", "uvicorn"),
        (429, {"server": "<script>alert(1)</script>"}, b"", "front_limited", "what answers there"),
        (401, {"www-authenticate": "Basic realm=staging", "server": "nginx"}, PAGE_503, "front_login", "nginx"),
        (522, {"server": "cloudflare"}, b"<html>", "front_gateway", "Cloudflare"),
        (503, {"server": "uvicorn"}, b"<html>oops", "bad_503", None),
        (503, {"server": "nginx"}, b'{"status": "unhealthy"}', "bad_503", None),
        (503, {"server": "nginx"}, b'{"ready": false}', "not_ready", None),
        (200, {"server": "nginx"}, b'{"ready": true}', "ok", None),
        (200, {"server": "nginx", "content-type": "text/html"}, b"<html>log in", "bad_body", None),
    ],
)  # fmt: skip
def test_what_is_in_front_is_told_apart_from_the_application(
    status: int, headers: dict[str, str], body: bytes, code: str, who: str | None
) -> None:
    found = Answer(status=status, headers=headers, body=body, timings={"total": 5.0})
    reading = readiness.judge(found, slow_ms=1000)
    assert reading.code == f"readiness.{code}"
    assert reading.words.get("who") == who
    if who is not None:
        said = advice(reading.code, reading.words).what
        assert said.startswith("Something in front of the application ")
        assert f"HTTP {status} from {who}." in said
        assert reading.measures[0].good is False
        report_reading = dependencies.judge(found, slow_ms=1000, token_known=True)
        assert report_reading.code == f"dependencies.{code}"


def test_what_a_limit_asks_us_to_wait_is_said() -> None:
    found = Answer(status=429, headers={"retry-after": "30"}, body=b"", timings={"total": 5.0})
    reading = readiness.judge(found, slow_ms=1000)
    assert advice(reading.code, reading.words).what.endswith("It asks us to wait 30 s.")


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


def of(entry: Any, **more: Any) -> dict[str, Any]:
    return {"ready": True, "dependencies": {"redis": {"required": True, "healthy": True}, "db": entry}} | more


@pytest.mark.parametrize(
    "body",
    [
        of({"required": True, "healthy": "true"}),
        of({"required": False, "healthy": "false"}),
        of({"required": True}),
        of({"status": "down"}),
        of({}),
        of("down"),
        of(None),
        of(False),
        of(True),
        of({"healthy": False}),
        of({"healthy": False, "required": "no"}),
        of({"required": True, "healthy": True}, ready="true"),
        of({"required": True, "healthy": True}, ready=1),
        of({"required": True, "healthy": True}, ready=None),
        {"redis": {"required": True, "healthy": True}},
        {"ready": True, "redis": {"required": True, "healthy": 1}},
    ],
)
def test_a_report_that_does_not_say_it_of_every_dependency_is_unknown(body: Any) -> None:
    reading = report(200, body)
    assert reading.code == "dependencies.unclear"
    assert reading.checks[0].outcome == "unknown"
    assert "can't be judged" in advice(reading.code, reading.words).what


def test_the_dependency_behind_many_others_counts_and_is_kept() -> None:
    many = {f"d{n}": {"required": True, "healthy": True} for n in range(200)}
    body = {"ready": False, "dependencies": many | {"last": {"required": True, "healthy": False}}}
    reading = report(503, body)
    assert reading.code == "dependencies.unhealthy"
    assert reading.words["names"] == "last"
    assert len(reading.detail["reported"]) == 30
    assert "last" in reading.detail["reported"]


def test_ready_under_a_status_that_says_otherwise_contradicts_itself() -> None:
    assert report(503, body_of(redis=(True, True))).code == "dependencies.ready_contradicts"


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
