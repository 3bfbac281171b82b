"""Reads a YAML or JSON file as plain values; each mapping knows the line that it begins in.

YAML 1.2, so that `yes` and `12:30` stay the texts that they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from services.outside import NotJson, storable_value
from services.replay.authoring.cases import Collected

MOST_BYTES = 8 << 20
MOST_VALUES = 500_000
LINE = "__line__"


def load(made: Collected, file: Path, place: str) -> Any:
    """The value; None where it can't be read, with the reason in `made`."""
    try:
        if file.stat().st_size > MOST_BYTES:
            made.leave(place, "The file is larger than 8 MiB.", "Split it.")
            return None
        found = YAML(typ="rt").load(file.read_text(encoding="utf-8-sig"))
        return storable_value(_Plain().of(found))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}" if mark is not None else place
        made.leave(where, f"The file is no YAML: {error.problem or 'it can not be read'}.")
    except YAMLError:
        made.leave(place, "The file is no YAML.")
    except UnicodeDecodeError:
        made.leave(place, "The file is not UTF-8.", "Save it as UTF-8.")
    except _TooMuch:
        made.leave(place, f"The file holds more than {MOST_VALUES:,} values once its aliases are filled in.")
    except (NotJson, ValueError, RecursionError):
        made.leave(place, "The file holds something that no JSON can hold, or is nested too deep.")
    return None


class _TooMuch(Exception):
    pass


class _Plain:
    """Plain values in place of the reader's own, dates as text; each mapping knows its line.

    Counts them: a few aliases of aliases make billions.
    """

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def of(self, value: Any) -> Any:
        self._left -= 1
        if self._left <= 0:
            raise _TooMuch
        if isinstance(value, Mapping):
            line = {LINE: value.lc.line + 1} if hasattr(value, "lc") else {}
            return {str(name): self.of(inner) for name, inner in value.items()} | line
        if isinstance(value, list):
            return [self.of(inner) for inner in value]
        if value is None or isinstance(value, (bool, int)):
            return value
        return (
            float(value) if isinstance(value, float) else value.isoformat() if isinstance(value, date) else str(value)
        )
