"""Which points does a chart of an SLI have? Equal slices of time from roll-ups, never more than a screen has pixels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection

from services.slo.reading import History
from services.slo.window import Range
from services.store import rollups
from services.store.parts import DAY_MS, HOUR_MS, MINUTE_MS, Part, joined

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
    known = rollups.closed_until(connection, environment).get((environment, sli))
    if known is None:
        return ()
    history = History(connection, dict([known]), plain=(), with_sketches=[(low, high)])
    parts = sorted(history.parts(known[0], ((low, high),)), key=lambda part: part.from_ms)
    size = width(parts[0].from_ms, high) if parts else DAY_MS
    made = []
    for begin, group in groupby(parts, key=lambda part: part.from_ms - part.from_ms % size):
        made.append(_point(begin, begin + size, list(group), (low, high)))
    return tuple(made)


def _point(begin: int, end: int, parts: list[Part], inside: Range) -> Point:
    whole = parts[0] if len(parts) == 1 and parts[0].p50 is not None else joined(begin, parts)
    return Point(
        from_ms=max(begin, inside[0]), until_ms=min(end, inside[1]), good=whole.good, bad=whole.bad,
        unknown=whole.count - whole.good - whole.bad, covered_ms=whole.covered_ms, p50=whole.p50, p95=whole.p95,
        p99=whole.p99,
    )  # fmt: skip
