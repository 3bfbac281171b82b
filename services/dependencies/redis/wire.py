"""A Redis connection whose every step is timed and bounded, over hiredis' parser.

redis-py hides connect, TLS and AUTH behind one call and sends commands of its own, which a hosted plan bills. A
probe needs each step apart, the literal reply, and a count of the commands that it sent.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

import hiredis

from services.dependencies.http_client import Watch, certificate_of, open_stream, unchecked_context
from services.dependencies.model import Failure
from services.dependencies.redis.address import Address

MAX_REPLY_BYTES = 1 << 20
TLS_ALERT = 0x15


class RedisTrouble(Exception):
    """A step failed; carries the failure as a value for the probe to return."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.detail)


class Session:
    """An open, authenticated connection. `watch.timings` grows by one entry a named step."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Watch) -> None:
        self._reader, self._writer, self.watch = reader, writer, watch
        self._parser = hiredis.Reader(notEnoughData=_NOT_YET)
        self._first_bytes = True
        self.commands = 0
        self.certificate_expires, self.certificate_days = certificate_of(writer)

    async def call(self, phase: str, *arguments: str | int) -> Any:
        """Send one command and wait for its reply, timed as `phase`. Error replies come back as values."""
        return (await self.pipeline(phase, [arguments]))[0]

    async def pipeline(self, phase: str, commands: Sequence[tuple[str | int, ...]]) -> list[Any]:
        """Send several commands at once and wait for all replies."""
        self.watch.begin(phase)
        self.commands += len(commands)
        try:
            self._writer.write(b"".join(_pack(command) for command in commands))
            replies = [await self._reply() for _ in commands]
        except (ConnectionError, ssl.SSLError, OSError) as error:
            raise RedisTrouble(self.watch.failed("closed", f"{type(error).__name__} in {phase}")) from error
        self.watch.end()
        return replies

    async def _reply(self) -> Any:
        received = 0
        while True:
            try:
                reply = self._parser.gets()
            except hiredis.ProtocolError as error:
                raise RedisTrouble(self.watch.failed("not_redis", str(error))) from error
            if reply is not _NOT_YET:
                return reply
            data = await self._reader.read(1 << 16)
            if not data:
                raise RedisTrouble(self.watch.failed("closed", f"end of stream in {self.watch.phase}"))
            if self._first_bytes and data[0] == TLS_ALERT:
                raise RedisTrouble(self.watch.failed("tls_expected", "a TLS alert came back"))
            self._first_bytes = False
            received += len(data)
            if received > MAX_REPLY_BYTES:
                raise RedisTrouble(self.watch.failed("too_large", f"more than {MAX_REPLY_BYTES} bytes"))
            self._parser.feed(data)

    def close(self) -> None:
        """Drop the connection at once."""
        self._writer.transport.abort()


_NOT_YET = object()


def _pack(command: tuple[str | int, ...]) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub allows one element only
    return packed


# Redis' error words → failure codes. Source: redis.io error replies; `server.c`, `acl.c`, `networking.c`.
ERROR_WORDS: tuple[tuple[str, str], ...] = (
    ("WRONGPASS", "wrong_password"),
    ("ERR invalid password", "wrong_password"),
    ("NOAUTH", "no_password_sent"),
    ("ERR AUTH <password> called without any password", "password_not_wanted"),
    ("ERR Client sent AUTH, but no password is set", "password_not_wanted"),
    # Redis 7 and Valkey: "NOPERM No permissions to access a key"; Redis 6: "… has no permissions to access one of the
    # keys used as arguments" (acl.c).
    ("NOPERM No permissions to access a key", "no_key_permission"),
    ("NOPERM this user has no permissions to access one of the keys", "no_key_permission"),
    ("NOPERM", "no_permission"),
    ("READONLY", "read_only"),
    ("OOM", "out_of_memory"),
    ("LOADING", "loading"),
    ("MISCONF", "misconf"),
    ("ERR max number of clients reached", "too_many_clients"),
)


def error_code(error: hiredis.ReplyError) -> str:
    """The failure code that an error reply means."""
    text = str(error)
    return next((code for words, code in ERROR_WORDS if text.lower().startswith(words.lower())), "error")


async def connect(address: Address, watch: Watch) -> Session:
    """Connect, encrypt, authenticate, choose the database. Raises RedisTrouble; the caller sets the deadline."""
    context = None if address.certificate == "all" else unchecked_context(address.certificate)
    opened = await open_stream(address.host, address.port, secure=address.secure, watch=watch, context=context)
    if isinstance(opened, Failure):
        raise RedisTrouble(_as_redis(opened))
    session = Session(*opened, watch)
    try:
        if address.password:
            credentials = (address.user, address.password) if address.user else (address.password,)
            _require(await session.call("auth", "AUTH", *credentials), watch)
        if address.database:
            _require(await session.call("select", "SELECT", address.database), watch)
    except BaseException:
        session.close()
        raise
    return session


def _require(reply: Any, watch: Watch) -> None:
    if isinstance(reply, hiredis.ReplyError):
        raise RedisTrouble(watch.failed(error_code(reply), _first_word(reply)))


def _first_word(error: hiredis.ReplyError) -> str:
    """An error reply's kind and the start of its text, which for AUTH can't hold the password."""
    return str(error)[:120]


def _as_redis(failure: Failure) -> Failure:
    """A TLS handshake that got no TLS back means a server without TLS."""
    plain = ("WRONG_VERSION_NUMBER", "record layer failure", "wrong version number", "UNEXPECTED_MESSAGE")
    if failure.code == "tls_failed" and any(words in failure.detail for words in plain):
        return Failure(code="tls_not_expected", detail=failure.detail, phase="tls", timings=failure.timings)
    return failure
