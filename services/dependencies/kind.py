"""A kind is all that Greenlight knows of one sort of dependency; the rest of the house sees only this."""

from __future__ import annotations

import tomllib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import SecretStr

from services.probes.model import Failure, State
from services.tables import DeclaredTable

if TYPE_CHECKING:
    from services.store.heartbeats import Beat

SHARED = Path(__file__).with_name("messages.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What a code means: the outcome, a sentence, the next step, and background for engineers. `{blanks}` are filled
    from the reading's words."""

    outcome: State
    what: str
    fix: str = ""
    detail: str = ""
    brief: str = ""  # the sentence for where the words that fill it are not at hand; unset: up to its first colon


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What one check found. `facts` are what conditions are about; `code` names a message of the kind, "" for well.

    `detail` is evidence for engineers (JSON values, no secret), `words` fill the message, `value` is the latency in
    ms where it isn't the whole exchange's.
    """

    facts: Mapping[str, Any]
    latency_ms: float | None
    code: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What a check is given beside its table: secrets by variable, what the last check found, and, for those whose
    dependency calls us, the calls that came, newest first."""

    variables: Mapping[str, SecretStr] = field(default_factory=dict, repr=False)
    previous: Mapping[str, Any] = field(default_factory=dict)
    beats: Callable[[], Sequence[Beat]] | None = None


Run = Callable[[Any, Context], Awaitable[Found | Failure]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One sort of dependency. `run(table, context)` does one check; `folder` holds its messages."""

    name: str
    title: str
    gloss: str
    settings: type[DeclaredTable]
    run: Run
    folder: Path

    @property
    def messages(self) -> Mapping[str, Message]:
        """By code: those that every kind may say, and the kind's own, which come first."""
        return read_messages(SHARED) | read_messages(self.folder / "messages.toml")


@cache
def read_messages(path: Path) -> dict[str, Message]:
    """The messages in a file. Raises ValueError where a row is wrong."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))
    found = {code: Message(**row) for code, row in rows.items()}
    for code, message in found.items():
        if message.outcome not in get_args(State) or (message.outcome != "ok" and not message.fix):
            raise ValueError(f"the message {code} in {path.name} has no outcome, or nothing to do")
    return found
