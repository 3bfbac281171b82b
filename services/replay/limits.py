"""What an answer took: calls, steps, cost, tokens, time, and how it ended. What isn't reported is never met."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from services.replay.model import Answer, GoldenCase
from services.replay.reading import shown
from services.replay.toolcalls import Result, named

PROPER = ("ok", "completed", "complete", "done", "stop", "end_turn", "success", "succeeded", "finished")


def call_count(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    """How many tools were called, of all or of some."""
    tools = wanted.get("tools", ("*",))
    count = sum(named(call.tool, tools) for call in answer.tool_calls)
    return _within(wanted, count, "tool calls")


def step_count(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    """How many steps the agent says that it took."""
    found = _reported(answer, "steps", "turns")
    return (False, "the number of steps is not reported") if found is None else _within(wanted, found, "steps")


def cost(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    """What the agent says that its answer cost, in US dollars."""
    found = _reported(answer, "cost_usd", "cost")
    return _at_most(found, wanted["max_usd"], "cost", " USD")


def tokens(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    """How many tokens the agent says that its answer took."""
    found = _reported(answer, "total_tokens", "tokens")
    if found is None:
        parts = (
            _reported(answer, "input_tokens", "prompt_tokens"),
            _reported(answer, "output_tokens", "completion_tokens"),
        )
        found = None if None in parts else sum(part for part in parts if part is not None)
    return _at_most(found, wanted["max_tokens"], "number of tokens", "")


def latency(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    """How long the harness waited for the answer."""
    return _at_most(answer.duration_ms, wanted["max_ms"], "time", " ms")


def ended(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    """Whether the agent says that it came to a proper end."""
    if answer.ended is None:
        return False, "how it ended is not reported"
    is_met = answer.ended.strip().casefold() in {each.casefold() for each in wanted.get("ended", PROPER)}
    return is_met, f"it ended as {shown(answer.ended)}"


def _reported(answer: Answer, *names: str) -> float | None:
    for name in names:
        value = answer.usage.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
            return value
    return None


def _at_most(found: float | None, most: float, what: str, unit: str) -> Result:
    if found is None:
        return False, f"the {what} is not reported"
    return found <= most, f"the {what} is {found:g}{unit}; at most {most:g}{unit} is allowed"


def _within(wanted: Mapping[str, Any], found: float, what: str) -> Result:
    low, high = wanted.get("min"), wanted.get("max")
    fits = (low is None or found >= low) and (high is None or found <= high)
    return fits, f"there were {found:g} {what}; {low or 0:g} to {'any' if high is None else f'{high:g}'} are expected"
