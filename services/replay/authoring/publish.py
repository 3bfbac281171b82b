"""A new version of a golden set: planned first, shown as a difference, then written whole, with the old one kept.

A plan holds the hash of what it was made from; a file that somebody changed meanwhile is not written over.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from services.errors import GreenlightError
from services.replay import golden
from services.replay.authoring import difference
from services.replay.authoring.difference import Difference

_NUMBER = re.compile(r"^(?P<head>.*?)(?P<number>\d+)(?P<tail>\D*)$")
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}(?:\.(?P<number>\d+))?$")


class NotPublished(GreenlightError):
    """Why a version can't be written; the message is a sentence with what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A version that can be written. `base_sha256` is of the content it replaces; "" where there is no file yet."""

    file: Path
    base_sha256: str
    body: Mapping[str, Any]
    difference: Difference

    @property
    def version(self) -> str:
        """The version that will be written."""
        return str(self.body["version"])


def plan(
    file: Path, cases: Sequence[Mapping[str, Any]], *, name: str = "", version: str = "", today: date,
    removed: Sequence[str] = (), replacing: bool = False,
) -> Plan:  # fmt: skip
    """The next version of the set in `file`, with these cases added.

    A case whose id is there already, with other content, takes its place only with `replacing`. Raises NotPublished,
    and SettingsError where the outcome is no sound set.
    """
    old: dict[str, Any] = golden.own(file) if file.exists() else {}
    if old:
        golden.read(file)
    kept = {case["id"]: case for case in old.get("cases", ()) if case["id"] not in removed}
    clashes = [c["id"] for c in cases if c["id"] in kept and kept[c["id"]] != c]
    if clashes and not replacing:
        found = difference.between({"cases": [kept[id_] for id_ in clashes]},
                                   {"cases": [c for c in cases if c["id"] in clashes]})  # fmt: skip
        raise NotPublished(
            f"{file.name} holds {_counted(len(clashes), 'case')} of the same id with other content, and nothing was "
            "written. Give the new ones other ids, or add --replace.\n" + "\n".join(difference.lines(found))
        )
    merged = {**kept, **{case["id"]: dict(case) for case in cases}}
    body = {"$schema": "golden_set.schema.json", "name": name or "golden_set", "version": version or "v1"} | old
    body |= {"name": name or body["name"], "cases": list(merged.values())}
    found = difference.between(old, body)
    if old and not found.is_empty:
        body["version"] = version or following(str(old["version"]), today)
        if body["version"] == old["version"]:
            raise NotPublished(f"The set is {old['version']} already. A changed set needs another version.")
        found = difference.between(old, body)
    golden.parse(golden.with_code(body, file), str(file))
    return Plan(file=file, base_sha256=golden.sha256_of(old) if old else "", body=body, difference=found)


def following(version: str, today: date) -> str:
    """The next version: v1 → v2, 1.2.9 → 1.2.10, a date → today's; any other gets .2 behind it."""
    day = _DAY.match(version)
    if day is not None:
        return (
            f"{version[:10]}.{int(day['number'] or 1) + 1}" if version[:10] == today.isoformat() else today.isoformat()
        )
    found = _NUMBER.match(version)
    return f"{version}.2" if found is None else f"{found['head']}{int(found['number']) + 1}{found['tail']}"


def write(plan_: Plan, *, backup: bool = True) -> Path | None:
    """Write the version, whole or not at all; returns where the old one is kept, None where there was none.

    Raises NotPublished where the file changed since the plan was made, or can't be written.
    """
    now = golden.sha256_of(golden.own(plan_.file)) if plan_.file.exists() else ""
    if now != plan_.base_sha256:
        raise NotPublished(f"{plan_.file.name} has changed since the preview. Look at the difference again.")
    kept = None
    try:
        plan_.file.parent.mkdir(parents=True, exist_ok=True)
        if backup and plan_.file.exists():
            kept = _free(plan_.file.with_name(f"{plan_.file.stem}.before-{_safe(plan_.version)}{plan_.file.suffix}"))
            _whole(kept, plan_.file.read_bytes())
        _whole(plan_.file, text(plan_.body).encode())
    except OSError as error:
        raise NotPublished(f"{plan_.file.name} can't be written ({error.strerror}). Nothing was changed.") from error
    return kept


def put_back(file: Path, before: Path) -> None:
    """Put a kept version in the place of the file. Raises NotPublished."""
    try:
        _whole(file, before.read_bytes())
        before.unlink()
    except OSError as error:
        raise NotPublished(f"{file.name} can't be written ({error.strerror}). Nothing was changed.") from error


def text(body: Mapping[str, Any]) -> str:
    """A set as its file holds it."""
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _whole(file: Path, data: bytes) -> None:
    """The file with this content: never half of it, and with the rights that it had."""
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(draft).chmod(file.stat().st_mode & 0o777 if file.exists() else 0o644)
        Path(draft).replace(file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _free(file: Path) -> Path:
    number, found = 2, file
    while found.exists():
        found, number = file.with_name(f"{file.stem}-{number}{file.suffix}"), number + 1
    return found


def _safe(version: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", version)[:40]


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
