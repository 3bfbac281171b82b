"""The points of an SLI's chart. Equal slices of time from roll-ups, never more than a screen has pixels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection

from services.clock import DAY_MS, HOUR_MS, MINUTE_MS
from services.slo.window import Range, tiles
from services.store import rollups
from services.store.parts import Part, joined

TEN_MINUTES_MS = 10 * MINUTE_MS


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A slice [from, until) in ms. Quantiles are in the SLI's unit, None without values."""

    from_ms: int
    until_ms: int
    good: int
    bad: int
    unknown: int
    covered_ms: int
    p50: float | None
    p95: float | None
    p99: float | None

    @property
    def share(self) -> float | None:
        """Good of all known events; None without any."""
        total = self.good + self.bad
        return self.good / total if total else None


def width(low: int, high: int) -> int:
    """Slices of ten minutes up to a day and a bit, of an hour up to a week and a bit, else of a day (UTC)."""
    length = high - low
    return TEN_MINUTES_MS if length <= 26 * HOUR_MS else HOUR_MS if length <= 8 * DAY_MS else DAY_MS


def points(connection: Connection, environment: str, sli: str, low: int, high: int) -> tuple[Point, ...]:
    """The slices of [low, high) in which something was measured, oldest first."""
    series_id, closed = rollups.closed_until(connection, environment).get((environment, sli), (0, None))
    first = rollups.first(connection, series_id, low, high) if closed is not None else None
    if first is None or closed is None:
        return ()
    size = width(first, high)
    parts = [
        part
        for tier, ranges in _pieces(size, low, high, closed)
        for part in rollups.load(connection, tier, (series_id,), ranges, sketches=tier != _TIERS.get(size))[series_id]
    ]
    parts.sort(key=lambda part: part.from_ms)
    made = []
    for begin, group in groupby(parts, key=lambda part: part.from_ms - part.from_ms % size):
        made.append(_point(begin, begin + size, list(group), (low, high)))
    return tuple(made)


_TIERS = {DAY_MS: rollups.DAY, HOUR_MS: rollups.HOUR}  # whose parts are such slices, with their quantiles


def _pieces(size: int, low: int, high: int, closed: int) -> list[tuple[int, tuple[Range, ...]]]:
    """Which tiers make up slices of that size: nothing longer than a slice."""
    if size == DAY_MS:
        made = tiles(low, high, closed)
        return [(rollups.DAY, made.days), (rollups.HOUR, made.hours), (rollups.MINUTE, made.minutes)]
    end = min(high, closed + HOUR_MS)
    if size == HOUR_MS:
        first, last = -(-low // HOUR_MS) * HOUR_MS, min(high - high % HOUR_MS, closed)
        if last > first:
            edges = tuple((a, b) for a, b in ((low, first), (last, end)) if b > a)
            return [(rollups.HOUR, ((first, last),)), (rollups.MINUTE, edges)]
    return [(rollups.MINUTE, ((low, end),))] if end > low else []


def _point(begin: int, end: int, parts: list[Part], inside: Range) -> Point:
    whole = parts[0] if len(parts) == 1 and parts[0].p50 is not None else joined(begin, parts, form=None)
    return Point(
        from_ms=max(begin, inside[0]), until_ms=min(end, inside[1]), good=whole.good, bad=whole.bad,
        unknown=whole.events - whole.good - whole.bad, covered_ms=whole.covered_ms, p50=whole.p50, p95=whole.p95,
        p99=whole.p99,
    )  # fmt: skip
