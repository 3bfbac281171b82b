"""The contract kit in any FastAPI app."""

import asyncio
import hashlib
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from runtime import Contract, Dependency, TokenPolicy, contract, is_ready, mount
from runtime.inngest_route import InngestCheck, is_mounted
from runtime.redis_check import RedisCheck, client_for
from tests.conftest import RealRedis, Served, free_port
from tests.patience import PATIENCE_S

Serve = Callable[..., Served]
TOKEN, LEGACY = "current-token", "published-once"


def dependency(name: str, *, required: bool = True, healthy: bool = True) -> Dependency:
    return Dependency(name=name, required=required, healthy=healthy)


class Check:
    """A contract check that counts its calls."""

    def __init__(self, result: Dependency, *, hang: bool = False, fail: bool = False) -> None:
        self.result, self.hang, self.fail, self.calls = result, hang, fail, 0
        self.dependency, self.required = result.name, result.required

    async def __call__(self) -> Dependency:
        self.calls += 1
        if self.hang:
            await asyncio.sleep(60)
        if self.fail:
            raise ConnectionError("redis://:planted-secret@host")
        return self.result


def app_with(*checks: Check, accepted: str | None = TOKEN) -> FastAPI:
    app = FastAPI()
    legacy = frozenset({hashlib.sha256(LEGACY.encode()).hexdigest()})
    policy = TokenPolicy(accepted=accepted, legacy_sha256=legacy)
    mount(app, Contract(checks=checks, token=policy, environment="t", version="v1"))
    return app


def get(base: str, path: str, token: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(base + path, headers=headers, timeout=PATIENCE_S)


def test_ready_means_every_required_dependency_is_healthy() -> None:
    assert is_ready([dependency("a"), dependency("b", required=False, healthy=False)])
    assert not is_ready([dependency("a", healthy=False)])
    assert is_ready([])


def test_200_when_ready_503_when_not(serve: Serve) -> None:
    good = serve(app_with(Check(dependency("redis"))))
    bad = serve(app_with(Check(dependency("redis", healthy=False)), Check(dependency("x", required=False))))
    assert get(good.url, "/api/health/ready").status_code == 200
    answer = get(bad.url, "/api/health/ready")
    assert (answer.status_code, answer.json()["failing"]) == (503, ["redis"])
    assert get(bad.url, "/api/health/live").status_code == 200


def test_the_report_asks_for_the_token(serve: Serve) -> None:
    served = serve(app_with(Check(dependency("redis"))))
    path = "/api/runtime/dependencies"
    assert get(served.url, path).status_code == 401
    assert get(served.url, path, "wrong").status_code == 401
    assert get(served.url, path, TOKEN).json()["dependencies"]["redis"]["healthy"] is True
    assert get(served.url, f"{path}?token={TOKEN}").status_code == 200


@pytest.mark.parametrize("accepted", [LEGACY, TOKEN, None])
def test_a_legacy_token_is_refused_even_where_it_is_configured(serve: Serve, accepted: str | None) -> None:
    served = serve(app_with(Check(dependency("redis")), accepted=accepted))
    assert get(served.url, "/api/runtime/dependencies", LEGACY).status_code == 401


def test_no_configured_token_lets_nobody_in() -> None:
    for given in (None, "", "x"):
        assert not TokenPolicy(accepted=None).admits(given)
        assert not TokenPolicy(accepted="").admits(given)
    assert TOKEN not in repr(TokenPolicy(accepted=TOKEN))


def test_a_check_that_hangs_or_breaks_is_that_dependency_s_ill_health(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "CHECK_DEADLINE_S", 0.2)
    checks = (Check(dependency("a"), hang=True), Check(dependency("b"), fail=True), Check(dependency("c")))
    served = serve(app_with(*checks))
    body = get(served.url, "/api/runtime/dependencies", TOKEN).json()
    assert {name: d["healthy"] for name, d in body["dependencies"].items()} == {"a": False, "b": False, "c": True}
    assert "planted-secret" not in str(body)


def test_a_flood_of_requests_shares_one_round_of_checks(serve: Serve) -> None:
    check = Check(dependency("redis"))
    served = serve(app_with(check))
    for _ in range(30):
        get(served.url, "/api/health/ready")
    assert check.calls < 5


def test_redis_check_against_a_real_redis(make_redis: Callable[..., RealRedis]) -> None:
    server = make_redis()

    async def ask(url: str | None) -> Dependency:
        client = client_for(url)
        try:
            return await RedisCheck(client=client, required=True)()
        finally:
            if client is not None:
                await client.aclose()

    assert asyncio.run(ask(server.url)).healthy
    gone = asyncio.run(ask(f"redis://:planted-secret@127.0.0.1:{free_port()}"))
    assert not gone.healthy
    assert "planted-secret" not in str(gone.report())
    assert not asyncio.run(ask(None)).configured


def test_an_unmounted_inngest_route_is_seen() -> None:
    bare, whole = FastAPI(), FastAPI()

    @whole.get("/inngest")
    @whole.post("/inngest")
    @whole.put("/inngest")
    def route() -> None:
        return None

    assert not is_mounted(bare, "/inngest")
    assert is_mounted(whole, "/inngest")

    def ask(app: FastAPI, mode: str, *, keys: bool) -> Dependency:
        check = InngestCheck(app=app, required=True, mode=lambda: mode, has_keys=lambda: keys)
        return asyncio.run(check())

    assert ask(whole, "cloud", keys=True).healthy
    assert not ask(whole, "cloud", keys=False).healthy
    assert ask(whole, "dev", keys=False).healthy
    assert not ask(bare, "dev", keys=True).healthy
