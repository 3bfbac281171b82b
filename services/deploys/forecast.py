"""What a deploy would cut: how long background runs took, against the time that a deploy grants. Pure.

A run is cut where it lasts longer than overlap and draining together. Of few runs little follows, so the share of those
cut has an upper bound: Wilson's, at 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.counting import wilson
from services.store.inngest_runs import Durations

SAFE = 0.001  # at most one run in a thousand is cut
Risk = Literal["safe", "not_seen", "at_risk", "cut"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """A function's runs: how many, how long (seconds), how many outlast a deploy, and at most which share does."""

    function: str
    runs: int
    p50_s: float
    p95_s: float
    longest_s: float
    longer: int
    at_most: float
    risk: Risk


def forecast(found: Sequence[Durations], granted_s: int) -> tuple[Forecast, ...]:
    """For each function, the longest first."""
    return tuple(_one(item, granted_s) for item in found)


def _one(item: Durations, granted_s: int) -> Forecast:
    count = len(item.all_s)
    longer = sum(value > granted_s for value in item.all_s)
    _, bound = wilson(longer, count)
    risk: Risk = "safe" if bound <= SAFE else "not_seen" if not longer else "cut" if longer * 2 > count else "at_risk"
    return Forecast(
        function=item.function, runs=count, p50_s=item.at(0.5), p95_s=item.at(0.95), longest_s=item.longest_s,
        longer=longer, at_most=bound, risk=risk,
    )  # fmt: skip
