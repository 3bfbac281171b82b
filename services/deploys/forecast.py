"""What a deploy would cut: how long steps of background work took, against the time that a deploy grants. Pure.

A step in progress has overlap and draining together to end, so one is cut where more than that is left of it. Steps of
a kind begin r times a second and take d seconds: r · E[max(0, d − granted)] of them are cut by a deploy at a moment
that nobody chose (Little's law for the steps that have more than that left). Of few measurements little follows: the
share that outlasts a deploy is an interval, Wilson's at 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from services.clock import DAY_MS
from services.counting import wilson
from services.store import durations
from services.store.durations import RAN, RUN, STEP, Durations

SINCE_MS = 30 * DAY_MS  # how far back it is measured
SAFE = 0.001  # at most one step in a thousand is cut
SURE = 1000  # measurements of a step from which one in a thousand can be read at all
Z = 1.96  # of 95 %
LEAST_S = 3600.0  # a rate from less time than this says little
Risk = Literal["safe", "not_seen", "at_risk", "cut", "unknown"]  # unknown: what a deploy grants is not known now


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """A kind of step: how many tries, how long (s), how many outlast a deploy, and at most which share does.

    `expected` steps of it are cut by a deploy, between `low` and `high`; None where no rate is known. `step` is empty
    for a run as a whole, where no trace tells its steps.
    """

    function: str
    step: str
    tries: int
    p50_s: float
    p95_s: float
    longest_s: float
    longer: int
    at_most: float
    risk: Risk
    expected: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Toll:
    """What deploys cost: steps cut by one, and their price. Prices None where the price of a step is not set."""

    expected: float
    low: float
    high: float
    cost: float | None
    a_month: float | None  # at the measured rate of deploys; None where that isn't known


@dataclass(frozen=True, kw_only=True, slots=True)
class Needed:
    """Seconds that a deploy must grant so that at most one step in 1,000 is cut.

    `sure` is False where fewer than 1,000 tries of some kind of step were measured: then it is only the longest one.
    """

    seconds: int
    sure: bool


def forecast(
    steps: Sequence[Durations], runs: Sequence[Durations], ran: Sequence[Durations], granted_s: int, now_ms: int
) -> tuple[Forecast, ...]:
    """For each kind of step, the longest first; for runs as a whole where their steps aren't known.

    `runs` are those whose time is known, `ran` all that ended, from which the rate is taken.
    """
    told = {item.function for item in steps}
    timed, rates = {item.function: item.known for item in runs}, _rates(ran, now_ms)
    chosen = (*steps, *(item for item in runs if item.function not in told))
    made = [_one(item, granted_s, rates.get(item.function), timed.get(item.function, 0)) for item in chosen
            if item.known]  # fmt: skip
    return tuple(sorted(made, key=lambda item: (-item.longest_s, item.function, item.step)))


def _rates(ran: Iterable[Durations], now_ms: int) -> Mapping[str, float]:
    """Runs a second, by function."""
    return {item.function: item.number / max(LEAST_S, (now_ms - item.since_ms) / 1000) for item in ran}


def _one(item: Durations, granted_s: int, rate: float | None, timed: int) -> Forecast:
    count, longer = item.known, item.longer(granted_s)
    low, high = wilson(longer, count)
    risk: Risk = "safe" if high <= SAFE else "not_seen" if not longer else "cut" if longer * 2 > count else "at_risk"
    expected: tuple[float | None, float | None, float | None] = (None, None, None)
    if rate is not None and timed:
        begin = rate * (count / timed if item.step else 1.0)
        # How far one that outlasts the deploy does so; where none was seen, no further than the longest lasts.
        beyond = item.excess_s(granted_s) * count / longer if longer else item.longest_s
        doubt = Z / math.sqrt(count)  # of the rate: a count of n is so exact that its spread is its root (Poisson)
        least, most = begin * max(0.0, 1 - doubt) * low * beyond, begin * (1 + doubt) * high * beyond
        expected = (begin * item.excess_s(granted_s), least, most)
    return Forecast(
        function=item.function, step=item.step, tries=count, p50_s=item.at(0.5), p95_s=item.at(0.95),
        longest_s=item.longest_s, longer=longer, at_most=high, risk=risk,
        expected=expected[0], low=expected[1], high=expected[2],
    )  # fmt: skip


def load(
    connection: Connection, environment: str, now_ms: int
) -> tuple[tuple[Durations, ...], tuple[Durations, ...], tuple[Durations, ...]]:
    """Runs whose time is known, all that ended, and steps, of the 30 days before then."""
    runs, ran, steps = (
        durations.load(connection, environment, prefix, since_ms=now_ms - SINCE_MS, now_ms=now_ms)
        for prefix in (RUN, RAN, STEP)
    )
    return runs, ran, steps


def at(connection: Connection, environment: str, granted_s: int, now_ms: int) -> tuple[Forecast, ...]:
    """From what was measured before then."""
    runs, ran, steps = load(connection, environment, now_ms)
    return forecast(steps, runs, ran, granted_s, now_ms)


def toll(found: Sequence[Forecast], *, cost_per_step: float | None, deploys_a_month: float | None) -> Toll | None:
    """Of all kinds of steps together; None where no rate is known."""
    known = [item for item in found if item.expected is not None]
    if not known:
        return None
    expected = sum(item.expected or 0.0 for item in known)
    cost = None if cost_per_step is None else expected * cost_per_step
    return Toll(
        expected=expected,
        low=sum(item.low or 0.0 for item in known),
        high=sum(item.high or 0.0 for item in known),
        cost=cost,
        a_month=None if cost is None or deploys_a_month is None else cost * deploys_a_month,
    )


def needed(steps: Sequence[Durations], runs: Sequence[Durations]) -> Needed | None:
    """What to grant, in half minutes; None where nothing was measured."""
    told = {item.function for item in steps}
    chosen = [item for item in (*steps, *(r for r in runs if r.function not in told)) if item.known]
    if not chosen:
        return None
    longest = max(item.at(1 - SAFE) if item.known >= SURE else item.longest_s for item in chosen)
    return Needed(seconds=math.ceil(longest / 30) * 30, sure=all(item.known >= SURE for item in chosen))
