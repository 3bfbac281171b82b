"""The guard: the real peer decides, forwarded addresses are words; other websites and names stay outside."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services import access
from services.settings.model import Access, AccessPerson, Portal
from tests.conftest import Served
from ui.guard import LOOPBACK_NAMES, Guard
from ui.peers import is_loopback, keep_real_peers, peer_of


def answer(
    peer: str = "127.0.0.1", *, host: str = "portal.example.org", path: str = "/", kind: str = "http",
    proxies: tuple[str, ...] = (), headers: dict[str, str] | None = None, base: str = "", seen: list[Any] | None = None,
) -> int:  # fmt: skip
    """The guard's status for a request; 200 where it hands on, 101 for a websocket."""

    async def inner(scope: Any, _receive: Any, _send: Any) -> None:
        passed.append(200 if scope["type"] == "http" else 101)
        if seen is not None:
            seen.append(dict(scope["headers"]))

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            passed.append(message["status"])
        if message["type"] == "websocket.close":
            passed.append(403)

    passed: list[int] = []
    guard = Guard(
        inner, allowed_hosts=(*LOOPBACK_NAMES, "portal.example.org"), trusted_proxies=proxies, open_elsewhere=True,
        identity_headers=("X-Forwarded-User",), base=base,
    )  # fmt: skip
    scope = {
        "type": kind, "path": path, "method": "GET", "client": (peer, 1234), "server": ("127.0.0.1", 8501),
        "headers": [(name.lower().encode(), value.encode()) for name, value in ({"host": host} | (headers or {})).items()],
    }  # fmt: skip
    asyncio.run(guard(scope, None, send))  # type: ignore[arg-type]
    return passed[0]


FORWARDED = {"x-forwarded-for": "203.0.113.9"}


@pytest.mark.parametrize(
    ("peer", "proxies", "headers", "status"),
    [
        ("127.0.0.1", ("127.0.0.1",), FORWARDED, 200),
        ("10.1.2.3", ("10.0.0.0/8",), FORWARDED, 200),
        ("::ffff:10.1.2.3", ("10.0.0.0/8",), {}, 200),
        ("fd00::7", ("fd00::/8",), {}, 200),
        ("203.0.113.9", ("10.0.0.0/8",), {"x-forwarded-for": "127.0.0.1"}, 403),
        ("203.0.113.9", ("127.0.0.1",), {"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1"}, 403),
        ("::ffff:203.0.113.9", ("10.0.0.0/8",), {}, 403),
        ("11.0.0.1", ("10.0.0.0/8",), {}, 403),
    ],
)
def test_the_real_peer_decides(peer: str, proxies: tuple[str, ...], headers: dict[str, str], status: int) -> None:
    assert answer(peer, proxies=proxies, headers=headers) == status


@pytest.mark.parametrize("path", ["/api/health/ready", "/api/health/live", "/portal/api/health/live"])
def test_a_platform_s_health_check_is_answered_under_any_name(path: str) -> None:
    options: dict[str, Any] = {"host": "healthcheck.railway.app", "proxies": ("10.0.0.0/8",), "base": "/portal"}
    assert answer("100.64.0.2", path=path, **options) == 200
    assert answer("100.64.0.2", path="/", **options) == 421
    assert answer("100.64.0.2", path=path + "/../../", **options) == 421
    assert answer("100.64.0.2", path="/api/health/ready2", **options) == 421


@pytest.mark.parametrize(
    "host", ["PORTAL.example.org", "portal.example.org:8501", "portal.example.org.", "[::1]:8501", "localhost"]
)
def test_our_names_in_every_spelling(host: str) -> None:
    assert answer(host=host) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "portal.example.org.evil.example", "", "user@portal.example.org@x", "[::2]"]
)
def test_other_names_are_refused(host: str) -> None:
    assert answer(host=host) == 421


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101), ("https://portal.example.org", 101), ("http://portal.example.org:80", 101),
        ("https://evil.example", 403), ("https://portal.example.org:8443", 403), ("null", 403), ("", 403),
        ("https://portal.example.org@evil.example", 403), ("https://x@portal.example.org", 403), ("file://", 403),
        ("https://[", 403), ("https://portal.example.org.evil.example", 403),
    ],
)  # fmt: skip
def test_a_websocket_of_another_website_never_reaches_streamlit(origin: str | None, status: int) -> None:
    assert (
        answer(kind="websocket", path="/_stcore/stream", headers={} if origin is None else {"origin": origin}) == status
    )


