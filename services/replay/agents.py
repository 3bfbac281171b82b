"""How an agent is asked. A specification names one of three ways; trouble with the way is a value, never an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from services.errors import GreenlightError
from services.replay.model import Answer, ToolCall, Trouble

MAX_REPLY_BYTES = 4 << 20
MAX_TOOL_CALLS = 1000
REFERENCE = "reference"


class WrongAgent(GreenlightError):
    """A specification that names no agent; the message says which forms there are."""


class Agent(Protocol):
    """Something that answers cases. `label` is fit for pages and reports: no secret is in it."""

    @property
    def label(self) -> str: ...

    async def ask(self, line: Mapping[str, Any], timeout_s: float, *, repeat: int = 1) -> Answer | Trouble:
        """One case's answer, or why there is none; `repeat` counts from 1. Never raises for the agent's fault."""
        ...

    async def close(self) -> None:
        """Let go of processes and connections."""
        ...


def open_agent(spec: str, *, concurrency: int, token: str | None = None, variables: Sequence[str] = ()) -> Agent:
    """The agent that a specification names: `command:…`, `http(s)://…`, `recorded:…`, or the reference agent.

    A command is given a few harmless variables of ours, and those that `variables` names.
    """
    if spec == REFERENCE:
        import sys

        from services.replay.agent_command import CommandAgent

        words = [sys.executable, "-m", "examples.swarm.agent"]
        return CommandAgent(words, concurrency=min(concurrency, 4), label=REFERENCE)
    if spec.startswith("command:"):
        import shlex

        from services.replay.agent_command import CommandAgent

        try:
            words = shlex.split(spec.removeprefix("command:"))
        except ValueError as error:
            raise WrongAgent(f"The command of --agent can't be read: {error}.") from error
        if not words:
            raise WrongAgent("command: names no command. Write command:<command line>.")
        return CommandAgent(words, concurrency=concurrency, label=label_of(spec), variables=variables)
    if spec.startswith(("http://", "https://")):
        from services.replay.agent_http import HttpAgent

        return HttpAgent(spec, token=token)
    if spec.startswith("recorded:"):
        from services.replay.agent_recorded import RecordedAgent

        return RecordedAgent(spec.removeprefix("recorded:"), label=label_of(spec))
    raise WrongAgent(
        f"{spec[:80]!r} names no agent. Write command:<command line>, http(s)://…, recorded:<file.jsonl>, or reference."
    )


def label_of(spec: str) -> str:
    """The specification without user name, password and query, which may hold secrets."""
    if not spec.startswith(("http://", "https://")):
        from services.redact import scrub

        return scrub(spec)[:200]
    parts = urlsplit(spec)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:200]


def read_reply(reply: Any, case_id: str) -> Answer | Trouble:
    """An agent's line as an answer. A reply of the wrong form is trouble: nothing can be said about its content."""
    if not isinstance(reply, dict) or "output" not in reply:
        return Trouble(code="bad_reply", detail="the reply is not an object with an output")
    if reply.get("case_id") not in (None, case_id):
        return Trouble(code="bad_reply", detail="the reply is for another case")
    if not isinstance(reply["output"], (str, dict, list)):
        return Trouble(code="bad_reply", detail="output is neither text nor an object nor a list")
    calls = reply.get("tool_calls") or []
    if not isinstance(calls, list) or len(calls) > MAX_TOOL_CALLS:
        return Trouble(code="bad_reply", detail=f"tool_calls is not a list of at most {MAX_TOOL_CALLS}")
    read = []
    for call in calls:
        if not isinstance(call, dict) or not isinstance(call.get("tool"), str):
            return Trouble(code="bad_reply", detail="a tool call has no tool")
        arguments, status = call.get("arguments") or {}, call.get("status", "ok")
        if not isinstance(arguments, dict) or status not in ("ok", "error"):
            return Trouble(code="bad_reply", detail="a tool call's arguments or status are of the wrong form")
        read.append(ToolCall(tool=call["tool"], arguments=arguments, status=status))
    usage, state, ended = reply.get("usage"), reply.get("state"), reply.get("ended")
    if state is not None and (not isinstance(state, dict) or not set(state) <= {"before", "after"}):
        return Trouble(code="bad_reply", detail="state is not an object with before and after")
    if ended is not None and not isinstance(ended, str):
        return Trouble(code="bad_reply", detail="ended is not a text")
    return Answer(output=reply["output"], tool_calls=tuple(read), usage=usage if isinstance(usage, dict) else {},
                  state=state, ended=ended)  # fmt: skip
