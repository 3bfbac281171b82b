"""The deploy drill: an Inngest function of several long steps. Each says durably that it began, and that it ended.

Install it in the worker that a deploy replaces:

    from runtime.drill import RedisLines, drill
    functions = [..., drill(client, RedisLines(redis_client))]

Greenlight sends the event, has the worker deployed in the middle, and counts the lines. Inngest's own trace doesn't
tell that the body of a step began twice; these lines do. A body is not idempotent, on purpose: it is what is counted.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import inngest
import redis.asyncio

EVENT = "greenlight/drill"
FUNCTION = "greenlight-drill"
STEPS_S = (10.0, 60.0, 300.0)
RETRIES = 4  # a worker that is away uses up tries: with fewer, a deploy could fail the run
KEPT_S = 7 * 86_400
MOST_STEPS, LONGEST_STEP_S = 20, 3600.0
_ID = re.compile(r"[A-Za-z0-9_-]{4,64}")
_LOADED = time.monotonic()  # as good as the start of the process, for a worker that installs this


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """What a step's body says. `attempt` names one execution of it, `run` the run; `up_s` is the process's age."""

    id: str
    run: str
    step: int  # 1 is the first; the one after the last only closes the drill
    attempt: str
    phase: Literal["begin", "end"]
    worker: str
    up_s: float


class Lines(Protocol):
    """Where lines go. One that was taken is never lost; it is stamped with the time there (`at`, s since 1970)."""

    async def append(self, line: Line) -> None:
        """Keep it durably before coming back. Raises where that isn't possible: the step is then tried again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What an event asks for."""

    id: str
    steps_s: tuple[float, ...]


class RedisLines:
    """The application's own Redis: a list for each drill, kept for seven days. The time is the server's, one for all
    workers."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def append(self, line: Line) -> None:
        """Push it."""
        second, micro = await self._client.time()
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.rpush(key(line.id), text(line, int(second) + int(micro) / 1e6))
            pipe.expire(key(line.id), KEPT_S)
            await pipe.execute()


class FileLines:
    """A file of JSON lines, for workers on one machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def append(self, line: Line) -> None:
        """Write it whole, and wait for the disk."""
        await asyncio.to_thread(self._write, line)

    def _write(self, line: Line) -> None:
        data = b"\n" + text(line, time.time()).encode() + b"\n"  # an earlier line that was torn ends here
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError("the line was written in part")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def key(drill_id: str) -> str:
    """The list of a drill's lines."""
    return f"greenlight:drill:{drill_id}"


def text(line: Line, at: float) -> str:
    """A line as it is kept."""
    return json.dumps(asdict(line) | {"at": round(at, 4)}, separators=(",", ":"))


def plan(data: Mapping[str, Any]) -> Plan:
    """What an event asks for. Raises ValueError where it isn't one of ours, or asks for too much."""
    id_, steps = data.get("id"), data.get("steps_s", list(STEPS_S))
    if not isinstance(id_, str) or _ID.fullmatch(id_) is None:
        raise ValueError("id must be 4 to 64 letters, digits, _ or -")
    if not isinstance(steps, list) or not 0 < len(steps) <= MOST_STEPS:
        raise ValueError(f"steps_s must be a list of 1 to {MOST_STEPS} numbers")
    for step in steps:
        if isinstance(step, bool) or not isinstance(step, (int, float)) or not math.isfinite(step):
            raise ValueError("steps_s must hold numbers of seconds")
        if not 0 <= step <= LONGEST_STEP_S:
            raise ValueError(f"a step takes 0 to {LONGEST_STEP_S:g} s")
    return Plan(id=id_, steps_s=tuple(float(step) for step in steps))


def drill(client: inngest.Inngest, lines: Lines, *, retries: int = RETRIES, worker: str = "") -> inngest.Function[Any]:
    """The function, to be served or connected beside your own. `worker` names this process; by default host and pid."""
    if retries < RETRIES:
        raise ValueError(f"retries must be {RETRIES} or more: a worker that is being replaced uses up tries")
    name = worker or f"{socket.gethostname()}-{os.getpid()}"

    @client.create_function(fn_id=FUNCTION, trigger=inngest.TriggerEvent(event=EVENT), retries=retries)
    async def run(context: inngest.Context) -> dict[str, Any]:
        try:
            asked = plan(context.event.data)
        except ValueError as error:  # trying again would not help
            raise inngest.NonRetriableError(str(error)) from error
        # The closing step takes no time: it shows that work goes on after the last one.
        for number, seconds in enumerate((*asked.steps_s, 0.0), 1):
            body = partial(_body, lines, asked.id, context.run_id, number, seconds, name)
            await context.step.run(f"step-{number}", body)
        return {"id": asked.id, "steps": len(asked.steps_s)}

    return run


async def _body(lines: Lines, id_: str, run: str, number: int, seconds: float, worker: str) -> str:
    attempt = secrets.token_hex(6)

    def line(phase: Literal["begin", "end"]) -> Line:
        up_s = round(time.monotonic() - _LOADED, 3)
        return Line(id=id_, run=run, step=number, attempt=attempt, phase=phase, worker=worker[:120], up_s=up_s)

    await lines.append(line("begin"))
    await asyncio.sleep(seconds)
    await lines.append(line("end"))
    return attempt
