"""What all settings tables share, and the table of a declared dependency, which each kind makes its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.dependencies.conditions import FactType, WrongCondition, parse

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(gt=0, le=600_000, allow_inf_nan=False)]
Host = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_.:\-]+$")]
Port = Annotated[int, Field(ge=1, le=65_535)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,79}$")]
INSTALLATION = "_greenlight"  # stands for this installation itself, where no environment does
STRICT = ("redis", "inngest")  # what strict mode is about, unless a team says otherwise
# Names that the built-in dependencies and their rows have.
RESERVED = frozenset(
    {
        "readiness",
        "dependencies",
        "redis",
        "inngest",
        "queue",
        "queues",
        "app",
        "pulse",
        "sync",
        "runs",
        "prober",
        "runtime",
    }
)
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,79})\}")


class Table(BaseModel):
    """A table of `greenlight.toml`: frozen, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class DeclaredTable(Table):
    """A dependency that a team declares: `[[environments.dependencies]]`. Each kind adds what it needs."""

    facts: ClassVar[Mapping[str, FactType]] = {}  # what its conditions may ask
    timed: ClassVar[bool] = True  # whether how long a check takes says something of the dependency

    name: str = Field(pattern=r"^[a-z][a-z0-9_\-]{0,39}$", description="Its name on every page and in every check.")
    kind: str
    title: str = Field("", max_length=60, description="How it is called on pages; without, its name.")
    required: bool = Field(
        False, description="Whether the application can't work without it: then it decides the verdict."
    )
    interval_s: Seconds = 60
    deadline_s: Seconds = 10
    slow_ms: Milliseconds = 1000
    expect: tuple[str, ...] = Field((), max_length=20, description="Conditions, such as status == 200 or ms < 800.")

    @model_validator(mode="before")
    @classmethod
    def _durations(cls, value: Any) -> Any:
        """`interval = "1m"` says the same as `interval_s = 60`."""
        if not isinstance(value, dict):
            return value
        found = dict(value)
        for name in ("interval", "deadline", "every", "grace", "longest"):
            if name in found and f"{name}_s" in cls.model_fields and f"{name}_s" not in found:
                found[f"{name}_s"] = _seconds(found.pop(name))
        return found

    @property
    def label(self) -> str:
        """How it is called in sentences."""
        return self.title or self.name

    @field_validator("name")
    @classmethod
    def _own(cls, value: str) -> str:
        if value in RESERVED:
            raise ValueError(f"{value!r} is the name of something built in: choose another")
        return value

    @field_validator("expect")
    @classmethod
    def _conditions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                parse(text, cls.facts)
            except WrongCondition as error:
                raise ValueError(
                    f"the condition {text[:80]!r} can't be used, character {error.position}: {error}"
                ) from None
        return value

    @model_validator(mode="after")
    def _in_time(self) -> DeclaredTable:
        if self.deadline_s >= 2 * self.interval_s:
            raise ValueError("deadline_s is longer than two intervals, so a result would be outdated: shorten it")
        return self

    def variables(self) -> Mapping[str, str]:
        """The variables whose values it needs, each with the field that names it."""
        return {}

    def references(self) -> Mapping[str, str]:
        """Those that must be set, as a request without them would be another one."""
        return {}


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _seconds(value: Any) -> Any:
    """Seconds of a duration such as 90s, 15m, 2h or 1d; anything else as it is, for the field to judge."""
    found = re.fullmatch(r"(\d{1,6})\s*([smhd])", value.strip()) if isinstance(value, str) else None
    return value if found is None else int(found[1]) * _UNITS[found[2]]


def references_in(field: str, values: Mapping[str, str]) -> dict[str, str]:
    """The variables that texts name as `${NAME}`, each with the field and key that does."""
    return {name: f"{field}.{key}" for key, text in values.items() for name in _REFERENCE.findall(text)}


def filled(text: str, variables: Mapping[str, Any]) -> str:
    """The text with each `${NAME}` replaced by that variable's secret; an unset one by nothing."""
    return _REFERENCE.sub(lambda found: _plain(variables.get(found[1])), text)


def _plain(value: Any) -> str:
    return "" if value is None else str(value.get_secret_value())


def http_url(value: str, *, query: bool = False) -> str:
    """An absolute http(s) URL without credentials, query (unless allowed) or trailing slash; ValueError in words."""
    if re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError("holds white space or control characters")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError("is not a URL that can be read") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not an http or https URL with a host name")
    if parts.username or parts.password:
        raise ValueError("holds a user name or password: take them out, secrets don't belong in this file")
    if parts.fragment or (parts.query and not query):
        raise ValueError("holds a query or fragment: give the address alone")
    if port == 0:
        raise ValueError("has port 0, which nothing can listen on")
    return value if query else value.rstrip("/")
