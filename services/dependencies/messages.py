"""What each finding means, in plain words, and what to do: the messages of all kinds, and Greenlight's own.

Sentences are for operators: state, then cause; `fix` is the next step. `{words}` in braces are filled from the reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.advice import Advice
from services.dependencies.kind import Message, read_messages
from services.dependencies.registry import KINDS

OWN = Path(__file__).with_name("own_messages.toml")
MESSAGES: Mapping[str, Message] = read_messages(OWN) | {
    code: message for kind in KINDS.values() for code, message in kind.messages.items()
}
_FOREIGN = Message(
    outcome="unknown", what="This finding is not known to this version.",
    fix="Start the same version of portal and worker.",
)  # fmt: skip


class _Words(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def message(code: str) -> Message:
    """The message of that code; an unknown code (from another version's store) is *unknown*, never ok."""
    found = MESSAGES.get(code)
    if found is None and ":" in code.split(".", 1)[0]:
        found = MESSAGES.get("queue." + code.split(".", 1)[1])
    return found or _FOREIGN


def advice(code: str, words: Mapping[str, Any] | None) -> Advice:
    """What a code says, with its blanks filled."""
    found = message(code)
    blanks = _Words(words or {})
    return Advice(what=found.what.format_map(blanks), fix=found.fix.format_map(blanks))


def brief(code: str) -> str:
    """The sentence for where the reading's words are not at hand; "" for no code.

    *It* stands for a declared dependency, whose name stands beside it.
    """
    return message(code).short if code else ""
