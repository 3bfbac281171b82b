"""The platform's settings of a deployment, each with where it is written. Files are read as text, and never run.

Of several places the variables win; a file counts until the platform stops reading it. Source: railway.md.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from services.env_files.document import Document, UnreadableSource
from services.env_files.reading import read_file
from services.outside import storable

UNREAD_FROM = datetime(2026, 12, 1, tzinfo=UTC)  # from then on railway.json and railway.toml are not read
MAX_BYTES = 1 << 20
Field = Literal[
    "overlap", "draining", "health_path", "health_timeout", "restart", "replicas", "sleeps", "start", "volume", "cron"
]
TITLES: Mapping[Field, str] = {
    "overlap": "Overlap, seconds",
    "draining": "Draining, seconds",
    "health_path": "Health check",
    "health_timeout": "Health check timeout, seconds",
    "restart": "Restart policy",
    "replicas": "Replicas",
    "sleeps": "Sleeps when idle",
    "start": "Start command",
    "volume": "Volume",
    "cron": "Cron schedule",
}
VARIABLES: Mapping[str, Field] = {
    "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": "overlap",
    "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "draining",
    "RAILWAY_VOLUME_MOUNT_PATH": "volume",
}
KEYS: Mapping[str, Field] = {
    "overlapSeconds": "overlap",
    "drainingSeconds": "draining",
    "healthcheckPath": "health_path",
    "healthcheckTimeout": "health_timeout",
    "restartPolicyType": "restart",
    "numReplicas": "replicas",
    "sleepApplication": "sleeps",
    "startCommand": "start",
    "requiredMountPath": "volume",
    "cronSchedule": "cron",
}
SECONDS = frozenset({"overlap", "draining"})
Format = Literal["deprecated", "code"]
_IN_CODE = re.compile(
    rf"\b({'|'.join(KEYS)})\b['\"]?\s*[:=]\s*"
    r"(?:\"([^\"\n]{0,500})\"|'([^'\n]{0,500})'|`([^`\n]{0,500})`|([\w.+-]{1,60}))"
)


_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\w\"'`])//[^\n]*|^[ \t]*#[^\n]*", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A setting as written. `is_text`: a number between quotation marks. `ends_ms`: from when its place is not read."""

    field: Field
    value: str
    source: str
    is_text: bool = False
    ends: datetime | None = None

    @property
    def is_number(self) -> bool:
        """Whether it is a whole number of seconds that somebody may mean."""
        return re.fullmatch(r"[0-9]{1,6}", self.value) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unread:
    """A source that could not be read, in a sentence with its place."""

    source: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """Everything that is written, strongest place first, and what could not be read."""

    values: tuple[Value, ...]
    unread: tuple[Unread, ...]

    def effective(self, field: Field, now: datetime) -> Value | None:
        """What holds at that time; None where it is written nowhere that is still read."""
        return next((v for v in self.values if v.field == field and (v.ends is None or now < v.ends)), None)

    def seconds(self, field: Field, now: datetime) -> int:
        """Overlap or draining in effect; unset, and what is no number, is 0."""
        found = self.effective(field, now)
        return int(found.value) if found is not None and found.is_number else 0


def read(env_file: Path | None, files: tuple[Path, ...], environment: str) -> Platform:
    """What the variables' file and the repository's files say of an environment."""
    values: list[Value] = []
    unread: list[Unread] = []
    if env_file is not None:
        try:
            document = read_file(env_file)
            values += of_variables(document, env_file.name)
        except UnreadableSource as error:
            unread.append(Unread(source=env_file.name, why=str(error)))
    for path in files:
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ValueError("is larger than 1 MiB. Name the platform's file.")
            values += of_text(path.name, path.read_text(encoding="utf-8"), environment)
        except OSError as error:
            unread.append(Unread(source=path.name, why=f"can't be read: {error.strerror}. Correct [deploys] files."))
        except UnicodeDecodeError:
            unread.append(Unread(source=path.name, why="is not UTF-8. Save it as UTF-8."))
        except ValueError as error:
            unread.append(Unread(source=path.name, why=str(error)))
    return Platform(values=tuple(values), unread=tuple(unread))


def of_variables(document: Document, source: str) -> list[Value]:
    """The platform's variables of an env file."""
    return [
        Value(field=field, value=value, source=f"{name} in {source}")
        for name, field in VARIABLES.items()
        if (value := document.filled(name).strip())
    ]


def of_text(name: str, text: str, environment: str) -> list[Value]:
    """What a settings file says, by its name. Raises ValueError with line and column."""
    if name.endswith(".json"):
        try:
            return _of_table(json.loads(text), name, environment)
        except json.JSONDecodeError as error:
            raise ValueError(f"is no JSON, line {error.lineno}, column {error.colno}: {error.msg}.") from error
        except RecursionError as error:
            raise ValueError("is nested too deep to be read.") from error
    if name.endswith(".toml"):
        try:
            return _of_table(tomllib.loads(text), name, environment)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"is no TOML: {error}.") from error
    if name.endswith((".ts", ".py", ".go")):
        return _of_code(name, text)
    raise ValueError("is no settings file of the platform: name railway.json, railway.toml, or .railway/railway.ts.")


def _of_table(found: Any, name: str, environment: str) -> list[Value]:
    """`deploy` of the file; what `environments.<name>` says instead comes first."""
    if not isinstance(found, dict):
        raise ValueError("holds no table.")  # noqa: TRY004 - as every other fault of the file
    own = found.get("environments")
    chosen = own.get(environment) if isinstance(own, dict) else None
    tables = [(chosen.get("deploy"), f"{name}, environments.{environment}")] if isinstance(chosen, dict) else []
    tables.append((found.get("deploy"), name))
    values: list[Value] = []
    for table, source in tables:
        for key, field in KEYS.items():
            if not isinstance(table, dict) or table.get(key) is None or any(v.field == field for v in values):
                continue
            raw = table[key]
            is_text = field in {"overlap", "draining", "health_timeout", "replicas"} and isinstance(raw, str)
            words = json.dumps(raw) if isinstance(raw, (bool, dict, list)) else str(raw)
            values.append(
                Value(field=field, value=storable(words)[:500], source=source, is_text=is_text, ends=UNREAD_FROM)
            )
    return values


def _of_code(name: str, text: str) -> list[Value]:
    """Names with a literal beside them; anything that has to be computed is not known."""
    values: list[Value] = []
    for match in _IN_CODE.finditer(_COMMENT.sub("", text)):
        field = KEYS[match[1]]
        literal = next(part for part in match.groups()[1:] if part is not None)
        if all(v.field != field for v in values):
            values.append(Value(field=field, value=storable(literal), source=name))
    return values
