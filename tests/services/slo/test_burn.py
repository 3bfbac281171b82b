"""Burn rates beside the workbook's own examples (Google, The Site Reliability Workbook, chapter 5)."""

from __future__ import annotations

import math

import pytest

from services.settings.model import BURN_FACTORS
from services.slo.burn import RULES, Tally, burns, rate

ALL = tuple(BURN_FACTORS)


def tally(share_bad: float, events: int = 100_000) -> Tally:
    bad = round(share_bad * events)
    return Tally(good=events - bad, bad=bad)


@pytest.mark.parametrize(
    ("share_bad", "burn", "exhausted_days"),  # table 5-1, 99.9 % over 30 days
    [(0.001, 1, 30), (0.002, 2, 15), (0.01, 10, 3), (1.0, 1000, 43 / 60 / 24)],
)
def test_the_rate_is_the_workbooks(share_bad: float, burn: float, exhausted_days: float) -> None:
    found = rate(tally(share_bad), 0.999)
    assert found == pytest.approx(burn)
    assert found is not None
    assert 30 / found == pytest.approx(exhausted_days, rel=0.01)


@pytest.mark.parametrize(
    ("name", "long_s", "short_s", "factor", "budget"),  # table 5-8
    [("page_fast", 3600, 300, 14.4, 0.02), ("page_slow", 6 * 3600, 1800, 6, 0.05),
     ("ticket_slow", 3 * 86_400, 6 * 3600, 1, 0.10), ("ticket_fast", 86_400, 2 * 3600, 3, 0.10)],
)  # fmt: skip
def test_the_rules_are_the_workbooks(name: str, long_s: int, short_s: int, factor: float, budget: float) -> None:
    rule = next(rule for rule in RULES if rule.name == name)
    assert (rule.long_s, rule.short_s, rule.factor) == (long_s, short_s, factor)
    assert rule.factor * rule.long_s / (30 * 86_400) == pytest.approx(budget)


def test_a_rule_fires_only_when_both_windows_exceed_it() -> None:
    def found(long_bad: float, short_bad: float) -> bool:
        return burns(lambda s: tally(long_bad if s == 3600 else short_bad), 0.999, ["page_fast"], 10)[0].firing

    assert found(0.0145, 0.0145)
    assert not found(0.0145, 0.0144)  # over: the short window is no longer above
    assert not found(0.0144, 0.5)
    assert not found(0.0, 0.0)


def test_few_events_never_fire() -> None:
    few = burns(lambda _: Tally(bad=9), 0.999, ALL, 10)
    enough = burns(lambda _: Tally(bad=10), 0.999, ALL, 10)
    assert not any(item.firing for item in few)
    assert all(item.firing for item in enough)


def test_errors_at_a_target_of_everything_burn_without_end() -> None:
    assert rate(Tally(good=99, bad=1), 1.0) == math.inf
    assert rate(Tally(good=99), 1.0) == 0


def test_without_events_there_is_no_rate() -> None:
    assert rate(Tally(), 0.99) is None
