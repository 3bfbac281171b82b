"""Calls of models that were paid for twice: envelopes with the same step and the same input, around a deploy.

Read from the application's own trace file, where it lies on this machine. Only hashes are read, never what was said.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from services.env_files.document import UnreadableSource
from services.env_files.reading import read_file
from services.settings.model import Environment

VARIABLE = "TRACE_ENVELOPE_FILE"
MOST_BYTES = 64 << 20  # of the file's end; a deploy's hour is among the newest lines


def file_of(environment: Environment) -> Path | None:
    """The trace file that an env file names, relative to itself; None where none is named or it isn't here."""
    if environment.env_path is None:
        return None
    try:
        named = read_file(environment.env_path).filled(VARIABLE).strip()
    except UnreadableSource:
        return None
    path = environment.env_path.parent / named
    return path if named and path.is_file() else None


def twice(path: Path, low_ms: int, high_ms: int) -> int | None:
    """How many calls in [low, high) repeat one with the same step and input; None where no call there says both."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - MOST_BYTES))
            lines = stream.read(MOST_BYTES).splitlines()
    except OSError:
        return None
    found = Counter(call for line in lines if (call := _call(line, low_ms, high_ms)) is not None)
    return sum(number - 1 for number in found.values()) if found else None


def _call(line: bytes, low_ms: int, high_ms: int) -> tuple[str, str, str] | None:
    """Run, step and input of a line in that time; None for any other line, half ones included."""
    try:
        call: Any = json.loads(line)
        at_ms = datetime.fromisoformat(call["at"]).timestamp() * 1000
        parts = (call.get("run_id"), call["step"], call["input_sha256"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    if not low_ms <= at_ms < high_ms or not all(isinstance(part, str) and part for part in parts[1:]):
        return None
    return (str(parts[0]), str(parts[1]), str(parts[2]))
