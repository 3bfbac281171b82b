"""Takes visitors where they were going before they had to sign in. Brought there afterwards: a link to a step must open
that step.

Streamlit's sign-in ends at the start page. The address of the page on which *Sign in* was pressed waits in a cookie.
Below a path (`base_path`) the host belongs to others, too: no cookie and no redirect leaves that path.
"""

from __future__ import annotations

from http.cookies import SimpleCookie
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGIN, CALLBACK = "/auth/login", "/oauth2callback"
COOKIE = "greenlight_way_back"
SESSION = "_streamlit_session"  # of a sign-in under way; Streamlit sets it for the whole host
LIFETIME_S = 900
LONGEST = 1500
REDIRECTS = frozenset({302, 303, 307})


class LoginRedirect:
    """ASGI middleware around Streamlit's two routes of sign-in."""

    def __init__(self, app: ASGIApp, *, base: str = "") -> None:
        self._app, self._base = app, base
        self._scope = f"Path={base or '/'}; HttpOnly; SameSite=Lax"

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
                    self._note(place_of(headers.get("referer", ""), headers.get("host", "")), answer)
                elif message["status"] in REDIRECTS and answer.get("location") in {"/", self._base, f"{self._base}/"}:
                    self._return(cookie_parser(headers.get("cookie", "")).get(COOKIE, ""), answer)
                if self._base:
                    _keep_below(self._base, answer)
            await send(message)

        await self._app(scope, receive, changed)

    def _note(self, place: str, answer: MutableHeaders) -> None:
        if is_own(place, self._base):
            answer.append("set-cookie", f"{COOKIE}={quote(place, safe='')}; Max-Age={LIFETIME_S}; {self._scope}")

    def _return(self, kept: str, answer: MutableHeaders) -> None:
        place = unquote(kept)
        if is_own(place, self._base):
            answer["location"] = place
            answer.append("set-cookie", f"{COOKIE}=; Max-Age=0; {self._scope}")


def place_of(referer: str, host: str) -> str:
    """Path and query of a page on this host; "" for anything else."""
    try:
        parts = urlsplit(referer)
    except ValueError:
        return ""
    return parts.path + (f"?{parts.query}" if parts.query else "") if parts.netloc == host else ""


def is_own(place: str, base: str = "") -> bool:
    """Whether an address can lead nowhere but to this portal, which is below `base`."""
    begins_well = place.startswith("/") and not place.startswith(("//", "/\\"))
    if not (begins_well and len(place) <= LONGEST and place.isprintable() and place.isascii()):
        return False
    path = unquote(place.partition("?")[0])  # a browser takes %2e%2e for ..
    steps = PurePosixPath(path.replace("\\", "/")).parts
    return ".." not in steps and (path == base or path.startswith(f"{base}/"))


def _keep_below(base: str, answer: MutableHeaders) -> None:
    """Narrow the session of a sign-in to our path. Every other cookie stays as it was set."""
    cookies = answer.getlist("set-cookie")
    del answer["set-cookie"]
    for line in cookies:
        session = SimpleCookie(line).get(SESSION)
        if session is not None:
            session["path"] = base
        answer.append("set-cookie", line if session is None else session.OutputString())
