"""The steps of functions that are at work in this process, by name: what a stop waits for, and what it had to cut."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Step:
    """A step's body at work."""

    function: str
    name: str
    run_id: str
    began_s: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        took = time.monotonic() - self.began_s
        return f"step {self.name!r} of {self.function}, after {took:.1f} s (run {self.run_id[:40]})"


class Steps:
    """Names what is at work, and counts the calls for it that are still to be answered."""

    def __init__(self) -> None:
        self._bodies: dict[int, Step] = {}
        self.calls = 0
        self.cutting = False  # from then on a call that is cancelled was cut by the stop, which says so itself

    @property
    def bodies(self) -> tuple[Step, ...]:
        """The bodies at work, oldest first."""
        return tuple(self._bodies.values())

    async def run(self, function: str, run_id: str, name: str, body: Callable[[], Awaitable[T]]) -> T:
        """Run a step's body."""
        with self._noted(Step(function=function, name=name, run_id=run_id)):
            return await body()

    @contextlib.contextmanager
    def _noted(self, step: Step) -> Iterator[None]:
        self._bodies[id(step)] = step
        try:
            yield
        finally:
            del self._bodies[id(step)]


class Counted:
    """ASGI middleware that counts the calls of one path; one that a stop cuts ends without a traceback."""

    def __init__(self, app: ASGIApp, steps: Steps, path: str) -> None:
        self._app, self._steps, self._path = app, steps, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on."""
        if scope.get("path") != self._path or scope.get("method") != "POST":
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        self._steps.calls += 1
        try:
            await self._app(scope, receive, sending)
        except BaseException:
            if not self._steps.cutting:
                raise
            if not begun:  # the server takes it for a failed try
                await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._steps.calls -= 1
