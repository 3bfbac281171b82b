"""How long has waiting work waited? Pure: items and their times in, ages out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

P95 = 0.95
MILLISECONDS_FROM = 1e11  # numbers above this are milliseconds since 1970, below it seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Aging:
    """Ages in seconds over the items looked at; `sampled` of `depth` items, and whether the p95 is exact."""

    depth: int
    sampled: int
    unreadable: int
    oldest_s: float | None
    p95_s: float | None
    exact: bool


def oldest_share_rank(depth: int) -> int:
    """Rank from the oldest end (0 = oldest) of the item whose age is the 95th percentile (nearest rank)."""
    return depth - math.ceil(P95 * depth) if depth else 0


def p95(ages: Sequence[float]) -> float | None:
    """95th percentile by nearest rank; None for no ages."""
    if not ages:
        return None
    ordered = sorted(ages)
    return ordered[math.ceil(P95 * len(ordered)) - 1]


def time_of(item: bytes, field: str) -> float | None:
    """Seconds since 1970 in a JSON item's field (number of s or ms, or ISO 8601 with zone); None if unreadable."""
    try:
        found = json.loads(item)
        value = found[field] if isinstance(found, dict) else None
        if isinstance(value, bool) or value is None:
            return None
        if isinstance(value, str):
            return _from_text(value)
        return _from_number(float(value))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _from_text(text: str) -> float | None:
    try:
        return _from_number(float(text))
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _from_number(value: float) -> float | None:
    if not math.isfinite(value) or value <= 0:
        return None
    return value / 1000 if value > MILLISECONDS_FROM else value


def aging_of_all(times: Sequence[float | None], *, now_s: float) -> Aging:
    """The ages of a queue that was read whole."""
    ages = [max(0.0, now_s - moment) for moment in times if moment is not None]
    return Aging(
        depth=len(times),
        sampled=len(times),
        unreadable=len(times) - len(ages),
        oldest_s=max(ages, default=None),
        p95_s=p95(ages),
        exact=len(ages) == len(times),
    )
