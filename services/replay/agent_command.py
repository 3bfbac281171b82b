"""An agent as a process: one JSON object a line in, one a line out. Each process answers one case at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from services.child import variables_of
from services.outside import NotJson, parse_json
from services.redact import scrub
from services.replay import tracing
from services.replay.agents import MAX_REPLY_BYTES, read_reply
from services.replay.model import Answer, Trouble

KEPT_STDERR = 8192
ENDS_WITHIN_S = 1.0


class CommandAgent:
    """A pool of processes, started when needed, replaced when they crash or hang."""

    def __init__(self, words: Sequence[str], *, concurrency: int, label: str, variables: Sequence[str] = ()) -> None:
        self._words, self.label = list(words), label
        self._environment = variables_of(variables)
        self._slots = asyncio.Semaphore(max(1, concurrency))
        self._idle: list[_Process] = []

    async def ask(self, line: Mapping[str, Any], timeout_s: float, *, repeat: int = 1) -> Answer | Trouble:  # noqa: ARG002
        """Ask an idle process, or a new one."""
        async with self._slots:
            process = self._idle.pop() if self._idle else _Process()
            try:
                async with asyncio.timeout(timeout_s):
                    if not process.fit:
                        await process.kill()
                        await process.start(self._words, self._environment)
                    reply = await process.exchange(line)
            except TimeoutError:
                await process.kill()
                return Trouble(code="timeout", detail=f"no answer within {timeout_s:g} s")
            except OSError as error:
                await process.kill()
                return Trouble(code="transport", detail=f"the agent can't be started ({error.strerror})")
            except _Gone as gone:
                await process.kill()
                return Trouble(code=gone.code, detail=gone.detail, retryable=gone.code == "crashed")
            except BaseException:
                await process.kill()
                raise
            self._idle.append(process)
            return read_reply(reply, str(line["case_id"]))

    async def close(self) -> None:
        """End every process: first by the end of its input, then by force."""
        await asyncio.gather(*(process.end() for process in self._idle))
        self._idle.clear()


class _Gone(Exception):
    def __init__(self, code: str, detail: str) -> None:
        self.code, self.detail = code, detail
        super().__init__(detail)


class _Process:
    """One process, and the end of what it said on standard error."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._said: deque[bytes] = deque(maxlen=64)
        self._listening: asyncio.Task[None] | None = None
        self._heard: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._hearing: asyncio.Task[None] | None = None

    @property
    def fit(self) -> bool:
        """Whether it runs, and has said nothing since its last answer: that would be taken for the next case's."""
        return self._process is not None and self._process.returncode is None and self._heard.empty()

    async def start(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        own_group = {} if sys.platform == "win32" else {"start_new_session": True}
        self._process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=MAX_REPLY_BYTES,
            env=environment,
            **own_group,  # type: ignore[arg-type]
        )
        self._listening = asyncio.create_task(self._listen(self._process.stderr))
        self._heard = asyncio.Queue(maxsize=2)  # an answer, and what follows it unasked
        self._hearing = asyncio.create_task(self._hear(self._process.stdout, self._heard))

    async def _hear(self, stream: asyncio.StreamReader | None, heard: asyncio.Queue[bytes | None]) -> None:
        """Put each line into the queue; None for one beyond the limit, and what has no line feed at the end."""
        raw: bytes | None = b"\n"
        while stream is not None and raw is not None and raw.endswith(b"\n"):
            try:
                raw = await stream.readline()
            except ValueError:
                raw = None
            await heard.put(raw)

    async def _listen(self, stream: asyncio.StreamReader | None) -> None:
        while stream is not None and (chunk := await stream.read(512)):
            self._said.append(chunk)

    async def exchange(self, line: Mapping[str, Any]) -> Any:
        process = self._process
        assert process is not None  # noqa: S101 - started before
        assert process.stdin is not None  # noqa: S101
        try:
            process.stdin.write(json.dumps(tracing.without(line), ensure_ascii=False).encode() + b"\n")
            await process.stdin.drain()
            raw = await self._heard.get()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _Gone("crashed", await self._last_words()) from error
        if raw is None:
            raise _Gone("too_large", f"the reply is larger than {MAX_REPLY_BYTES >> 20} MiB")
        if not raw.endswith(b"\n"):
            raise _Gone("crashed", await self._last_words())
        try:
            return parse_json(raw)
        except NotJson as error:
            raise _Gone("bad_reply", f"the reply is not one line of JSON that can be used: {error}") from error

    async def _last_words(self) -> str:
        """Why it ended: its status, and the last line on standard error, without what looks like a secret."""
        assert self._process is not None  # noqa: S101
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 1)
        if self._listening is not None:
            await asyncio.wait([self._listening], timeout=0.2)
        text = b"".join(self._said)[-KEPT_STDERR:].decode("utf-8", "replace").strip()
        last = scrub(text.splitlines()[-1])[:300] if text else "it said nothing"
        return f"the agent ended with status {self._process.returncode}: {last}"

    async def end(self) -> None:
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), ENDS_WITHIN_S)
        except TimeoutError:
            await self.kill()
        self._stop_listening()

    async def kill(self) -> None:
        """End it and what it started."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                process.kill()
            else:
                import signal

                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        self._stop_listening()

    def _stop_listening(self) -> None:
        for task in (self._listening, self._hearing):
            if task is not None:
                task.cancel()
