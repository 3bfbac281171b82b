"""From a person's answers to a changed `greenlight.toml`.

The new table is put at the file's end, so that comments, order and layout of what is there stay byte for byte.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import tomlkit

from services import access
from services.access import Person
from services.advice import Advice
from services.env_files import writer
from services.env_files.writer import Written
from services.errors import Problem, SettingsError
from services.evidence import decisions
from services.paths import config_path
from services.settings.load import load
from services.settings.model import Environment, Settings
from services.store import Store

KIND = "environment"
HEAD = "# Greenlight's settings. greenlight.example.toml shows every key.\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What somebody answered. `env_file` or `env_prefix` say where secrets come from; neither: from nowhere yet."""

    name: str
    role: str
    base_url: str
    env_file: str = ""
    env_prefix: str = ""
    owner: str = ""
    dependencies: tuple[Mapping[str, Any], ...] = ()

    def table(self) -> str:
        """The draft as a table of `greenlight.toml`."""
        named = {"name": self.name, "role": self.role, "base_url": self.base_url}
        given = named | {key: value for key in ("owner", "env_file", "env_prefix") if (value := getattr(self, key))}
        own = tomlkit.aot()
        for item in self.dependencies:
            own.append(tomlkit.item({key: value for key, value in item.items() if value not in {"", None}}))
        table = tomlkit.item(given)
        if self.dependencies:
            table.append("dependencies", own)
        tables = tomlkit.aot()
        tables.append(table)
        return tomlkit.dumps(tomlkit.document().append("environments", tables)).strip() + "\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What writing would make of the file. `before` is None where there is none yet."""

    path: Path
    name: str
    table: str
    text: str
    before: bytes | None = field(repr=False)

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        old = "" if self.before is None else self.before.decode("utf-8", "replace")
        lines = difflib.unified_diff(
            old.splitlines(), self.text.splitlines(), self.path.name, self.path.name, lineterm="", n=3
        )
        return "\n".join(lines)


def plan(draft: Draft, variables: Mapping[str, str] | None = None) -> Plan:
    """What adding this environment would change. Raises SettingsError with everything that is wrong with it."""
    path = config_path(variables).resolve()
    before = path.read_bytes() if path.is_file() else None
    table = draft.table()
    made = Plan(path=path, name=draft.name, table=table, text=_added(before, table), before=before)
    environment_of(made.text, draft.name, path, variables)
    return made


def added_to_file(table: str) -> str:
    """The settings file as it stands, with this table at its end."""
    path = config_path().resolve()
    return _added(path.read_bytes() if path.is_file() else None, table)


def _added(before: bytes | None, table: str) -> str:
    old = HEAD if before is None else before.decode("utf-8-sig", "surrogateescape")
    end = "\r\n" if "\r\n" in old else "\n"
    return old.rstrip() + end * 2 + table.replace("\n", end)


def environment_of(text: str, name: str, path: Path, variables: Mapping[str, str] | None = None) -> Environment:
    """The environment as these settings would have it. Raises SettingsError."""
    return settings_of(text, path, variables).environment(name)


def settings_of(text: str, path: Path, variables: Mapping[str, str] | None = None) -> Settings:
    """What the settings would be, were this the file's content. Raises SettingsError."""
    given = dict(os.environ if variables is None else variables)
    return load(given | {"GREENLIGHT_CONFIG": str(path)}, text=text)


def snippet(name: str) -> str:
    """What an application mounts so that Greenlight can ask it."""
    return (Path(__file__).parent / "snippet.py.txt").read_text(encoding="utf-8").replace("{name}", name)


def writable(path: Path) -> bool:
    """Whether the settings file can be written from here: in a container it often can't."""
    return os.access(path if path.exists() else path.parent, os.W_OK)


def write(store: Store, made: Plan, now: datetime, *, by: Person) -> Written:
    """Carry a plan out, and note who did it. Raises Forbidden, NotWritten, Refused or StoreError."""
    access.require(by, "configure")
    done = writer.apply(made.path, made.text, before=made.before, now=now)
    _note(store, made.name, by, f"Added to {made.path.name}.", {"table": made.table})
    return done


def undo(store: Store, settings: Settings, path: Path, now: datetime, *, by: Person) -> Written:
    """Bring back the settings as they were before the last write. Raises Forbidden, NotWritten or StoreError."""
    access.require(by, "configure")
    done = writer.undo(path, now=now)
    _note(store, settings.names[0], by, f"{path.name} is as it was before the last write.", {})
    return done


def check_undo(path: Path) -> None:
    """Raises SettingsError where the newest backup can't be used as settings any more."""
    kept = writer.backups(path)
    if not kept:
        raise SettingsError((Problem(source=str(path), key="(file)", advice=Advice(what="has no backup.", fix="")),))
    settings_of(kept[0].read_text(encoding="utf-8-sig"), path)


def keep(store: Store, made: Plan, *, by: Person) -> int:
    """Keep a draft in the store, so that the worker can try it; returns its number. Raises Forbidden or StoreError."""
    access.require(by, "configure")
    return _note(store, made.name, by, "Kept as a draft, to be tried.", {"table": made.table, "draft": True})


def _note(store: Store, name: str, by: Person, note: str, more: Mapping[str, Any]) -> int:
    with store.write() as connection:
        decisions.write(store, connection, name[:40], KIND, by, simulated=False, note=note, more=more)
        newest = decisions.history(connection, name[:40], KIND, limit=1)
    return newest[0].number
