"""An agent behind HTTP: POST a JSON object, read one. Connections are kept and used again, one case at a time each.

Built on asyncio's transports and httptools' parser: a shared httpx client with a hundred connections takes 27 times the
ideal (performance.md), and at 20 ms an answer the client's own work decides how long a thousand cases take.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import httptools

from services.outside import NotJson, parse_json
from services.redact import removing, with_texts
from services.replay import tracing
from services.replay.agents import MAX_REPLY_BYTES, WrongAgent, label_of, read_reply
from services.replay.model import Answer, Trouble

RETRYABLE_STATUS = frozenset({429, 502, 503, 504})
MAX_HEADER_BYTES = 1 << 16
_ENCODER = json.JSONEncoder(ensure_ascii=False)


class HttpAgent:
    """Posts each case to one address. Redirects aren't followed."""

    def __init__(self, url: str, *, token: str | None) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
            (parts.hostname or "").encode("idna")  # as looking it up does, which would raise there
            (url + (token or "")).encode()
        except ValueError as error:  # its text quotes the address
            raise WrongAgent("The agent's address can't be read. Write http(s)://host:port/path.") from error
        if not parts.hostname or any(c.isspace() or ord(c) < 32 for c in url + (token or "")):
            raise WrongAgent("The agent's address has no host, or it or the token holds white space.")
        self.label = label_of(url)
        self._host, secure = parts.hostname, parts.scheme == "https"
        self._port = port or (443 if secure else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [
            f"POST {path} HTTP/1.1", f"host: {parts.netloc.rpartition('@')[2]}", "content-type: application/json",
            "accept: application/json", "user-agent: greenlight-replay",
        ]  # fmt: skip
        if token:
            lines.append(f"authorization: Bearer {token}")
        self._remove = removing((token,) if token else ())
        self._head = "\r\n".join([*lines, "content-length: "]).encode()
        self._tls = ssl.create_default_context() if secure else None
        self._idle: list[_Connection] = []

    async def ask(self, line: Mapping[str, Any], timeout_s: float, *, repeat: int = 1) -> Answer | Trouble:  # noqa: ARG002
        """One POST. A kept connection that the server has closed meanwhile is replaced once, unseen."""
        body = _ENCODER.encode(tracing.without(line)).encode()
        trace = b"\r\ntraceparent: %b" % str(line[tracing.FIELD]).encode() if tracing.FIELD in line else b""
        request = b"%b%d%b\r\n\r\n%b" % (self._head, len(body), trace, body)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ask(request, str(line["case_id"]))
        except TimeoutError:
            return Trouble(code="timeout", detail=f"no answer within {timeout_s:g} s")

    async def _ask(self, request: bytes, case_id: str) -> Answer | Trouble:
        while True:
            kept = bool(self._idle)
            try:
                connection = self._idle.pop() if kept else await self._connect()
            except OSError as error:
                return Trouble(code="transport", detail=_words(error), retryable=True)
            done = False
            try:
                status, data = await connection.exchange(request)
                done = True
            except (OSError, EOFError) as error:
                if kept:
                    continue
                return Trouble(code="transport", detail=_words(error), retryable=True)
            except _TooLarge:
                return Trouble(code="too_large", detail=f"the reply is larger than {MAX_REPLY_BYTES >> 20} MiB")
            finally:
                if done and connection.reusable:
                    self._idle.append(connection)
                else:
                    connection.close()
            return _judge(status, data, case_id, self._remove)

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port, ssl=self._tls)
        return connection

    async def close(self) -> None:
        """Close what is kept."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()


def _judge(status: int, data: bytes, case_id: str, remove: Callable[[str], str]) -> Answer | Trouble:
    if status != 200:
        return Trouble(code="bad_status", detail=f"HTTP status {status}", retryable=status in RETRYABLE_STATUS)
    try:
        # An agent that gives its token back must not put it into our store, however JSON writes it.
        reply = with_texts(parse_json(data), remove)
    except NotJson as error:
        return Trouble(code="bad_reply", detail=f"the reply can't be used: {error}")
    return read_reply(reply, case_id)


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "TLS failed: " + (getattr(error, "verify_message", "") or error.reason or "no reason given")
    return getattr(error, "strerror", None) or "the connection was closed without a full answer"


class _TooLarge(Exception):
    pass


class _Connection(asyncio.Protocol):
    """A kept connection. httptools calls back the methods that begin with `on_`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._body = bytearray()
        self._received = 0
        self._head_done = self._framed = self._kept = self._closed = False

    @property
    def reusable(self) -> bool:
        """Whether the server keeps it for the next request."""
        return self._kept and not self._closed

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; status and body of the answer. Raises OSError, EOFError or _TooLarge."""
        if self._closed or self._transport is None:
            raise EOFError
        self._body.clear()
        self._received, self._kept = 0, False
        self._parser = httptools.HttpResponseParser(self)
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """Let go of it."""
        self._closed = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail(EOFError())
        if self._received > MAX_REPLY_BYTES + MAX_HEADER_BYTES:
            self._fail(_TooLarge())

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop. An answer without a length ends with its connection."""
        self._closed = True
        ends_here = self._waiting is not None and not self._waiting.done() and self._until_close()
        if ends_here:
            self.on_message_complete()
        self._fail(exc if isinstance(exc, OSError) else EOFError())

    def _until_close(self) -> bool:
        try:
            return bool(self._parser.get_status_code()) and self._head_done and not self._framed
        except httptools.HttpParserError:
            return False

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._head_done = self._framed = False

    def on_header(self, name: bytes, _value: bytes) -> None:
        """Called by the parser."""
        if name.lower() in {b"content-length", b"transfer-encoding"}:
            self._framed = True

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._head_done = True

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body += body
        if len(self._body) > MAX_REPLY_BYTES:
            self._fail(_TooLarge())

    def on_message_complete(self) -> None:
        """Called by the parser; an interim answer (1xx) is passed over."""
        status = self._parser.get_status_code()
        if self._waiting is not None and not self._waiting.done() and status >= 200:
            self._kept = self._framed and self._parser.should_keep_alive()
            self._waiting.set_result((status, bytes(self._body)))

    def _fail(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
