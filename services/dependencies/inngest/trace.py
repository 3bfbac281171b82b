"""A run's trace: which steps it took, how long each try of one lasted, and what it does now. Pure.

Two sources say it: REST v2 leaves out tries that failed, GraphQL (self-hosted servers) has them. Source: inngest.md
§4 and §9.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.clock import moment_ms
from services.dependencies.model import StepSeen

QUERY = (
    "query($id:String!){runTrace(runID:$id){startedAt childrenSpans{name status stepOp startedAt endedAt "
    "childrenSpans{name status startedAt endedAt}}}}"
)
WORK = "RUN"
WAITS = frozenset({"SLEEP", "WAIT_FOR_EVENT", "WAIT_FOR_SIGNAL", "INVOKE"})  # nothing of ours is at work meanwhile
END = "Finalization"  # the span of what a function does outside its steps
BODY = "the function itself"
MOST = 1000  # steps of a run that are read
# Parts of a step's name that differ from run to run: names that differ in nothing else are one kind of step.
_CHANGING = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-zA-Z])[0-9a-f]{12,}(?![0-9a-zA-Z])|[0-9]+"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """`tries`: those that ended, oldest first. `open`: those at work. `waits`: it sleeps, or waits for something else.

    `has_failures`: whether tries that failed would be among them.
    """

    progress_ms: int | None
    started_ms: int | None
    tries: tuple[StepSeen, ...]
    open: tuple[StepSeen, ...]
    waits: bool
    has_failures: bool


def of_rest(data: Any) -> Trace:
    """The `data` of `/v2/runs/{id}/trace`."""
    root = data.get("rootSpan") if isinstance(data, dict) else None
    return _trace(root, "children", max(moments(data), default=None), has_failures=False)


def of_graphql(data: Mapping[str, Any]) -> Trace:
    """The `data` of a GraphQL answer to QUERY."""
    root = data.get("runTrace")
    return _trace(root, "childrenSpans", max(moments(root), default=None), has_failures=True)


def _trace(root: Any, below: str, progress_ms: int | None, *, has_failures: bool) -> Trace:
    found = list(_tries(root, below))
    ended = sorted((t for t in found if t.took_s is not None), key=lambda t: t.started_ms)
    return Trace(
        progress_ms=progress_ms,
        started_ms=moment_ms(root.get("startedAt")) if isinstance(root, dict) else None,
        tries=tuple(ended[:MOST]),
        open=tuple(t for t in found if t.took_s is None),
        waits=any(_word(s.get("stepOp")) in WAITS and moment_ms(s.get("endedAt")) is None for s in _spans(root, below)),
        has_failures=has_failures,
    )


def _spans(root: Any, below: str) -> list[Mapping[str, Any]]:
    children = root.get(below) if isinstance(root, dict) else None
    return [span for span in children if isinstance(span, dict)] if isinstance(children, list) else []


def _tries(root: Any, below: str) -> Iterator[StepSeen]:
    """Each try of each step. A step without spans of tries below it was tried once."""
    for span in _spans(root, below):
        is_body = span.get("name") == END and not span.get("stepOp")
        if _word(span.get("stepOp")) != WORK and not is_body:
            continue
        name = BODY if is_body else kind_of_step(span.get("name"))
        before = 0
        for one in _spans(span, below) or [span]:
            begun, ended = moment_ms(one.get("startedAt")), moment_ms(one.get("endedAt"))
            if begun is None:
                continue
            took_s = None if ended is None else max(0.0, (ended - begun) / 1000)
            failed = _word(one.get("status")) == "FAILED"
            yield StepSeen(name=name, started_ms=begun, took_s=took_s, failed=failed, again=before > 0)
            before += 1


def kind_of_step(name: object) -> str:
    """A step's name without what differs from run to run, so that `item-17` and `item-18` are one kind."""
    text = " ".join(name.split()) if isinstance(name, str) else ""
    return _CHANGING.sub("#", text)[:200] or "unnamed"


def _word(value: object) -> str:
    """A word of the API without the prefix that older servers write."""
    return re.sub(r"^TRACE_(?:STEP_OP|SPAN_STATUS)_", "", value) if isinstance(value, str) else ""


def moments(value: object, depth: int = 0) -> list[int]:
    """Every moment in a nested answer: a trace's shape is the server's own affair, its times are progress."""
    if depth > 40:
        return []
    if isinstance(value, dict):
        return [m for item in value.values() for m in moments(item, depth + 1)]
    if isinstance(value, list):
        return [m for item in value for m in moments(item, depth + 1)]
    found = moment_ms(value)
    return [] if found is None else [found]
