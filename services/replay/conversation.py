"""The answers of a conversation as one: what was said last, all that was done. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.replay.model import Answer


def as_one(turns: Sequence[Answer]) -> Answer:
    """The last turn's output, the calls of all turns, what they took together, the state from first to last."""
    last = turns[-1]
    states = [turn.state for turn in turns if turn.state is not None]
    return replace(
        last, tool_calls=tuple(call for turn in turns for call in turn.tool_calls), usage=_together(turns),
        state=_from_to(states), turns=tuple(turns),
    )  # fmt: skip


def _together(turns: Sequence[Answer]) -> dict[str, Any]:
    """Numbers are added where every turn reports them; another value is the last one's."""
    names = set.intersection(*(set(turn.usage) for turn in turns))
    found: dict[str, Any] = {}
    for name in sorted(names):
        values = [turn.usage[name] for turn in turns]
        is_number = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        found[name] = sum(values) if is_number else values[-1]
    return found


def _from_to(states: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if not states:
        return None
    before = next((state["before"] for state in states if "before" in state), None)
    after = next((state["after"] for state in reversed(states) if "after" in state), None)
    return {name: value for name, value in (("before", before), ("after", after)) if value is not None}
