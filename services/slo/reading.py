"""What the store holds about series and stretches of time. A few queries for all of them together."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from services.slo.burn import Tally
from services.slo.window import Range, tiles
from services.store import rollups, sketch
from services.store.parts import QUANTILES, Part

Wanted = tuple[Range, ...]  # stretches of one window, apart from each other


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """One window of one series, added up."""

    tally: Tally
    unknown: int
    covered_ms: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class History:
    """The parts of some series, ready to be added up over any of the stretches that they were loaded for."""

    def __init__(
        self, connection: Connection, series: Mapping[int, int | None], plain: Iterable[Range],
        with_sketches: Iterable[Range] = (),
    ) -> None:  # fmt: skip
        """Load for `series` (id → closed until, ms) what covers the stretches; sketches only where asked for."""
        self._closed = {key: closed if closed is not None else 0 for key, closed in series.items()}
        self._parts: dict[tuple[int, int], list[Part]] = {}
        self._starts: dict[tuple[int, int], list[int]] = {}
        wanted: dict[int, dict[bool, set[Range]]] = {tier: {False: set(), True: set()} for tier in (0, 1, 2)}
        asked: tuple[tuple[bool, tuple[Range, ...]], ...] = ((True, tuple(with_sketches)), (False, tuple(plain)))
        for sketches, ranges in asked:
            for closed in set(self._closed.values()):
                for low, high in ranges:
                    made = tiles(low, high, closed)
                    for tier, chosen in ((0, made.minutes), (1, made.hours), (2, made.days)):
                        wanted[tier][sketches].update(chosen)
        for tier, kinds in wanted.items():
            rich = united(kinds[True])
            poor = _apart(united(kinds[False]), rich)
            for full, stretches in ((True, rich), (False, poor)):
                loaded = rollups.load(connection, tier, list(self._closed), stretches, sketches=full)
                for key, parts in loaded.items():
                    self._parts.setdefault((key, tier), []).extend(parts)
        for place, parts in self._parts.items():
            parts.sort(key=lambda part: part.from_ms)
            self._starts[place] = [part.from_ms for part in parts]

    def parts(self, key: int, ranges: Wanted) -> list[Part]:
        """The parts that make up these stretches of a series, in any order."""
        found: list[Part] = []
        for low, high in ranges:
            made = tiles(low, high, self._closed[key])
            for tier, chosen in ((0, made.minutes), (1, made.hours), (2, made.days)):
                starts = self._starts.get((key, tier), [])
                for begin, end in chosen:
                    found += self._parts[key, tier][bisect.bisect_left(starts, begin) : bisect.bisect_left(starts, end)]
        return found

    def tally(self, key: int, ranges: Wanted) -> Tally:
        """Good and bad events of a series in these stretches."""
        parts = self.parts(key, ranges)
        return Tally(good=sum(part.good for part in parts), bad=sum(part.bad for part in parts))

    def sums(self, key: int, ranges: Wanted) -> Sums:
        """Everything about a series in these stretches; quantiles where sketches were loaded for them."""
        parts = self.parts(key, ranges)
        tally = Tally(good=sum(part.good for part in parts), bad=sum(part.bad for part in parts))
        p50, p95, p99 = sketch.merged(part.sketch for part in parts).quantiles(QUANTILES)
        return Sums(
            tally=tally,
            unknown=sum(part.events for part in parts) - tally.total,
            covered_ms=sum(part.covered_ms for part in parts),
            p50=p50,
            p95=p95,
            p99=p99,
        )


def united(ranges: Iterable[Range]) -> list[Range]:
    """The same time in as few ranges as possible, in order."""
    found: list[Range] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def _apart(ranges: Sequence[Range], taken: Sequence[Range]) -> list[Range]:
    """The ranges without what is taken."""
    found: list[Range] = []
    for low, high in ranges:
        at = low
        for begin, end in taken:
            if end <= at or begin >= high:
                continue
            if begin > at:
                found.append((at, begin))
            at = end
        if at < high:
            found.append((at, high))
    return found
