"""Which steps are there? Read from a table that a team can edit; refused whole where it is wrong."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from services.errors import Problem, SettingsError
from services.verdict import words

BLANKS = ("name", "mode", "env_file", "base_url", "python", "python_windows")
FILE = Path(__file__).with_name("steps.toml")
Place = Literal["each", "staging", "production", "last"]


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
    if_not: str

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that are filled in."""
        return (self.why, *self.how, self.bash, self.powershell, self.confirm_words, self.if_not)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[Step, ...]


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
    known = {step.id for step in found}
    for step in found:
        unknown = [name for name in step.after if name not in known]
        if unknown:
            raise _wrong(path, f"the step {step.id} waits for {unknown[0]}, which is no step.")
        strange = [name for name in step.checks if name not in words.TITLES]
        if strange:
            raise _wrong(path, f"the step {step.id} names the check {strange[0]!r}, which is not measured.")
        for text in step.texts:
            try:
                text.format_map(dict.fromkeys(BLANKS, ""))
            except (KeyError, ValueError, IndexError) as error:
                raise _wrong(
                    path, f"the step {step.id} has a blank that is not known ({error}); known are {', '.join(BLANKS)}."
                ) from error
    return found


def _wrong(path: Path, message: str) -> SettingsError:
    return SettingsError((Problem(source=str(path), key="steps", message=message, fix="Correct that step."),))
