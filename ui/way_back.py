"""Where was a visitor going when they had to sign in? Brought there afterwards: a link to a step must open that step.

Streamlit's sign-in ends at the start page. The address of the page on which *Sign in* was pressed waits in a cookie.
"""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGIN, CALLBACK = "/auth/login", "/oauth2callback"
COOKIE = "greenlight_way_back"
LIFETIME_S = 900
LONGEST = 1500
REDIRECTS = frozenset({302, 303, 307})


class WayBack:
    """ASGI middleware around Streamlit's two routes of sign-in."""

    def __init__(self, app: ASGIApp, *, base: str = "") -> None:
        self._app, self._base = app, base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the page at the way out, and go there at the way in."""
        if scope["type"] != "http" or scope["path"] not in {self._base + LOGIN, self._base + CALLBACK}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def changed(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                if scope["path"] == self._base + LOGIN:
                    _note(place_of(headers.get("referer", ""), headers.get("host", "")), answer)
                elif message["status"] in REDIRECTS and answer.get("location") in {"/", self._base, f"{self._base}/"}:
                    _return(cookie_parser(headers.get("cookie", "")).get(COOKIE, ""), answer)
            await send(message)

        await self._app(scope, receive, changed)


def place_of(referer: str, host: str) -> str:
    """Path and query of a page of this portal; "" for anything else."""
    try:
        parts = urlsplit(referer)
    except ValueError:
        return ""
    place = parts.path + (f"?{parts.query}" if parts.query else "")
    return place if parts.netloc == host and is_own(place) else ""


def is_own(place: str) -> bool:
    """Whether an address can lead nowhere but to this portal."""
    begins_well = place.startswith("/") and not place.startswith(("//", "/\\"))
    return begins_well and len(place) <= LONGEST and place.isprintable() and place.isascii()


def _note(place: str, answer: MutableHeaders) -> None:
    if place:
        life = f"Max-Age={LIFETIME_S}; Path=/; HttpOnly; SameSite=Lax"
        answer.append("set-cookie", f"{COOKIE}={quote(place, safe='')}; {life}")


def _return(kept: str, answer: MutableHeaders) -> None:
    place = unquote(kept)
    if kept and is_own(place):
        answer["location"] = place
        answer.append("set-cookie", f"{COOKIE}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax")
