"""An expected answer, as tables and lists of questions hold it, as an expectation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.replay.authoring.cases import CRITERION

LONGEST = 200  # characters; a longer text is hardly ever repeated word for word, so a person says what must hold
HOW = ("contains", "equals")


def expectation(answer: Any, *, how: str, path: str = "") -> dict[str, Any] | None:
    """What an answer must be or hold: a text, a number, one of several texts; None where a person must say it."""
    several = answer if isinstance(answer, Sequence) and not isinstance(answer, str) else [answer]
    texts = [_text(item) for item in several]
    if not texts or any(text is None or not text.strip() or len(text) > LONGEST for text in texts):
        return None
    made: dict[str, Any] = {"criterion": CRITERION, "kind": "text_contains"}
    if path:
        made["path"] = path
    kept = [text.strip() for text in texts if text is not None]
    if how == "equals" and len(kept) == 1:
        return made | {"equals": kept[0]}
    return made | ({"all_of": kept} if len(kept) == 1 else {"any_of": kept})


def calls(tools: Any) -> list[dict[str, Any]]:
    """Tools that must be called, from a list of names, or of objects with a name and arguments."""
    made = []
    for tool in tools if isinstance(tools, Sequence) and not isinstance(tools, str) else []:
        name, arguments = (tool, None) if isinstance(tool, str) else _call(tool)
        if not name:
            continue
        one: dict[str, Any] = {"criterion": CRITERION, "kind": "tool_required", "tool": name}
        made.append(one | ({"arguments": arguments, "match": "subset"} if arguments else {}))
    return made


def _call(tool: Any) -> tuple[str, Mapping[str, Any] | None]:
    if not isinstance(tool, Mapping):
        return "", None
    own = tool.get("function")
    inner = own if isinstance(own, Mapping) else tool
    arguments = next((inner[key] for key in ("arguments", "args", "input_parameters", "input") if key in inner), None)
    return str(inner.get("name") or inner.get("tool") or ""), arguments if isinstance(arguments, Mapping) else None


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return value if isinstance(value, str) else None
