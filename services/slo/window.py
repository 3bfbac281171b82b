"""The stretches of each tier that make up a time, so that nothing is counted twice and nothing is left out. Pure.

Windows are made of whole minutes. One of days begins at a full hour, since minutes are not kept as long as hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.clock import DAY_MS, HOUR_MS, MINUTE_MS

Range = tuple[int, int]
EARLIEST_MS = 946_684_800_000  # 2000-01-01


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiles:
    """Ranges [from, until) in ms by tier, apart from each other."""

    days: tuple[Range, ...]
    hours: tuple[Range, ...]
    minutes: tuple[Range, ...]


def trouble(as_of_ms: int, now_ms: int) -> str | None:
    """Why a moment can't be computed as of; None where it can."""
    if as_of_ms > now_ms + MINUTE_MS:
        return "lies in the future: nothing was measured there yet"
    return "lies before 2000: nothing can have been measured there" if as_of_ms < EARLIEST_MS else None


def end_of(as_of_ms: int) -> int:
    """The last full minute's end: what a window ends with."""
    return as_of_ms - as_of_ms % MINUTE_MS


def days_before(until_ms: int, days: int) -> int:
    """Where a window of days begins: at the full hour."""
    begin = until_ms - days * DAY_MS
    return begin - begin % HOUR_MS


def tiles(low: int, high: int, closed_ms: int) -> Tiles:
    """What makes up [low, high), whole minutes, where hours are rolled up until `closed_ms` (a full hour).

    A later sample would have closed the hour that begins there, so nothing lies beyond it.
    """
    high = min(high, closed_ms + HOUR_MS)
    if high <= low:
        return Tiles(days=(), hours=(), minutes=())
    first_hour = -(-low // HOUR_MS) * HOUR_MS
    last_hour = min(high - high % HOUR_MS, closed_ms)
    if last_hour <= first_hour:
        return Tiles(days=(), hours=(), minutes=_some((low, high)))
    first_day = -(-first_hour // DAY_MS) * DAY_MS
    last_day = min(last_hour - last_hour % DAY_MS, closed_ms - closed_ms % DAY_MS)
    edges = _some((low, first_hour), (last_hour, high))
    if last_day <= first_day:
        return Tiles(days=(), hours=((first_hour, last_hour),), minutes=edges)
    hours = _some((first_hour, first_day), (last_day, last_hour))
    return Tiles(days=((first_day, last_day),), hours=hours, minutes=edges)


def without(low: int, high: int, holes: Sequence[Range]) -> tuple[Range, ...]:
    """The stretches of [low, high) that lie outside the holes, in whole minutes that no hole touches."""
    found: list[Range] = []
    at = low
    for hole_from, hole_until in sorted(holes):
        begin, end = hole_from - hole_from % MINUTE_MS, -(-hole_until // MINUTE_MS) * MINUTE_MS
        if end <= at or begin >= high:
            continue
        if begin > at:
            found.append((at, begin))
        at = max(at, end)
    if at < high:
        found.append((at, high))
    return tuple(found)


def _some(*ranges: Range) -> tuple[Range, ...]:
    return tuple((low, high) for low, high in ranges if high > low)
