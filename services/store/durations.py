"""How long background runs and their steps took: samples in series of their own, added up from the roll-ups."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from services.clock import DAY_MS, HOUR_MS, MINUTE_MS
from services.store import rollups, sketch
from services.store.parts import Part
from services.store.samples import Sample
from services.store.schema import samples as sample_table
from services.store.schema import series

RAN, RUN = "ran:", "run:"  # each run that ended; and how long it took, where that is known
STEP = "step:"  # each try of a step
CUT, AGAIN = "cut:", "again:"  # those of them that failed, and those that came after another one
PREFIXES = (RAN, RUN, STEP, CUT, AGAIN)
BETWEEN = " › "
LONGEST_NAME = 100  # characters of a series' name
MOST_STEPS = 60  # kinds of steps of a function; what comes beyond them is one kind
OTHERS = "other steps"


@dataclass(frozen=True, kw_only=True, slots=True)
class Durations:
    """Times in seconds of what ended since `since_ms`; `number` of them, of which `counts` are known, by bucket."""

    function: str
    step: str
    number: int
    since_ms: int
    longest_s: float
    counts: Mapping[int, int] = field(repr=False)

    @property
    def known(self) -> int:
        """How many times are known."""
        return sum(self.counts.values())

    def at(self, share: float) -> float:
        """The time that at least that share did not exceed, within 1 %."""
        return min(self.longest_s, sketch.middle(sketch.place_of(self.counts, share)))

    def longer(self, than_s: float) -> int:
        """How many took longer."""
        if than_s >= self.longest_s:
            return 0
        return sum(number for place, number in self.counts.items() if sketch.middle(place) > than_s)

    def excess_s(self, over_s: float) -> float:
        """The mean of what each took beyond that, over all of them."""
        if not self.known or over_s >= self.longest_s:
            return 0.0
        over = (number * max(0.0, sketch.middle(place) - over_s) for place, number in self.counts.items())
        return sum(over) / self.known

    def left_s(self, been_s: float, share: float) -> float | None:
        """Of those that took longer than that: the time from then on that at least that share did not exceed."""
        longer = {place: number for place, number in self.counts.items() if sketch.middle(place) > been_s}
        if not longer:
            return None
        return max(0.0, min(self.longest_s, sketch.middle(sketch.place_of(longer, share))) - been_s)


def of(function: str, times_s: Iterable[float]) -> Durations:
    """The same of times at hand."""
    counts: dict[int, int] = {}
    longest = 0.0
    for value in times_s:
        place = sketch.bucket(value)
        counts[place] = counts.get(place, 0) + 1
        longest = max(longest, value)
    return Durations(function=function, step="", number=sum(counts.values()), since_ms=0, longest_s=longest,
                     counts=dict(sorted(counts.items())))  # fmt: skip


def name(prefix: str, function: str, step: str = "") -> str:
    """The series of a function's runs, or of a step; a long name keeps its beginning and a hash of all of it."""
    full = prefix + function + (BETWEEN + step if step else "")
    if len(full) <= LONGEST_NAME:
        return full
    return f"{full[: LONGEST_NAME - 9]}…{hashlib.sha256(full.encode()).hexdigest()[:8]}"


def fitted(connection: Connection, environment: str, found: Iterable[Sample]) -> list[Sample]:
    """The samples as they can be kept: no two of a series in one millisecond, and no function with endless steps."""
    wanted = list(found)
    if not wanted:
        return []
    query = select(series.c.sli).where(series.c.environment == environment, series.c.sli.startswith(STEP))
    known = set(connection.execute(query).scalars())
    steps: dict[str, int] = {}
    for sli in known:
        steps[_function(sli)] = steps.get(_function(sli), 0) + 1
    taken: set[tuple[str, int]] = set()
    made = []
    for item in wanted:
        sli, at_ms = item.sli, item.at_ms
        if sli.startswith(STEP) and sli not in known:
            function = _function(sli)
            if steps.get(function, 0) >= MOST_STEPS:
                sli = name(STEP, function, OTHERS)
            else:
                steps[function] = steps.get(function, 0) + 1
            known.add(sli)
        while (sli, at_ms) in taken:
            at_ms += 1
        taken.add((sli, at_ms))
        made.append(Sample(environment=environment, sli=sli, at_ms=at_ms, value=item.value, good=item.good))
    return made


def _function(sli: str) -> str:
    return sli.split(":", 1)[1].partition(BETWEEN)[0]


def load(connection: Connection, environment: str, *prefixes: str, since_ms: int, now_ms: int) -> tuple[Durations, ...]:
    """Since the beginning of that day, the slowest first: days and hours as they were added up, and minutes."""
    low = since_ms // DAY_MS * DAY_MS
    names: dict[int, str] = {}
    by_close: dict[int, list[int]] = {}  # what was closed at the same moment is asked for together
    hour = now_ms // HOUR_MS * HOUR_MS
    for (_, sli), (key, closed) in rollups.closed_until(connection, environment).items():
        if sli.startswith(prefixes):
            names[key] = sli
            by_close.setdefault(max(low, min(closed or 0, hour)), []).append(key)
    parts: dict[int, list[Part]] = {key: [] for key in names}
    for closed_ms, keys in by_close.items():
        day = max(low, closed_ms // DAY_MS * DAY_MS)
        for tier, begin, end in (
            (rollups.DAY, low, day), (rollups.HOUR, day, closed_ms), (rollups.MINUTE, closed_ms, now_ms + MINUTE_MS),
        ):  # fmt: skip
            if begin < end:
                for key, found in rollups.load(connection, tier, keys, [(begin, end)], sketches=True).items():
                    parts[key] += found
    made = (_added_up(names[key], found) for key, found in parts.items() if found)
    return tuple(sorted(made, key=lambda item: (-item.longest_s, item.function, item.step)))


def _added_up(sli: str, parts: Sequence[Part]) -> Durations:
    function, _, step = sli.split(":", 1)[1].partition(BETWEEN)
    return Durations(
        function=function,
        step=step,
        number=sum(part.events for part in parts),
        since_ms=min(part.from_ms for part in parts),
        longest_s=max((part.highest for part in parts if part.highest is not None), default=0.0),
        counts=sketch.merged(part.sketch for part in parts).counts(),
    )


def count(connection: Connection, environment: str, prefix: str, low: int, high: int) -> int:
    """How many samples of such series lie in [low, high)."""
    query = select(func.count()).select_from(series).join(sample_table, sample_table.c.series_id == series.c.id)
    query = query.where(series.c.environment == environment, series.c.sli.startswith(prefix),
                        sample_table.c.at_ms >= low, sample_table.c.at_ms < high)  # fmt: skip
    return int(connection.execute(query).scalar_one())
