"""A limit on request bodies that counts bytes as they come, and a deadline: before anybody asks who sends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEADLINE_S = 30.0


class BodyLimit:
    """ASGI middleware: a body is read whole, up to `most` bytes, before the application sees the request.

    More than that is 413 and slower than the deadline 408, as RFC 9457 problems; what comes after is not read.
    """

    def __init__(
        self, app: ASGIApp, *, most: int, deadline_s: float = DEADLINE_S, only: Callable[[Scope], bool] = lambda _: True
    ) -> None:
        self._app, self._most, self._deadline_s, self._only = app, most, deadline_s, only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, then hand on."""
        if scope["type"] != "http" or not self._only(scope):
            await self._app(scope, receive, send)
            return
        if self._announced(scope) > self._most:
            await _refuse(send, 413, "Content Too Large", f"The request is larger than {self._most} bytes.")
            return
        try:
            async with asyncio.timeout(self._deadline_s):
                body = await self._read(receive)
        except TimeoutError:
            await _refuse(send, 408, "Request Timeout", f"The request did not come within {self._deadline_s:g} s.")
            return
        if body is None:
            await _refuse(send, 413, "Content Too Large", f"The request is larger than {self._most} bytes.")
            return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    def _announced(self, scope: Scope) -> int:
        text = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        return int(text) if text.isdigit() and len(text) < 19 else self._most + 1

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body; None where it is too large. A caller that goes away leaves what came until then."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return bytes(body)
            body += message.get("body", b"")
            if len(body) > self._most:
                return None
            if not message.get("more_body", False):
                return bytes(body)


async def _refuse(send: Send, status: int, title: str, detail: str) -> None:
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}).encode()
    headers = [
        (b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
