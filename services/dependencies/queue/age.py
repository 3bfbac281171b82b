"""How long waiting work has waited. Pure: items and their times in, ages out; a time that can't be is distinguished."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from services.counting import quantile
from services.outside import NotJson, parse_json

P95 = 0.95
FUTURE_S = 60.0  # by so much may the clock of who writes be ahead of ours
SCHEDULED_S = 10 * 366 * 86_400.0  # nothing is scheduled further ahead
BEGIN_S = 978_307_200.0  # 2001-01-01: what claims to be older is no time
LEGIBLE = 1 - P95  # beyond this share of unreadable items the 95th percentile is not known

# Numbers since 1970, by their size: (below, units a second). Between 2001 and 2286 no two units overlap.
_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
Why = Literal["unreadable", "local", "future"]
Moment = float | Why  # seconds since 1970, or why there is none


@dataclass(frozen=True, kw_only=True, slots=True)
class Aging:
    """Ages in seconds over the items looked at; `sampled` of `depth` items, and whether the p95 is exact.

    `why` says what is wrong with the times that could not be read; "" where all could.
    """

    depth: int
    sampled: int
    unreadable: int
    oldest_s: float | None
    p95_s: float | None
    exact: bool
    why: str = ""

    @property
    def legible(self) -> bool:
        """Whether so many items were readable that the 95th percentile is one of theirs."""
        return self.p95_s is not None and self.unreadable <= LEGIBLE * self.sampled


def oldest_share_rank(depth: int) -> int:
    """Rank from the oldest end (0 = oldest) of the item whose age is the 95th percentile (nearest rank)."""
    return depth - math.ceil(P95 * depth) if depth else 0


def p95(ages: Sequence[float]) -> float | None:
    """95th percentile by nearest rank; None for no ages."""
    if not ages:
        return None
    ordered = sorted(ages)
    return quantile(ordered, P95)


def time_of(item: bytes, field: str, zone: ZoneInfo | None = None) -> Moment:
    """The time in a JSON item's field: a number of s, ms, µs or ns since 1970, or ISO 8601."""
    try:
        found = parse_json(item)
    except NotJson:
        return "unreadable"
    return moment(found.get(field) if isinstance(found, dict) else None, zone)


def moment(value: Any, zone: ZoneInfo | None = None) -> Moment:
    """The time that a value means. A local time without zone is one only where the zone is known."""
    if isinstance(value, bool):
        return "unreadable"
    if isinstance(value, (int, float)):
        return seconds(float(value))
    if not isinstance(value, str):
        return "unreadable"
    try:
        return seconds(float(value))
    except ValueError:
        return _from_text(value.strip(), zone)


def _from_text(text: str, zone: ZoneInfo | None) -> Moment:
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            if zone is None:
                return "local"
            found = found.replace(tzinfo=zone)
        return _plausible(found.timestamp())
    except (ValueError, OverflowError, OSError):
        return "unreadable"


def seconds(value: float) -> Moment:
    """Seconds since 1970, the unit inferred from the number's size."""
    if not math.isfinite(value) or value < 0:
        return "unreadable"
    units = next((units for below, units in _UNITS if value < below), None)
    return "unreadable" if units is None else _plausible(value / units)


def scale_of(value: float) -> float | None:
    """Units a second of a number since 1970; None for what is no time."""
    return next((units for below, units in _UNITS if value < below), None) if value >= BEGIN_S else None


def _plausible(found: float) -> Moment:
    return found if found >= BEGIN_S else "unreadable"


def aging_of_all(times: Sequence[Moment], *, now_s: float) -> Aging:
    """The ages of a queue that was read whole. A time in the future beyond the clocks' difference is not known."""
    known = [item for item in times if isinstance(item, float) and item <= now_s + FUTURE_S]
    ages = [max(0.0, now_s - item) for item in known]
    reasons = [
        item if isinstance(item, str) else "future"
        for item in times
        if not (isinstance(item, float) and item <= now_s + FUTURE_S)
    ]
    return Aging(
        depth=len(times),
        sampled=len(times),
        unreadable=len(reasons),
        oldest_s=max(ages, default=None),
        p95_s=p95(ages),
        exact=not reasons,
        why=max(set(reasons), key=reasons.count) if reasons else "",
    )


def together(parts: Sequence[Aging]) -> Aging:
    """Several parts of one queue; the p95 is the largest of theirs, which bounds that of all."""
    filled = [part for part in parts if part.depth]
    if len(filled) == 1:
        return filled[0]
    return Aging(
        depth=sum(part.depth for part in filled),
        sampled=sum(part.sampled for part in filled),
        unreadable=sum(part.unreadable for part in filled),
        oldest_s=max((part.oldest_s for part in filled if part.oldest_s is not None), default=None),
        p95_s=max((part.p95_s for part in filled if part.p95_s is not None), default=None),
        exact=not filled,
        why=next((part.why for part in filled if part.why), ""),
    )
