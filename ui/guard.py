"""Who may talk to the portal? Known host names only, and loopback only unless people sign in."""

from __future__ import annotations

import ipaddress
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", b"frame-ancestors 'self'; object-src 'none'; base-uri 'self'"),
)


def is_loopback(host: str) -> bool:
    """Whether an address or name can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware before everything else, websockets included."""

    def __init__(
        self, app: ASGIApp, *, allowed_hosts: tuple[str, ...], trusted_proxies: tuple[str, ...], open_elsewhere: bool
    ) -> None:
        self._app, self._hosts = app, frozenset(name.lower() for name in allowed_hosts)
        self._proxies, self._open_elsewhere = frozenset(trusted_proxies), open_elsewhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 403 (421 for a foreign host name)."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in HEADERS if pair[0] not in present)]
            await send(message)

        await self._app(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        if _host_of(scope) not in self._hosts:
            return 421, "This host name is not one of the portal's. Add it to [portal] allowed_hosts."
        client, server = scope.get("client"), scope.get("server")
        if self._proxies and client is not None and client[0] not in self._proxies and not is_loopback(client[0]):
            return 403, "Only the configured reverse proxy may connect."
        if not self._open_elsewhere and server is not None and not is_loopback(str(server[0])):
            return 403, "The portal serves this machine alone. Configure sign-in or a trusted proxy first."
        return None


def _host_of(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name == b"host"]
    if len(values) != 1:
        return ""
    text: str = values[0].decode("latin-1").lower()
    if text.startswith("["):
        return text.split("]", 1)[0] + "]"
    return text.rsplit(":", 1)[0]


async def _refuse(refusal: tuple[int, str], scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    status, text = refusal
    response: Any = PlainTextResponse(text + "\n", status_code=status)
    await response(scope, receive, send)
