"""Moves runs as Inngest would, where no server is. Simulated: events and registrations come in, functions are called.

It speaks to the real SDK as v1.43 does: signed calls, steps whose results are kept, another try where a worker is away.
Calls go to the address that an application registered last; runs are forgotten at the end of this process.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import jcs

RETRY_S = 2.0  # with the real server 15 to 45 s
CALL_S = 3700.0
MOST_RUNS = 200


@dataclass(kw_only=True, slots=True)
class Run:
    """A run in progress, or one that has ended. `steps` are the results so far, by the SDK's id of the step."""

    id: str
    event_id: str
    app: str
    function: dict[str, Any]
    event: dict[str, Any]
    status: str = "RUNNING"
    queued_s: float = field(default_factory=time.time)
    ended_s: float | None = None
    steps: dict[str, Any] = field(default_factory=dict)


class Mover:
    """Takes events for the registered functions, and walks their runs."""

    def __init__(self, signing_key: str | None) -> None:
        self._key = re.sub(r"^signkey-\w+-", "", signing_key or "")
        self._apps: dict[str, tuple[str, list[dict[str, Any]]]] = {}  # by name: address and functions
        self._runs: list[Run] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def register(self, found: dict[str, Any]) -> None:
        """An application says where it is, and what it has. Raises KeyError or TypeError for anything else."""
        self._apps[str(found["appname"])] = str(found["url"]), [dict(item) for item in found["functions"]]

    def take(self, event: dict[str, Any]) -> str:
        """An event; its id. The same id again starts nothing."""
        mark = str(event.get("id") or secrets.token_hex(8))
        event_id = "01" + hashlib.sha256(mark.encode()).hexdigest()[:24].upper()
        if any(run.event_id == event_id for run in self._runs):
            return event_id
        wanted = [(app, function) for app, (_, functions) in self._apps.items() for function in functions
                  if any(trigger.get("event") == event.get("name") for trigger in function["triggers"])]  # fmt: skip
        for app, function in wanted:
            run = Run(id="01" + secrets.token_hex(12).upper(), event_id=event_id, app=app, function=function,
                      event=event | {"id": mark})  # fmt: skip
            self._runs = [*self._runs[-MOST_RUNS:], run]
            task = asyncio.create_task(self._walk(run))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return event_id

    def rows(self, event_id: str = "") -> list[dict[str, Any]]:
        """Runs as the API lists them: of an event, or all."""
        return [_row(run) for run in self._runs if event_id in {"", run.event_id}]

    async def _walk(self, run: Run) -> None:
        """Call until the function returns; a step's result is kept, and never asked for again."""
        tries = 1 + int(next(iter(run.function["steps"].values()))["retries"]["attempts"])
        attempt = 0
        while run.status == "RUNNING":
            status, body, is_final = await self._call(run, attempt, tries)
            done = [op for op in body if isinstance(op, dict)] if status == 206 and isinstance(body, list) else []
            errors = [op for op in done if op.get("op") == "StepError"]
            if status == 200:
                run.status = "COMPLETED"
            elif done and not errors:
                run.steps |= {op["id"]: {"data": op.get("data")} for op in done}
                attempt = 0
            elif is_final or attempt + 1 >= tries:
                run.status = "FAILED"
            else:
                attempt += 1
                await asyncio.sleep(RETRY_S)
        run.ended_s = time.time()

    async def _call(self, run: Run, attempt: int, tries: int) -> tuple[int, Any, bool]:
        body = jcs.canonicalize({
            "ctx": {"attempt": attempt, "max_attempts": tries, "disable_immediate_execution": False, "run_id": run.id,
                    "stack": {"stack": list(run.steps)}, "use_api": False},
            "event": run.event, "events": [run.event], "steps": run.steps, "use_api": False,
        })  # fmt: skip
        at = int(time.time())
        signed = hmac.new(self._key.encode(), body + str(at).encode(), hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "x-run-id": run.id, "x-inngest-signature": f"t={at}&s={signed}"}
        try:
            async with httpx.AsyncClient(timeout=CALL_S, trust_env=False) as client:
                query = {"fnId": run.function["id"], "stepId": "step"}
                answer = await client.post(self._apps[run.app][0], params=query, content=body, headers=headers)
            return answer.status_code, answer.json(), answer.headers.get("x-inngest-no-retry") == "true"
        except (httpx.HTTPError, json.JSONDecodeError):
            return 0, None, False


def _row(run: Run) -> dict[str, Any]:
    name = run.function["id"]
    return {"id": run.id, "status": run.status, "queuedAt": _text(run.queued_s), "startedAt": _text(run.queued_s),
            "endedAt": None if run.ended_s is None else _text(run.ended_s), "app": {"id": run.app},
            "function": {"id": name, "name": run.function.get("name") or name},
            "trigger": {"eventIds": [run.event_id]}}  # fmt: skip


def _text(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
