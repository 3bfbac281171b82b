"""What a person may want to hold of a draft, from what happened: tools that were called, values that came back.

Suggestions only: what an agent did once is no proof that it was right, so none is chosen before a person chooses it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.replay.authoring.cases import CRITERION

READS = re.compile(r"(?i)(^|[._-])(get|list|search|find|read|lookup|query|fetch|check|describe|count)([._-]|$)")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w.])")
MOST = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A tool that was called; `arguments` empty where they were not kept."""

    tool: str
    arguments: Mapping[str, Any]
    is_ok: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Suggestion:
    """An expectation in words, and as the golden set writes it."""

    words: str
    expectation: Mapping[str, Any]


def suggestions(calls: Sequence[Call], answer: str, known: Mapping[str, Any]) -> tuple[Suggestion, ...]:
    """At most twelve, the most telling first. `known` is what the agent was given: input and context."""
    made: list[Suggestion] = []
    writes = [call for call in calls if not READS.search(call.tool) and call.is_ok is not False]
    for tool in dict.fromkeys(call.tool for call in writes):
        own = [call for call in writes if call.tool == tool]
        arguments = own[-1].arguments
        asked = {"arguments": dict(arguments), "match": "subset"} if arguments else {}
        said = f"It calls {tool}" + (" with these arguments" if arguments else "")
        made.append(_made(said, kind="tool_required", tool=tool, **asked))
        made.append(_made(f"It calls {tool} at most {len(own)} time{'' if len(own) == 1 else 's'}", kind="tool_at_most",
                          tool=tool, n=len(own)))  # fmt: skip
    order = list(dict.fromkeys(call.tool for call in writes))
    if len(order) > 1:
        made.append(_made(f"It calls {', then '.join(order)}", kind="tool_order", tools=order))
    made += [
        _made(f"Its answer names {value}", kind="text_contains", all_of=[value]) for value in _shared(answer, known)
    ]
    failed = dict.fromkeys(call.tool for call in calls if call.is_ok is False)
    made += [_made(f"It does not call {tool}, which failed here", kind="tool_forbidden", tool=tool) for tool in failed]
    return tuple(made[:MOST])


_WORDS: Mapping[str, tuple[str, str]] = {
    "tool_required": ("It calls {}", "tool"), "tool_forbidden": ("It does not call {}", "tool"),
    "tool_order": ("It calls these in order: {}", "tools"),
    "text_forbidden": ("Its answer does not contain {}", "any_of"),
    "refusal": ("It refuses", ""), "approval_asked": ("It asks for approval", ""),
}  # fmt: skip


def in_words(expectation: Mapping[str, Any]) -> str:
    """An expectation as a sentence; "" for one that has to be read as it is written."""
    kind = expectation.get("kind")
    rest = set(expectation) - {"criterion", "kind"}
    if kind == "text_contains" and rest == {"all_of"}:
        return f"Its answer contains {_listed(expectation['all_of'])}"
    if kind == "tool_at_most" and rest == {"tool", "n"}:
        return f"It calls {expectation['tool']} at most {expectation['n']} times"
    text, field = _WORDS.get(str(kind), ("", ""))
    with_arguments = kind == "tool_required" and rest == {"tool", "arguments", "match"}
    if not text or (rest != ({field} - {""}) and not with_arguments):
        return ""
    said = text.format(_listed(expectation[field])) if field else text
    return f"{said} with {json.dumps(expectation['arguments'], ensure_ascii=False)}" if with_arguments else said


def _listed(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(map(str, value))


def _made(words: str, **expectation: Any) -> Suggestion:
    return Suggestion(words=words, expectation={"criterion": CRITERION, **expectation})


def _shared(answer: str, known: Mapping[str, Any]) -> list[str]:
    """Numbers and short texts that the agent was given and that its answer repeats."""
    found = [value for value in _leaves(known) if len(value) <= 60 and _stands_in(value, answer)]
    return sorted(dict.fromkeys(found), key=lambda value: (-len(value), value))[:4]


def _stands_in(value: str, answer: str) -> bool:
    if _NUMBER.fullmatch(value):
        return value in _NUMBER.findall(answer)
    return len(value) >= 4 and value.casefold() in answer.casefold()


def _leaves(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, (list, tuple)):
        return [leaf for inner in value for leaf in _leaves(inner)]
    if isinstance(value, bool) or value is None:
        return []
    return [str(value).strip()] if str(value).strip() else []
