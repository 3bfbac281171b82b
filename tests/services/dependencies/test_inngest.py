"""The Inngest route, with the real SDK behind it: every case of its manners gets its own code."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import inngest
import inngest.fast_api
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.responses import JSONResponse, PlainTextResponse

from services.dependencies.http_client import Answer
from services.dependencies.inngest.route import Answers, InngestProbe, judge
from services.dependencies.model import Reading
from services.settings.model import Inngest
from tests.conftest import Served

Serve = Callable[..., Served]
HEX = "ab" * 32
KEY = f"signkey-prod-{HEX}"


def sdk_app(**client: Any) -> FastAPI:
    options: dict[str, Any] = {"app_id": "t", "is_production": True, "signing_key": KEY, "event_key": "event"}
    served_by = inngest.Inngest(**(options | client))

    def function(number: int) -> inngest.Function[Any]:
        @served_by.create_function(fn_id=f"f{number}", trigger=inngest.TriggerEvent(event=f"e{number}"), retries=2)
        async def run(_context: inngest.Context) -> None:
            return None

        return run

    app = FastAPI()
    inngest.fast_api.serve(app, served_by, [function(n) for n in range(4)], serve_path="/inngest")
    return app


def look(base: str, key: str | None = KEY, previous: dict[str, Any] | None = None, **expected: Any) -> Reading:
    probe = InngestProbe(
        url=f"{base}/inngest",
        expected=Inngest(**expected),
        signing_key=SecretStr(key) if key is not None else None,
        interval_s=60,
        deadline_s=9,
    )
    return asyncio.run(probe.run(previous or {}))


def test_cloud_mode_with_the_right_key_is_seen_inside(serve: Serve) -> None:
    reading = look(serve(sdk_app()).url)
    assert reading.code == "inngest.ok"
    assert reading.detail["facts"]["function_count"] == 4
    assert reading.detail["accepts_empty_key"] is False


def test_no_key_hash_leaves_the_edge(serve: Serve) -> None:
    text = str(look(serve(sdk_app()).url))
    assert hashlib.sha256(bytes.fromhex(HEX)).hexdigest() not in text
    assert hashlib.sha256(b"event").hexdigest() not in text
    assert HEX not in text


def test_without_a_key_the_route_is_there_but_its_inside_unknown(serve: Serve) -> None:
    reading = look(serve(sdk_app()).url, key=None)
    assert reading.code == "inngest.signed_only"
    assert reading.checks[0].outcome == "unknown"


def test_another_key_is_refused(serve: Serve) -> None:
    assert look(serve(sdk_app()).url, key="signkey-prod-" + "cd" * 32).code == "inngest.key_refused"


def test_the_empty_key_is_an_open_door(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNGEST_SIGNING_KEY", "")
    reading = look(serve(sdk_app(signing_key="")).url, key=None)
    assert reading.code == "inngest.open_door"
    assert reading.checks[0].outcome == "fail"


def test_a_key_that_is_not_hexadecimal_breaks_the_app(serve: Serve) -> None:
    assert look(serve(sdk_app(signing_key="not-hex!")).url, key="not-hex!").code == "inngest.key_not_hex"


def test_dev_mode_where_cloud_is_expected_and_the_reverse(serve: Serve) -> None:
    dev = serve(sdk_app(is_production=False)).url
    assert look(dev).code == "inngest.mode_dev"
    assert look(dev, mode="dev").code == "inngest.ok_dev"
    assert look(serve(sdk_app()).url, mode="dev").code == "inngest.mode_cloud"


def test_a_missing_event_key(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INNGEST_EVENT_KEY", raising=False)
    assert look(serve(sdk_app(event_key=None)).url).code == "inngest.event_key_missing"


def test_an_empty_event_key_counts_as_missing(serve: Serve) -> None:
    reading = look(serve(sdk_app(event_key="")).url)
    assert reading.code == "inngest.event_key_missing"


def test_a_route_that_is_not_mounted(serve: Serve) -> None:
    assert look(serve(FastAPI()).url).code == "inngest.not_mounted"


def test_fewer_functions_than_expected_or_than_before(serve: Serve) -> None:
    base = serve(sdk_app()).url
    assert look(base, expected_functions=5).code == "inngest.function_count"
    reading = look(base, previous={"best_function_count": 6})
    assert reading.code == "inngest.fewer_functions"
    assert reading.detail["best_function_count"] == 6, "the last good number is remembered until it is good again"


def test_a_base_url_that_fell_back_to_the_cloud(serve: Serve) -> None:
    base = serve(sdk_app(api_base_url="http://127.0.0.1:8388")).url
    assert look(base, api_url="http://127.0.0.1:8388").code == "inngest.ok"
    assert look(base).code == "inngest.wrong_api"
    fell_back = look(serve(sdk_app()).url, api_url="http://inngest.internal:8288")
    assert fell_back.code == "inngest.wrong_api"
    assert fell_back.words["found"] == "https://api.inngest.com"


def fixed(response: Any) -> Callable[..., Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await response(scope, receive, send)

    return app


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (JSONResponse({}, status_code=403), "inngest.kind_mismatch"),
        (PlainTextResponse("no", status_code=405), "inngest.wrong_method"),
        (PlainTextResponse("Internal Server Error", status_code=500), "inngest.server_error"),
        (PlainTextResponse("<html>"), "inngest.bad_body"),
        (JSONResponse({"mode": "cloud", "function_count": "four"}), "inngest.bad_body"),
        (JSONResponse({"mode": "cloud", "function_count": True}), "inngest.bad_body"),
        # SDK 0.5.18 and older: the short body to anyone, in cloud mode.
        (
            JSONResponse({"mode": "cloud", "function_count": 4, "has_event_key": True, "has_signing_key": True}),
            "inngest.ok",
        ),
        (
            JSONResponse({"mode": "cloud", "function_count": 4, "has_event_key": True, "has_signing_key": False}),
            "inngest.signing_key_missing",
        ),
    ],
)
def test_answers_of_other_kinds(serve: Serve, response: Any, code: str) -> None:
    assert look(serve(fixed(response)).url).code == code


def test_null_hashes_mean_no_key_whatever_the_flags_say() -> None:
    body = (
        b'{"mode":"cloud","function_count":4,"has_event_key":true,"has_signing_key":true,'
        b'"signing_key_hash":null,"event_key_hash":"x"}'
    )
    plain = Answer(status=200, headers={}, body=body, timings={"total": 1.0})
    found = judge(Answers(plain=plain, signed=plain, forged=None), expected=Inngest(), best_before=None)
    assert found.code == "inngest.signing_key_missing"
