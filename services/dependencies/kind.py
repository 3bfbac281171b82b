"""A kind is all that Greenlight knows of one sort of dependency; the rest of the house sees only this."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import SecretStr

from services.advice import as_sentence
from services.dependencies.conflict import Conflict
from services.dependencies.model import Failure, State
from services.dependencies.tables import DeclaredTable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from services.dependencies.run import Observation
    from services.store.heartbeats import Beat
    from services.store.samples import Sample

BLANK = re.compile(r"\{(\w+)\}")
SHARED = Path(__file__).with_name("messages.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What a code means: the outcome, a sentence, the next step, and background for engineers. `{blanks}` are filled
    from the reading's words."""

    outcome: State
    what: str
    fix: str = ""
    detail: str = ""
    brief: str = ""  # the sentence for where the words that fill it are not at hand

    @property
    def short(self) -> str:
        """The sentence without blanks; *it* stands for a declared dependency."""
        return self.brief or as_sentence(self.what.format(label="it"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What one check found. `facts` are what conditions are about; `code` names a message of the kind, "" for well.

    `detail` is evidence for engineers (JSON values, no secret), `words` fill the message.
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


def lazily(module: str) -> Run:
    """The `run` of a module that is imported when it first checks: reading settings needs no driver."""

    async def run(table: Any, context: Context) -> Found | Failure:
        found: Found | Failure = await import_module(module).run(table, context)
        return found

    return run


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckWords:
    """A check of the verdict in words that need no knowledge of its kind.

    `false`: what it means that it is false, where that is the same whatever the cause. `needs`: what to do so that
    it is measured at all. `unit` of its value: ms, s, share, or "" for words and plain numbers. `rule`: the rule of
    the verdict that it feeds, "" for none. `probe`: the one that measures it at every check, "" where several do.
    """

    title: str
    false: str = ""
    needs: str = ""
    unit: str = ""
    rule: str = ""
    probe: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleWords:
    """A rule of the verdict that a kind brings along, fed by its checks of that `id`. `step` of the checklist."""

    id: str
    title: str
    fix: str
    step: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One line of a dependency's detail: what was expected beside what was found, as text."""

    label: str
    expected: str
    actual: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SliWords:
    """An SLI in words. `probe`: whose states explain its bad events. `ratio`: an event is good or bad by itself,
    without a threshold; else `threshold(environment)` is what an objective without one takes."""

    title: str
    short: str
    unit: str = ""
    ratio: bool = False
    good: str = ""
    not_measured: str = ""
    probe: str | None = None
    threshold: Callable[[Any], float | None] = lambda _environment: None


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One sort of dependency; `folder` holds its messages.

    A kind that can be declared has `settings`, of which a person who adds one is asked `asks`, and `run(table,
    context)`, which does one check. A built-in one has
    probes of its own (`services/dependencies/probes.py`), and says here what they mean: `terms` that its texts use, by
    word in lower case, `titles` of probes, `states` that are none of slowness in their own word, `breaks` (what a
    probe that is down means for a soak), `strict` (the probes on which strict mode rests), `rules` and `conflicts`
    (which of its answers can't both be true).

    `minor` are codes that say less than any other probe of the dependency. `slow_ms(environment)` are latency limits
    by probe, `facts(environment, probe, facts)` the lines that engineers read, `inputs(environment)` what strict mode
    needs from people, `own_load(environment)` what our own probes cost, in a sentence ("" where nothing is to be
    said), and `keep(connection, observation)` stores what has a table of its own and returns the samples that follow.
    """

    name: str
    title: str
    gloss: str
    folder: Path
    settings: type[DeclaredTable] | None = None
    asks: tuple[str, ...] = ()
    run: Run | None = None
    checks: Mapping[str, CheckWords] = field(default_factory=dict)
    slis: Mapping[str, SliWords] = field(default_factory=dict)
    glosses: Mapping[str, str] = field(default_factory=dict)
    terms: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    breaks: Mapping[str, str] = field(default_factory=dict)
    strict: tuple[str, ...] = ()
    rules: tuple[RuleWords, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    minor: frozenset[str] = frozenset()
    slow_ms: Callable[[Any], Mapping[str, float]] = lambda _environment: {}
    facts: Callable[[Any, str, Mapping[str, Any]], Sequence[Fact]] = lambda _environment, _probe, _facts: ()
    inputs: Callable[[Any], tuple[str, ...]] = lambda _environment: ()
    own_load: Callable[[Any], str] = lambda _environment: ""
    keep: Callable[[Connection, Observation], list[Sample]] | None = None

    @property
    def messages(self) -> Mapping[str, Message]:
        """By code, such as `http.refused`: those that every declared kind may say, and the kind's own."""
        return _messages(self.folder, self.name if self.run is not None else None)


@cache
def _messages(folder: Path, declared: str | None) -> Mapping[str, Message]:
    own = read_messages(folder / "messages.toml")
    if declared is None:
        return own
    return {f"{declared}.{code}": message for code, message in (read_messages(SHARED) | own).items()}


def read_messages(path: Path) -> dict[str, Message]:
    """The messages in a file. Raises ValueError where a row is wrong."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))
    found = {code: Message(**row) for code, row in rows.items()}
    for code, message in found.items():
        if message.outcome not in get_args(State) or (message.outcome != "ok" and not message.fix):
            raise ValueError(f"the message {code} in {path.name} has no outcome, or nothing to do")
        if not message.brief and set(BLANK.findall(message.what)) - {"label"}:
            raise ValueError(f"the message {code} in {path.name} has blanks; write a brief without any")
    return found
