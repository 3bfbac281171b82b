"""Compares the roll-ups with the raw samples. Computed again from raw, day by day, and compared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection

from services.clock import DAY_MS, HOUR_MS
from services.store import Store, rollups, samples, sketch
from services.store.parts import QUANTILES, Part, joined, minutes

EXACT = ("events", "good", "bad", "covered_ms")
NAMES = {rollups.MINUTE: "minute", rollups.HOUR: "hour", rollups.DAY: "day"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A part that is not what its raw samples say."""

    environment: str
    sli: str
    tier: str
    from_ms: int
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """How many parts were compared, and those that differ. Hours whose raw samples are gone can't be compared."""

    compared: int
    differences: tuple[Difference, ...]


def check(store: Store, *, repair: bool = False) -> Checked:
    """Compare minutes and hours with raw, days with their hours; with `repair` evaluate again what differs."""
    compared, found = 0, []
    with store.read() as connection:
        known = rollups.closed_until(connection)
    for (environment, sli), (series_id, closed) in known.items():
        with store.read() as connection:
            extent = rollups.extent(connection, series_id)
        if extent is None or closed is None:
            continue
        for low in range(extent[0] - extent[0] % DAY_MS, extent[1] + 1, DAY_MS):
            with store.read() as connection:
                number, wrong = _day(connection, series_id, low, closed)
            compared += number
            found += [
                Difference(environment=environment, sli=sli, tier=NAMES[t], from_ms=at, what=w) for t, at, w in wrong
            ]
            if wrong and repair:
                with store.write() as connection:
                    rollups.roll_again(connection, series_id, low, low + DAY_MS)
    return Checked(compared=compared, differences=tuple(found))


def _day(connection: Connection, series_id: int, low: int, closed: int) -> tuple[int, list[tuple[int, int, str]]]:
    high = low + DAY_MS
    raw = samples.raw(connection, series_id, low - 2 * HOUR_MS, high)
    hours_there = {row[0] - row[0] % HOUR_MS for row in raw if row[0] >= low}
    frozen = rollups.frozen_hours(connection, series_id, hours_there)
    wanted = {row[0] - row[0] % 60_000 for row in raw if row[0] >= low and row[0] - row[0] % HOUR_MS not in frozen}
    fresh = minutes(raw, wanted)
    kept = {}
    for tier in NAMES:
        parts = rollups.load(connection, tier, (series_id,), [(low, high)], sketches=True)[series_id]
        kept[tier] = {part.from_ms: part for part in parts}
    wrong = [*_compare(rollups.MINUTE, fresh, kept[rollups.MINUTE])]
    again = [joined(at, list(group)) for at, group in groupby(fresh, key=lambda p: p.from_ms - p.from_ms % HOUR_MS)]
    again = [part for part in again if part.from_ms < closed]
    wrong += _compare(rollups.HOUR, again, kept[rollups.HOUR])
    days = (
        [joined(low, list(kept[rollups.HOUR].values()), form="wide")] if high <= closed and kept[rollups.HOUR] else []
    )
    wrong += _compare(rollups.DAY, days, kept[rollups.DAY])
    return len(fresh) + len(again) + len(days), wrong


def _compare(tier: int, right: list[Part], kept: dict[int, Part]) -> Iterator[tuple[int, int, str]]:
    for part in right:
        there = kept.get(part.from_ms)
        if there is None:
            yield tier, part.from_ms, "is missing"
            continue
        for name in EXACT:
            if getattr(there, name) != getattr(part, name):
                yield tier, part.from_ms, f"{name} is {getattr(there, name)}, not {getattr(part, name)}"
                break
        else:
            if _quantiles(there) != _quantiles(part) or not math.isclose(there.total, part.total, rel_tol=1e-9):
                yield tier, part.from_ms, "its sum or quantiles differ"


def _quantiles(part: Part) -> tuple[float | None, ...]:
    return sketch.merged([part.sketch]).quantiles(QUANTILES)
