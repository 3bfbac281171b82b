"""Makes pages appear sooner, and refresh calmly: what their HTML says beside Streamlit's own.

Streamlit's front end looks for its server first below the page's own address (`/slo_trends/_stcore/health`), fails, and
waits before it tries the root; and it asks for the code of an element when the first such element arrives.
"""

from __future__ import annotations

import json
from pathlib import Path

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = Path(streamlit.__file__).parent / "static" / "static" / "js"
# The code of the elements that every page begins with.
ELEMENTS = (
    "Html",
    "purify.es",
    "ButtonGroup",
    "Button",
    "WidgetLabel",
    "WidgetLabelHelpIconInline",
    "useBasicWidgetState",
)
REFRESH = Path(__file__).with_name("refresh.js").read_text()
HEAD, TITLE = b"<head>", b"<title>Streamlit</title>"
UNHELPFUL = frozenset({b"accept-encoding", b"range"})  # the HTML is changed, so it must come whole and readable


class Preload:
    """ASGI middleware around the pages at these addresses."""

    def __init__(self, app: ASGIApp, *, pages: frozenset[str], base: str = "") -> None:
        self._app, self._pages = app, pages
        self._backend = json.dumps(f"{base}/")
        self._preloads = _preloads(STATIC)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; a page's HTML with what it needs to know."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in self._pages:
            await self._app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name not in UNHELPFUL]
        begun: list[Message] = []
        body = b""

        async def changed(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            start = begun[0]
            answer = MutableHeaders(scope=start)
            if start["status"] == 200 and answer.get("content-type", "").startswith("text/html"):
                body = self.told(body, scope["path"])
                answer["content-length"] = str(len(body))
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self._app({**scope, "headers": headers}, receive, changed)

    def told(self, page: bytes, path: str) -> bytes:
        """The HTML of a page with where its server is, unless something before us serves it under another address."""
        backend = f"window.__streamlit={{BACKEND_BASE_URL:location.origin+{self._backend}}}"
        here = f"if(location.pathname==={json.dumps(path)}){backend}"
        added = f"{HEAD.decode()}<script>{here}</script><script>{REFRESH}</script>{self._preloads}".encode()
        return page.replace(HEAD, added, 1).replace(TITLE, b"<title>Greenlight</title>", 1)


def _preloads(folder: Path) -> str:
    found = (next(iter(sorted(folder.glob(f"{name}.*.js"))), None) for name in ELEMENTS)
    return "".join(f'<link rel="modulepreload" href="./static/js/{file.name}">' for file in found if file is not None)
