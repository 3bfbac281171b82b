"""An agent behind HTTP: POST a JSON object, read one. Connections are kept and used again, one case at a time each.

Built on asyncio and h11: a shared httpx client with a hundred connections takes 27 times the ideal (performance.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import h11

from services.replay.agents import MAX_REPLY_BYTES, WrongAgent, read_reply
from services.replay.model import Answer, Trouble

RETRYABLE_STATUS = frozenset({429, 502, 503, 504})


class HttpAgent:
    """Posts each case to one address. Redirects aren't followed."""

    def __init__(self, url: str, *, token: str | None, label: str) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError as error:
            raise WrongAgent("The agent's address has a port that is none.") from error
        if not parts.hostname:
            raise WrongAgent("The agent's address has no host.")
        self.label = label
        self._host, self._secure = parts.hostname, parts.scheme == "https"
        self._port = port or (443 if self._secure else 80)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = [
            ("host", parts.netloc.rpartition("@")[2]), ("content-type", "application/json"),
            ("accept", "application/json"), ("user-agent", "greenlight-replay"),
        ]  # fmt: skip
        if token:
            self._headers.append(("authorization", f"Bearer {token}"))
        self._tls = ssl.create_default_context() if self._secure else None
        self._idle: list[_Connection] = []

    async def ask(self, line: Mapping[str, Any], timeout_s: float) -> Answer | Trouble:
        """One POST. A kept connection that the server has closed meanwhile is replaced once, unseen."""
        body = json.dumps(dict(line), ensure_ascii=False).encode()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ask(body, str(line["case_id"]))
        except TimeoutError:
            return Trouble(code="timeout", detail=f"no answer within {timeout_s:g} s")

    async def _ask(self, body: bytes, case_id: str) -> Answer | Trouble:
        while True:
            connection, kept = (self._idle.pop(), True) if self._idle else (None, False)
            try:
                connection = connection or await self._connect()
                status, data = await connection.exchange(self._path, self._headers, body)
            except (OSError, h11.RemoteProtocolError, EOFError) as error:
                if connection is not None:
                    connection.close()
                if kept:
                    continue
                return Trouble(code="transport", detail=_words(error), retryable=True)
            except _TooLarge:
                if connection is not None:
                    connection.close()
                return Trouble(code="too_large", detail=f"the reply is larger than {MAX_REPLY_BYTES >> 20} MiB")
            except BaseException:
                if connection is not None:
                    connection.close()
                raise
            if connection.reusable():
                self._idle.append(connection)
            else:
                connection.close()
            return _judge(status, data, case_id)

    async def _connect(self) -> _Connection:
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        return _Connection(reader, writer)

    async def close(self) -> None:
        """Close what is kept."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()


def _judge(status: int, data: bytes, case_id: str) -> Answer | Trouble:
    if status != 200:
        return Trouble(code="bad_status", detail=f"HTTP status {status}", retryable=status in RETRYABLE_STATUS)
    try:
        reply = json.loads(data)
    except (ValueError, RecursionError):
        return Trouble(code="bad_reply", detail="the reply is not JSON")
    return read_reply(reply, case_id)


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "TLS failed: " + (getattr(error, "verify_message", "") or error.reason or "no reason given")
    return getattr(error, "strerror", None) or "the connection was closed without a full answer"


class _TooLarge(Exception):
    pass


class _Connection:
    """A kept connection with its protocol state."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._state = h11.Connection(h11.CLIENT)

    async def exchange(self, path: str, headers: list[tuple[str, str]], body: bytes) -> tuple[int, bytes]:
        """Send a request; read status and body."""
        length = ("content-length", str(len(body)))
        request = h11.Request(method="POST", target=path, headers=[*headers, length])
        parts = [self._state.send(request), self._state.send(h11.Data(data=body)), self._state.send(h11.EndOfMessage())]
        self._writer.write(b"".join(part for part in parts if part))
        status, chunks, size = 0, [], 0
        while True:
            event = self._state.next_event()
            if event is h11.NEED_DATA:
                data = await self._reader.read(65_536)
                if not data and self._state.their_state is h11.SEND_RESPONSE and not status:
                    raise EOFError
                self._state.receive_data(data)
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > MAX_REPLY_BYTES:
                    raise _TooLarge
                chunks.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return status, b"".join(chunks)
            elif isinstance(event, h11.ConnectionClosed):
                raise EOFError

    def reusable(self) -> bool:
        """Ready for the next request, where both sides keep the connection."""
        if self._state.our_state is h11.DONE and self._state.their_state is h11.DONE:
            self._state.start_next_cycle()
            return not self._reader.at_eof()
        return False

    def close(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.close()
