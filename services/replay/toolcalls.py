"""Whether the agent called the tools that it must, in the right way, and no others. Pure checks on lists of calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from services.redact import scrub
from services.replay import matching, patterns
from services.replay.assignment import assigned
from services.replay.matching import Compare
from services.replay.model import ToolCall

_DEEP = frozenset({"deep", "deep_equal"})
Result = tuple[bool, str]  # whether the expectation is met, and why not (or how) in words


def required(calls: Sequence[ToolCall], wanted: Mapping[str, Any]) -> Result:
    """A call of the tool with matching arguments; `match` is equal, subset or regex, `ignore` leaves fields out."""
    same = [call for call in calls if named(call.tool, (wanted["tool"],))]
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
        if named(call.tool, _names(wanted)) and ("arguments" not in wanted or matches(call.arguments, wanted)):
            return False, f"{call.tool} was called, which is forbidden here"
    return True, "no forbidden tool was called"


def order(calls: Sequence[ToolCall], wanted: Mapping[str, Any]) -> Result:
    """The tools in this order, others in between allowed; with `exact` only those that are free."""
    names, place = [call.tool for call in calls], -1
    free, used = (*wanted.get("optional", ()), *wanted.get("read_only", ())), set()
    for tool in wanted["tools"]:
        place = next((n for n in range(place + 1, len(names)) if named(names[n], (tool,))), -1)
        if place == -1:
            return False, f"{tool} did not come in the expected order: {', '.join(names) or 'nothing'} was called"
        used.add(place)
    extra = [name for n, name in enumerate(names) if n not in used and not named(name, free)]
    if wanted.get("exact", False) and extra:
        return False, f"{extra[0]} was called, which is not in the exact order"
    return True, "the tools came in the expected order"


def at_most(calls: Sequence[ToolCall], wanted: Mapping[str, Any]) -> Result:
    """No more than n calls of the tool."""
    count = sum(named(call.tool, (wanted["tool"],)) for call in calls)
    return count <= wanted["n"], f"{wanted['tool']} was called {count} times; at most {wanted['n']} are allowed"


def final_writes(calls: Sequence[ToolCall], wanted: Mapping[str, Any]) -> Result:
    """The set of writing calls that succeeded is exactly the expected one; read-only tools don't count."""
    readers = tuple(wanted.get("read_only", ()))
    made = [c for c in calls if c.status == "ok" and not named(c.tool, readers)]
    made = _last_of(made, wanted.get("last_of", {}))
    if wanted.get("repeats") == "ignore":
        made = [c for n, c in enumerate(made) if not any(_is_same(c, other) for other in made[:n])]
    shared = {name: wanted[name] for name in matching.FIELDS if name in wanted}
    writes = [{**shared, **write} for write in wanted["writes"]]
    free, missing = _assigned(made, writes)
    if missing is not None:
        near = [c for c in made if named(c.tool, (missing["tool"],))]
        found = f"; it was called with {_difference(near[-1].arguments, missing)}" if near else ""
        return False, f"the expected write {missing['tool']} is missing{found}"
    allowed = [{**shared, **write} for write in wanted.get("optional_writes", ())]
    extra = next((c for c in free if not any(_fits(c, write) for write in allowed)), None)
    if extra is not None:
        return False, f"{extra.tool} wrote something that was not expected: {_shown(dict(extra.arguments))}"
    return True, "exactly the expected writes were made"


def _assigned(
    made: Sequence[ToolCall], writes: Sequence[Mapping[str, Any]]
) -> tuple[list[ToolCall], Mapping[str, Any] | None]:
    """A call for each write, and what is left. The second value is a write that no call is left for."""
    taken, missing = assigned([[_fits(call, write) for call in made] for write in writes])
    if missing is not None:
        return list(made), writes[missing]
    return [call for n, call in enumerate(made) if n not in taken], None


def _fits(call: ToolCall, write: Mapping[str, Any]) -> bool:
    return named(call.tool, (write["tool"],)) and matches(call.arguments, write)


def _is_same(left: ToolCall, right: ToolCall) -> bool:
    return left.tool == right.tool and left.arguments == right.arguments


def _last_of(calls: Sequence[ToolCall], keys: Mapping[str, Sequence[str]]) -> list[ToolCall]:
    """Of calls of one tool about the same thing, the last alone: it is what stands in the end."""
    last: dict[str, int] = {}
    for number, call in enumerate(calls):
        last[_about(call, keys) or str(number)] = number
    return [call for number, call in enumerate(calls) if last[_about(call, keys) or str(number)] == number]


def _about(call: ToolCall, keys: Mapping[str, Sequence[str]]) -> str:
    """What a call is about, by the arguments that name it; "" for a tool of which each call counts."""
    names = next((names for pattern, names in keys.items() if named(call.tool, (pattern,))), None)
    if names is None:
        return ""
    return json.dumps([call.tool, [call.arguments.get(name) for name in names]], sort_keys=True, default=str)


def named(tool: str, patterns_: Sequence[str]) -> bool:
    """Whether a tool is one of these; `*` in a pattern stands for any letters."""
    return any(tool == pattern or ("*" in pattern and fnmatchcase(tool, pattern)) for pattern in patterns_)


def matches(arguments: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a call's arguments are the wanted ones."""
    if "arguments" not in wanted:
        return True
    ignored = set(wanted.get("ignore", ()))
    expected = {k: v for k, v in wanted["arguments"].items() if k not in ignored}
    actual = {k: v for k, v in arguments.items() if k not in ignored}
    mode = wanted.get("match", "subset")
    if mode in _DEEP:
        how = Compare.from_expectation(wanted, whole=mode == "deep_equal")
        return matching.difference(arguments, wanted["arguments"], how) is None
    if mode == "equal":
        return actual == expected
    if mode == "regex":
        return all(k in actual and patterns.found(str(v), str(actual[k])) for k, v in expected.items())
    return all(k in actual and actual[k] == v for k, v in expected.items())


MOST_SHOWN = 80
MOST_FIELDS = 4


def _difference(actual: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """`amount 120, asked 100`: the arguments that are not as asked, without what looks like a secret."""
    if wanted.get("match") in _DEEP:
        how = Compare.from_expectation(wanted, whole=wanted["match"] == "deep_equal")
        return matching.difference(actual, wanted.get("arguments", {}), how) or ""
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
