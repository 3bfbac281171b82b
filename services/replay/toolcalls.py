"""Whether the agent called the tools that it must, in the right way, and no others. Pure checks on lists of calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from services.redact import scrub
from services.replay import patterns
from services.replay.model import ToolCall

Result = tuple[bool, str]  # whether the expectation is met, and why not (or how) in words


def required(calls: Sequence[ToolCall], wanted: Mapping[str, Any]) -> Result:
    """A call of the tool with matching arguments; `match` is equal, subset or regex, `ignore` leaves fields out."""
    same = [call for call in calls if call.tool == wanted["tool"]]
    if not same:
        return False, f"{wanted['tool']} was not called"
    if "status" in wanted:
        same = [call for call in same if call.status == wanted["status"]]
    for call in same:
        if matches(call.arguments, wanted):
            return True, f"{wanted['tool']} was called as expected"
    if not same:
        return False, f"{wanted['tool']} was called, but never with status {wanted['status']}"
    return False, f"{wanted['tool']} was called with {_difference(same[-1].arguments, wanted)}"


def forbidden(calls: Sequence[ToolCall], wanted: Mapping[str, Any]) -> Result:
    """No call of the tool (with matching arguments, where some are given)."""
    for call in calls:
        if call.tool in _names(wanted) and ("arguments" not in wanted or matches(call.arguments, wanted)):
            return False, f"{call.tool} was called, which is forbidden here"
    return True, "no forbidden tool was called"


def order(calls: Sequence[ToolCall], wanted: Mapping[str, Any]) -> Result:
    """The tools in this order, others in between allowed."""
    names = [call.tool for call in calls]
    place = -1
    for tool in wanted["tools"]:
        try:
            place = names.index(tool, place + 1)
        except ValueError:
            return False, f"{tool} did not come in the expected order"
    return True, "the tools came in the expected order"


def at_most(calls: Sequence[ToolCall], wanted: Mapping[str, Any]) -> Result:
    """No more than n calls of the tool."""
    count = sum(call.tool == wanted["tool"] for call in calls)
    return count <= wanted["n"], f"{wanted['tool']} was called {count} times; at most {wanted['n']} are allowed"


def final_writes(calls: Sequence[ToolCall], wanted: Mapping[str, Any]) -> Result:
    """The set of writing calls that succeeded is exactly the expected one; read-only tools don't count."""
    readers = tuple(wanted.get("read_only", ()))
    made = [c for c in calls if c.status == "ok" and c.tool not in readers]
    left = list(made)
    for write in wanted["writes"]:
        hit = next((c for c in left if c.tool == write["tool"] and matches(c.arguments, write)), None)
        if hit is None:
            return False, f"the expected write {write['tool']} is missing"
        left.remove(hit)
    if left:
        return False, f"{left[0].tool} wrote something that was not expected"
    return True, "exactly the expected writes were made"


def matches(arguments: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a call's arguments are the wanted ones."""
    if "arguments" not in wanted:
        return True
    ignored = set(wanted.get("ignore", ()))
    expected = {k: v for k, v in wanted["arguments"].items() if k not in ignored}
    actual = {k: v for k, v in arguments.items() if k not in ignored}
    mode = wanted.get("match", "subset")
    if mode == "equal":
        return actual == expected
    if mode == "regex":
        return all(k in actual and patterns.found(str(v), str(actual[k])) for k, v in expected.items())
    return all(k in actual and actual[k] == v for k, v in expected.items())


MOST_SHOWN = 80
MOST_FIELDS = 4


def _difference(actual: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """`amount 120, asked 100`: the arguments that are not as asked, without what looks like a secret."""
    ignored = set(wanted.get("ignore", ()))
    expected = {k: v for k, v in wanted.get("arguments", {}).items() if k not in ignored}
    wrong = [
        k for k, v in expected.items() if not matches(actual, {**wanted, "arguments": {k: v}, "match": _one(wanted)})
    ]
    parts = [f"{k} {_shown(actual[k]) if k in actual else 'left out'}, asked {_shown(expected[k])}" for k in wrong]
    if not wrong:  # equal was asked, and there is more than that
        extra = sorted(set(actual) - set(expected) - ignored)
        parts = [f"{k} {_shown(actual[k])}, asked was nothing" for k in extra]
    return scrub("; ".join(parts[:MOST_FIELDS]))


def _one(wanted: Mapping[str, Any]) -> str:
    return "regex" if wanted.get("match") == "regex" else "subset"


def _shown(value: Any) -> str:
    text = " ".join(json.dumps(value, ensure_ascii=False, default=str).split())
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"


def _names(wanted: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(wanted["tools"]) if "tools" in wanted else (wanted["tool"],)
