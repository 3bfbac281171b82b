"""Imports history from elsewhere. CSV lines, each taken, known already, or refused with its reason.

Nothing is counted twice: a measurement is known by environment, SLI and time. An hour that was summed up, and whose
single measurements are gone, can take no more: nobody could tell a new line from one that was counted.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection

from services import clock
from services.clock import HOUR_MS
from services.errors import GreenlightError
from services.settings.model import DEPENDENCY_SLIS, SLI_NAMES, Settings
from services.settings.model import QUEUE_AGING as QUEUE
from services.slo import window
from services.store import Store, rollups, samples
from services.store.samples import Sample, SeriesKey

COLUMNS = ("timestamp", "environment", "sli", "value", "good")
MAX_BYTES = 1 << 30
BATCH = 5000
DAY_S = 86_400
TOO_LATE = "that hour is summed up already and its single measurements are gone, so it can't take another"


class Unreadable(GreenlightError):
    """The file as a whole can't be used; the message is a sentence with what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A sound line of the file."""

    number: int
    at_ms: int
    value: float | None
    good: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A line that was not taken, and why."""

    line: int
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What became of a file's lines: `read` is the sum of the others."""

    read: int
    imported: int
    duplicates: int
    refused: tuple[Refused, ...]


def bring_in(store: Store, settings: Settings, path: Path, *, dry_run: bool = False) -> Imported:
    """Import a file; with `dry_run` only say what would become of it. Raises Unreadable and StoreError."""
    read, lines, refused = _sorted_out(settings, path)
    imported = duplicates = 0
    known: dict[SeriesKey, int] = {}
    for key, given in lines.items():
        once: dict[int, Line] = {}
        for line in given:
            once.setdefault(line.at_ms, line)
        duplicates += len(given) - len(once)
        found = sorted(once.values(), key=lambda line: line.at_ms)
        interval_s = _interval(found)
        for begin in range(0, len(found), BATCH):
            batch = found[begin : begin + BATCH]
            with store.write() as connection:
                fresh, late = _fresh(connection, key, batch)
                if fresh and not dry_run:
                    samples.append(connection, (_sample(key, line, interval_s) for line in fresh), known)
            imported += len(fresh)
            refused += [Refused(line=line.number, why=TOO_LATE) for line in late]
            duplicates += len(batch) - len(fresh) - len(late)
    return Imported(
        read=read, imported=imported, duplicates=duplicates,
        refused=tuple(sorted(refused, key=lambda item: item.line)),
    )  # fmt: skip


def _fresh(connection: Connection, key: SeriesKey, batch: list[Line]) -> tuple[list[Line], list[Line]]:
    """The lines that are new, and those that come too late."""
    there = samples.times(connection, key, batch[0].at_ms, batch[-1].at_ms)
    fresh = [line for line in batch if line.at_ms not in there]
    number = rollups.closed_until(connection, key[0]).get(key)
    if number is None:
        return fresh, []
    hours = {line.at_ms - line.at_ms % HOUR_MS for line in fresh}
    frozen = rollups.frozen_hours(connection, number[0], hours)
    late = [line for line in fresh if line.at_ms - line.at_ms % HOUR_MS in frozen]
    return [line for line in fresh if line.at_ms - line.at_ms % HOUR_MS not in frozen], late


def _interval(lines: list[Line]) -> float:
    """Seconds between two measurements, as usual in this file."""
    gaps = [b.at_ms - a.at_ms for a, b in pairwise(lines) if b.at_ms > a.at_ms]
    return min(DAY_S, max(1, round(statistics.median(gaps) / 1000))) if gaps else 60


def _sample(key: SeriesKey, line: Line, interval_s: float) -> Sample:
    return Sample(
        environment=key[0], sli=key[1], at_ms=line.at_ms, value=line.value, good=line.good, interval_s=interval_s
    )


def _sorted_out(settings: Settings, path: Path) -> tuple[int, dict[SeriesKey, list[Line]], list[Refused]]:
    allowed = _allowed(settings)
    lines: dict[SeriesKey, list[Line]] = {}
    refused: list[Refused] = []
    read = 0
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Unreadable(f"{path} is larger than 1 GiB. Split it.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in _rows(file, path):
                read += 1
                try:
                    key, line = _line(number, row, allowed)
                except ValueError as error:
                    refused.append(Refused(line=number, why=str(error)))
                else:
                    lines.setdefault(key, []).append(line)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not CSV text in UTF-8"
        raise Unreadable(f"{path} can't be read: {why}.") from error
    return read, lines, refused


def _rows(file: TextIO, path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    reader = csv.reader(file)
    head = [name.strip().lower() for name in next(reader, [])]
    missing = [name for name in COLUMNS if name not in head]
    if missing:
        raise Unreadable(f"{path} has no column {missing[0]!r}. Its first line must name: {', '.join(COLUMNS)}.")
    for row in reader:
        if row:
            yield reader.line_num, dict(zip(head, row, strict=False))


def _allowed(settings: Settings) -> dict[str, frozenset[str]]:
    many = (QUEUE, *DEPENDENCY_SLIS)  # one series each for several
    plain = [name for name in SLI_NAMES if name not in many]
    return {
        environment.name: frozenset(
            (
                *plain,
                *(sli.name for sli in environment.slis),
                *(f"{sli}:{instance}" for sli in many for instance in environment.instances(sli)),
            )
        )
        for environment in settings.environments
    }


def _line(number: int, row: Mapping[str, str], allowed: Mapping[str, Iterable[str]]) -> tuple[SeriesKey, Line]:
    """A line's series and content, or ValueError with the reason in plain words."""
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    environment, sli = cells["environment"], cells["sli"]
    if environment not in allowed:
        raise ValueError(f"no environment {environment[:40]!r} is configured; known: {', '.join(allowed)}")
    if sli not in allowed[environment]:
        raise ValueError(f"{environment} has no SLI {sli[:60]!r}; known: {', '.join(sorted(allowed[environment]))}")
    if cells["good"] not in {"0", "1"}:
        raise ValueError(f"good must be 0 or 1, not {cells['good'][:20]!r}")
    return (environment, sli), Line(
        number=number, at_ms=_time(cells["timestamp"]), value=_value(cells["value"]), good=cells["good"] == "1"
    )


def _time(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"timestamp is no ISO 8601 time: {text[:40]!r}") from error
    if moment.tzinfo is None:
        raise ValueError(f"timestamp names no time zone: {text[:40]!r}")
    at_ms = clock.to_ms(moment)
    if window.trouble(at_ms, clock.now_ms()) is not None:
        raise ValueError(f"timestamp lies before 2000 or in the future: {text[:40]!r}")
    return at_ms


def _value(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError(f"value is not a number: {text[:20]!r}") from error
    if not math.isfinite(value) or value < 0 or value > 1e13:
        raise ValueError(f"value must be a number from 0 to 1e13, not {text[:20]!r}")
    return value
