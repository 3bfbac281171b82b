"""Who may talk to the portal. Known host names only, and loopback only unless people sign in."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.peers import is_in, is_loopback, networks, peer_of

OPEN_ROUTES = frozenset({"/api/health/ready", "/api/health/live"})  # they say nothing secret
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", b"frame-ancestors 'self'; object-src 'none'; base-uri 'self'"),
)


class Guard:
    """ASGI middleware before everything else, websockets included."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: tuple[str, ...],
        trusted_proxies: tuple[str, ...],
        open_elsewhere: bool,
        identity_headers: tuple[str, ...] = (),
        base: str = "",
    ) -> None:
        self._app, self._hosts = app, frozenset(name.lower() for name in allowed_hosts)
        self._proxies, self._open_elsewhere = networks(trusted_proxies), open_elsewhere
        self._open = OPEN_ROUTES | {base + route for route in OPEN_ROUTES}
        self._identity = frozenset(name.lower().encode() for name in identity_headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 403 (421 for a foreign host name)."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
            return
        if self._identity and not is_in(peer_of(scope), self._proxies):  # nobody else may say who a visitor is
            kept = [pair for pair in scope["headers"] if pair[0].lower() not in self._identity]
            scope = {**scope, "headers": kept}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in HEADERS if pair[0] not in present)]
            await send(message)

        await self._app(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        if scope["type"] == "http" and scope["path"] in self._open and scope["method"] in {"GET", "HEAD"}:
            return None  # a platform's health check comes from anywhere, under a name of its own
        if any(ord(sign) < 32 for sign in scope["path"]):
            return 404, "An address holds no control characters."
        host = _header(scope, b"host")
        if _name_of(host) not in self._hosts:
            return 421, "This host name is not one of the portal's. Add it to [portal] allowed_hosts."
        peer, server = peer_of(scope), scope.get("server")
        if self._proxies and peer is not None and not is_in(peer, self._proxies) and not is_loopback(peer):
            return 403, "Only the configured reverse proxy may connect."
        if not self._open_elsewhere and server is not None and not is_loopback(str(server[0])):
            return 403, "The portal serves this machine alone. Configure sign-in or a trusted proxy first."
        if scope["type"] == "websocket" and not _is_same_origin(scope, host):
            return 403, "Another website may not connect to the portal."
        return None


def _header(scope: Scope, name: bytes) -> str:
    """A header that is there exactly once; "" otherwise."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1").lower() if len(values) == 1 else ""


def _name_of(host: str) -> str:
    if host.startswith("["):
        return host.split("]", 1)[0] + "]"
    return host.rsplit(":", 1)[0].removesuffix(".")


def _is_same_origin(scope: Scope, host: str) -> bool:
    """Whether the page that connects is one of ours: same host and port. Programs send no origin.

    Streamlit would ask an address service on the internet about any other origin, from the event loop.
    """
    origins = [value for key, value in scope["headers"] if key == b"origin"]
    if not origins:
        return True
    try:
        parts = urlsplit(origins[0].decode("latin-1").lower())
        here = urlsplit(f"{parts.scheme}://{host}")
        default = {"http": 80, "https": 443}[parts.scheme]
        same = parts.hostname == here.hostname and (parts.port or default) == (here.port or default)
    except (ValueError, KeyError):
        return False
    return len(origins) == 1 and same and not parts.username


async def _refuse(refusal: tuple[int, str], scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    status, text = refusal
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": text}
    response: Any = JSONResponse(body, status_code=status, media_type="application/problem+json")
    await response(scope, receive, send)
