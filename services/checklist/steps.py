"""The steps of the checklist. Read from a table that a team can edit; refused whole where it is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Set
from functools import cache
from pathlib import Path
from typing import Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.advice import Advice
from services.errors import Problem, SettingsError
from services.verdict import words

FILE = Path(__file__).with_name("steps.toml")
Place = Literal["each", "staging", "production", "last"]


class Blanks(TypedDict):
    """What a text may leave blank, filled in with an environment's own names; never a secret."""

    name: str
    mode: str
    env_file: str
    base_url: str
    python: str
    python_windows: str


BLANKS = tuple(Blanks.__annotations__)
PAGES = (
    "alerts",
    "dependency_health",
    "deployments",
    "docs",
    "env_diff",
    "environments",
    "replay_harness",
    "slo_trends",
    "strict_mode_checklist",
    "traces",
)


class Step(BaseModel):
    """One step as written. `after` are ids of steps that must be done before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    environment: Place
    title: str
    why: str
    how: tuple[str, ...]
    bash: str = ""
    powershell: str = ""
    checks: tuple[str, ...] = ()
    queues: bool = False
    confirm: Literal["", "policy", "sign_off"] = ""
    confirm_optional: Literal["", "saved"] = ""
    confirm_words: str = ""
    verify: Literal["", "probe", "validate"] = ""
    after: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    only: Literal["", "alerts"] = ""
    if_not: str

    @property
    def keys(self) -> frozenset[tuple[str, str]]:
        """Its id with each place where it is to be done: what must be there once."""
        places = ("staging", "production") if self.environment == "each" else (self.environment,)
        return frozenset((self.id, place) for place in places)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that are filled in."""
        return (self.title, self.why, *self.how, self.bash, self.powershell, self.confirm_words, self.if_not)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[Step, ...] = Field(min_length=1)


def of(team_file: Path | None) -> tuple[Step, ...]:
    """The team's own steps where it has some, else ours. Raises SettingsError."""
    return load(team_file) if team_file is not None and team_file.is_file() else load()


@cache
def load(path: Path = FILE) -> tuple[Step, ...]:
    """The steps in their order. Raises SettingsError."""
    try:
        found = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).steps
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong(path, f"can't be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _wrong(path, f"{where}: {first['msg']}.") from error
    before: set[tuple[str, str]] = set()
    for step in found:
        fault = _fault(step, before)
        if fault:
            raise _wrong(path, f"the step {step.id} {fault}")
        before |= step.keys
    return found


def _fault(step: Step, before: Set[tuple[str, str]]) -> str:
    """What is wrong with a step, for a sentence; "" where nothing is. `before` are the keys of the steps above it."""
    above = {id_ for id_, _ in before}
    late = [name for name in step.after if name not in above]
    strange = [name for name in step.checks if not words.is_known(name)]
    nowhere = [place for _, place in step.links if place.partition("?")[0] not in PAGES]
    blank = next((why for text in step.texts if (why := _unfilled(text))), "")
    if step.keys & before:
        return "is there twice for one environment; give one of them another id."
    if late:
        return f"waits for {late[0]}, which is no step above it."
    if strange:
        return f"names the check {strange[0]!r}, which is not measured."
    if nowhere:
        return f"links to {nowhere[0]!r}, which is no page; pages are {', '.join(PAGES)}."
    if blank:
        return f"has a blank that is not known ({blank}); known are {', '.join(BLANKS)}."
    if (step.confirm or step.confirm_optional) and not step.confirm_words:
        return "asks for a confirmation without saying of what; write confirm_words."
    if bool(step.bash) != bool(step.powershell):
        return "has its command for one shell only; write it for bash and for powershell."
    return ""


def _unfilled(text: str) -> str:
    try:
        text.format_map(dict.fromkeys(BLANKS, ""))
    except (KeyError, ValueError, IndexError) as error:
        return str(error)
    return ""


def _wrong(path: Path, message: str) -> SettingsError:
    return SettingsError(
        (Problem(source=str(path), key="steps", advice=Advice(what=message, fix="Correct that step.")),)
    )
