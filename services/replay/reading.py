"""The part of an answer that an expectation is about, and how a reason quotes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from services.redact import scrub
from services.replay.model import Answer

MOST_SHOWN = 80  # characters of what was found, in a reason


def text_of(answer: Answer, wanted: Mapping[str, Any]) -> str:
    """The text that an expectation looks at: the part named by `path`, or the whole output."""
    value = select(answer.output, wanted["path"]) if "path" in wanted else answer.output
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shown(value: Any) -> str:
    """What was found, as a reason quotes it: short, and without what looks like a secret."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = scrub(" ".join(text.split()))
    return repr(text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…")


def select(value: Any, path: str) -> Any:
    """`decision` or `lead.score` in an output; None where it isn't there."""
    for part in path.split("."):
        if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, Mapping):
            value = value.get(part)
        else:
            return None
    return value
