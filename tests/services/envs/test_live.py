"""The values are tried. Real Redis, the real Inngest SDK and a real application say so."""

import asyncio
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse

from services.env_files.document import Document, from_text
from services.envs.findings import Mode
from services.envs.live import Live, check, shared_redis
from tests.conftest import RealRedis, Served
from tests.services.dependencies.test_inngest import KEY, sdk_app

Serve = Callable[..., Served]
PRODUCTION = Mode.of("production")


def app(token: str = "right", *, required: bool = True) -> FastAPI:
    """The SDK's route and a dependency report behind a token."""
    from fastapi import Request

    made = sdk_app()

    @made.get("/api/runtime/dependencies")
    async def report(request: Request) -> JSONResponse:
        if request.headers.get("authorization") != f"Bearer {token}":
            return JSONResponse({}, 401)
        entry = {"required": required, "healthy": True}
        return JSONResponse({"ready": True, "dependencies": {"redis": entry, "inngest": entry}})

    return made


def asked(document: Document, **others: Document) -> Live:
    return asyncio.run(check(document, PRODUCTION, None, connections=True, route=True, others=others))


def configuration(served: str, redis: str, **changes: str) -> Document:
    values = {
        "REDIS_URL": redis, "REDIS_REQUIRED": "true", "INNGEST_REQUIRED": "true", "INNGEST_SIGNING_KEY": KEY,
        "INNGEST_APP_ID": "t", "INNGEST_WEBHOOK_URL": f"{served}/inngest", "DASHBOARD_AUTH_TOKEN": "right",
    }  # fmt: skip
    return from_text("".join(f"{k}={v}\n" for k, v in (values | changes).items()), "f.env")


def states(live: Live) -> dict[str, str]:
    return {c.name: c.state for c in live.connections}


def rules(live: Live) -> set[str]:
    return {f.rule for f in live.findings}


def test_values_that_work_say_so(serve: Serve, make_redis: Callable[..., RealRedis]) -> None:
    live = asked(configuration(serve(app()).url, make_redis().url))
    assert states(live) == {"redis": "ok", "inngest_route": "ok", "dependencies": "ok"}
    assert not live.findings
    assert not live.could_not_run


@pytest.mark.parametrize(
    ("key", "value", "name", "rule"),
    [
        ("REDIS_URL", "redis://127.0.0.1:1", "redis", "redis_check_failed"),
        ("INNGEST_SIGNING_KEY", "signkey-prod-" + "cd" * 32, "inngest_route", "route_check_failed"),
        ("DASHBOARD_AUTH_TOKEN", "wrong-planted", "dependencies", "token_check_failed"),
    ],
)
def test_a_value_that_does_not_work_is_named_without_being_quoted(
    serve: Serve, make_redis: Callable[..., RealRedis], key: str, value: str, name: str, rule: str
) -> None:
    live = asked(configuration(serve(app()).url, make_redis().url, **{key: value}))
    assert states(live)[name] == "failed"
    assert rules(live) == {rule}
    assert value not in str(live)


def test_the_route_of_another_application_is_found(serve: Serve, make_redis: Callable[..., RealRedis]) -> None:
    live = asked(configuration(serve(app()).url, make_redis().url, INNGEST_APP_ID="another"))
    assert rules(live) == {"route_other_app"}


def test_saved_but_not_deployed_is_found_in_the_running_app(serve: Serve, make_redis: Callable[..., RealRedis]) -> None:
    live = asked(configuration(serve(app(required=False)).url, make_redis().url))
    assert {(f.rule, f.key) for f in live.findings} == {
        ("saved_not_deployed", "REDIS_REQUIRED"), ("saved_not_deployed", "INNGEST_REQUIRED"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"REDIS_URL": "redis://no-such-host.invalid:6379"}, "redis"),
        ({"INNGEST_WEBHOOK_URL": "no-address"}, "inngest_route"),
        ({"INNGEST_SIGNING_KEY": ""}, "inngest_route"),
    ],
)
def test_a_check_that_could_not_be_made_is_not_a_failure(
    serve: Serve, make_redis: Callable[..., RealRedis], changes: dict[str, str], name: str
) -> None:
    live = asked(configuration(serve(app()).url, make_redis().url, **changes))
    assert states(live)[name] == "unknown"
    assert live.could_not_run
    assert "check_could_not_run" in rules(live)


def test_one_redis_behind_two_addresses_is_found_by_what_it_holds(make_redis: Callable[..., RealRedis]) -> None:
    one, two = make_redis(), make_redis()
    alias = one.url.replace("127.0.0.1", "localhost")
    first = from_text(f"REDIS_URL={one.url}\n", "first")
    others = {
        "alias": from_text(f"REDIS_URL={alias}\n", "f"), "other": from_text(f"REDIS_URL={two.url}\n", "f"),
        "database": from_text(f"REDIS_URL={one.url.removesuffix('/0')}/1\n", "f"), "none": from_text("", "f"),
        "dead": from_text("REDIS_URL=redis://127.0.0.1:1\n", "f"),
    }  # fmt: skip
    assert asyncio.run(shared_redis(first, others)) == ("alias",)

    import redis

    assert redis.Redis.from_url(one.url).dbsize() == 0, "the nonce is gone"