def test_the_same_host_with_another_port_is_another_origin() -> None:
    same = {"origin": "http://localhost:8501"}
    assert answer(kind="websocket", host="localhost:8501", headers=same) == 101
    assert answer(kind="websocket", host="localhost:8502", headers=same) == 403


def test_only_a_trusted_proxy_says_who_a_visitor_is() -> None:
    seen: list[Any] = []
    given = {"x-forwarded-user": "ada"}
    answer("10.0.0.1", proxies=("10.0.0.0/8",), headers=given, seen=seen)
    answer("127.0.0.1", proxies=("10.0.0.0/8",), headers=given, seen=seen)
    assert [headers.get(b"x-forwarded-user") for headers in seen] == [b"ada", None]


def test_whom_the_proxy_does_not_name_has_the_default_role() -> None:
    people = (AccessPerson(issuer="proxy", email="ada@example.org", role="operator"),)
    rules = Access(people=people, proxy_role_header="X-Role")
    visitor = access.of_proxy({}, rules)
    assert (visitor.role, visitor.verified) == ("viewer", False)
    ada = access.of_proxy({"x-forwarded-user": "ada@example.org"}, rules)
    assert (ada.name, ada.role, ada.verified, ada.key) == ("ada@example.org", "operator", True, "proxy#ada@example.org")
    assert access.of_proxy({"X-Forwarded-User": "bob"}, rules).role == "viewer"
    assert access.of_proxy({"X-Forwarded-User": "bob", "X-Role": "Engineer"}, rules).role == "engineer"
    assert access.of_proxy({"X-Forwarded-User": "bob", "X-Role": "root"}, rules).role == "viewer"


def test_no_header_rewrites_the_peer_however_uvicorn_was_set_up(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    keep_real_peers()

    async def peer(request: Request) -> JSONResponse:
        return JSONResponse(peer_of(request.scope))

    served = serve(Starlette(routes=[Route("/", peer)]))
    assert httpx.get(served.url, headers={"X-Forwarded-For": "203.0.113.9"}).json() == "127.0.0.1"
    assert os.environ["FORWARDED_ALLOW_IPS"] == "*"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("allowed_hosts", "https://portal.example.org"), ("allowed_hosts", "portal.example.org:8501"),
        ("allowed_hosts", "*"), ("allowed_hosts", "*.example.org"), ("allowed_hosts", "a/b"), ("allowed_hosts", ""),
        ("trusted_proxies", "*"), ("trusted_proxies", "proxy.internal"), ("trusted_proxies", "0.0.0.0/0"),
        ("trusted_proxies", "::/0"), ("trusted_proxies", "10.0.0.0/99"), ("trusted_proxies", ""),
    ],
)  # fmt: skip
def test_a_value_that_would_let_everybody_in_or_nobody_is_refused_at_start(field: str, value: str) -> None:
    with pytest.raises(ValidationError, match=r"no host name|no address|trusts everybody"):
        Portal.model_validate({field: [value]})


def test_names_and_networks_that_are_fine() -> None:
    Portal(
        allowed_hosts=("portal.example.org", "my_host", "[fd00::1]"),
        trusted_proxies=("10.0.0.0/8", "::1", "10.1.2.3/8"),
    )


@pytest.mark.parametrize(("host", "expected"), [("localhost", True), ("::ffff:127.0.0.1", True), ("[::1]", True),
                                                ("127.0.0.1", True), ("0.0.0.0", False), ("example.org", False)])  # fmt: skip
def test_loopback_in_every_spelling(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
