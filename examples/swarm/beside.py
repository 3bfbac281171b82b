"""What the swarm depends on beside Redis and Inngest: a database (a file), a mail server, and a beating scheduler.

The mail server is a stand-in: it greets, and takes no mail. It exists so that a demonstration has one to watch.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runtime import Dependency
from runtime.heartbeat import Heartbeat

MAIL_CHECK_S = 3.0
BEAT_S = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseCheck:
    """Whether the swarm's database answers. Without it, the swarm works from what it holds in memory."""

    path: Path
    required: bool = False
    dependency: str = "database"

    async def __call__(self) -> Dependency:
        """One statement."""
        begun = time.perf_counter()

        def ask() -> str | None:
            try:
                connection = sqlite3.connect(self.path, timeout=1)
                try:
                    connection.execute("SELECT 1").fetchone()
                finally:
                    connection.close()
            except sqlite3.Error as error:
                return type(error).__name__
            return None

        error = await asyncio.to_thread(ask)
        took = (time.perf_counter() - begun) * 1000
        return Dependency(name="database", required=False, healthy=error is None, latency_ms=took, error=error)


@dataclass(frozen=True, kw_only=True, slots=True)
class MailCheck:
    """Whether the mail server greets."""

    port: int
    required: bool = False
    dependency: str = "mail"

    async def __call__(self) -> Dependency:
        """Connect, and read the greeting."""
        begun, error = time.perf_counter(), None
        try:
            async with asyncio.timeout(MAIL_CHECK_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                greeting = await reader.readline()
                writer.close()
            error = None if greeting.startswith(b"220") else "it turned us away"
        except (OSError, TimeoutError) as trouble:
            error = type(trouble).__name__
        took = (time.perf_counter() - begun) * 1000
        return Dependency(name="mail", required=False, healthy=error is None, latency_ms=took, error=error)


@dataclass(kw_only=True, slots=True)
class MailServer:
    """A mail server that greets and takes no mail; `is_down` tells when it turns everybody away."""

    port: int
    is_down: Callable[[], bool]
    _server: asyncio.Server | None = field(default=None)

    async def start(self) -> None:
        """Listen on loopback."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.is_down():
                writer.write(b"421 4.3.2 service not available\r\n")
                return
            writer.write(b"220 mail.demo ESMTP\r\n")
            while line := await reader.readline():
                word = line[:4].upper()
                answer = {b"EHLO": b"250-mail.demo\r\n250 SIZE 1000000\r\n", b"QUIT": b"221 bye\r\n"}
                writer.write(answer.get(word, b"502 this demonstration takes no mail\r\n"))
                if word == b"QUIT":
                    return
        except (ConnectionError, ValueError):
            return  # the client went away, or sent a line without end
        finally:
            writer.close()


async def beat(heartbeat: Heartbeat, is_stopped: Callable[[], bool]) -> None:
    """Report that the scheduler runs, until cancelled."""
    while True:
        if not is_stopped():
            await heartbeat.call(note="the fallback scheduler runs")
        await asyncio.sleep(BEAT_S)
