"""What is kept of a slice of time. Sums that can be added up in any order. Pure: samples in, parts out.

A known sample covers the time since the known one before it; after a pause longer than one and a half intervals only
its own interval. That time is booked where the sample lies, so that parts add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.clock import MINUTE_MS
from services.store import sketch

PAUSE = 1.5  # intervals: a longer time since the last known sample was not observed
QUANTILES = (0.5, 0.95, 0.99)
UNSTATED_INTERVAL_S = 60

# (at_ms, value, good, interval_s), as the store has them
Raw = tuple[int, float | None, int | None, int]


class Part(NamedTuple):
    """A slice of one series: `good` and `bad` of `events` (the rest is unknown), sums, observed time, sketch.

    A tuple, since a page makes thousands of them: a frozen dataclass of as many fields takes eight times as long.
    """

    from_ms: int
    events: int
    good: int
    bad: int
    covered_ms: int
    total: float
    lowest: float | None
    highest: float | None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    sketch: bytes = b""


def minutes(raw: Sequence[Raw], wanted: Iterable[int]) -> list[Part]:
    """The wanted minutes (their beginnings in ms) out of samples in order of time, which may reach further back."""
    chosen = set(wanted)
    by_minute: dict[int, list[Raw]] = {}
    covered: dict[int, int] = {}
    known_before: int | None = None
    for item in raw:
        at_ms, _, good, interval_s = item
        minute = at_ms - at_ms % MINUTE_MS
        if minute in chosen:
            by_minute.setdefault(minute, []).append(item)
        if good is None:
            continue
        if minute in chosen:
            interval = (interval_s or UNSTATED_INTERVAL_S) * 1000
            gap = None if known_before is None else at_ms - known_before
            covered[minute] = covered.get(minute, 0) + (interval if gap is None or gap > PAUSE * interval else gap)
        known_before = at_ms
    return [_part(minute, items, covered.get(minute, 0)) for minute, items in sorted(by_minute.items())]


def _part(from_ms: int, items: list[Raw], covered_ms: int) -> Part:
    count = good = bad = 0
    counts: sketch.Counts = {}
    values = []
    for _, value, was_good, _ in items:
        count += 1
        if was_good is not None:
            good += was_good
            bad += 1 - was_good
        if value is not None:
            values.append(value)
            place = sketch.bucket(value)
            counts[place] = counts.get(place, 0) + 1
    return Part(
        from_ms=from_ms, events=count, good=good, bad=bad, covered_ms=covered_ms, total=sum(values),
        lowest=min(values, default=None), highest=max(values, default=None), sketch=sketch.encode(counts),
    )  # fmt: skip


def joined(from_ms: int, parts: Sequence[Part], *, form: sketch.Form | None = "dense") -> Part:
    """Several parts as one, with its quantiles, and its sketch in that form (none: without)."""
    whole = sketch.merged(part.sketch for part in parts)
    p50, p95, p99 = whole.quantiles(QUANTILES)
    return Part(
        from_ms=from_ms,
        events=sum(part.events for part in parts),
        good=sum(part.good for part in parts),
        bad=sum(part.bad for part in parts),
        covered_ms=sum(part.covered_ms for part in parts),
        total=sum(part.total for part in parts),
        lowest=min((part.lowest for part in parts if part.lowest is not None), default=None),
        highest=max((part.highest for part in parts if part.highest is not None), default=None),
        p50=p50,
        p95=p95,
        p99=p99,
        sketch=b"" if form is None else sketch.encode(whole.counts(), form=form),
    )
