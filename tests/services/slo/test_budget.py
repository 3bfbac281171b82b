"""Budgets and states, at their edges."""

from __future__ import annotations

import math

import pytest

from services.slo.budget import ObjectiveStatus, stand
from services.slo.burn import RULES, Burn, Tally

MONTH_S = 30 * 86_400


def status(good: int, bad: int, target: float, *, covered: float = 1.0, firing: bool = False) -> ObjectiveStatus:
    burn = Burn(rule=RULES[2], burn_long=4.0, burn_short=4.0, events=100, firing=firing)
    return stand(
        Tally(good=good, bad=bad), unknown=0, covered_s=covered * MONTH_S, window_s=MONTH_S, target=target,
        min_events=10, burns=[burn] if firing else [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("good", "bad", "target", "state"),
    [(9, 1, 0.9, "at_risk"), (90, 10, 0.9, "at_risk"), (89, 11, 0.9, "broken"), (199, 1, 0.995, "at_risk"),
     (198, 2, 0.995, "broken"), (10_000, 0, 0.995, "ok"), (9, 0, 0.995, "no_data"), (0, 0, 0.995, "no_data"),
     (10, 0, 1.0, "ok"), (99_999, 1, 1.0, "broken"), (9990, 10, 0.995, "ok"), (9962, 38, 0.995, "at_risk")],
)  # fmt: skip
def test_the_state_is_decided_without_rounding(good: int, bad: int, target: float, state: str) -> None:
    assert status(good, bad, target).state == state


def test_a_budget_in_minutes_and_in_events_says_the_same() -> None:
    budget = status(9990, 10, 0.995).budget
    assert budget is not None
    assert budget.allowed_s == pytest.approx(12_960)  # 3 h 36 min of 30 days
    assert budget.spent_s == pytest.approx(2592)
    assert budget.allowed_events == 50
    assert budget.remaining == pytest.approx(0.8)
    assert budget.left_s / budget.allowed_s == pytest.approx(budget.remaining)


def test_time_that_was_not_observed_neither_spends_nor_earns() -> None:
    whole, half = status(9990, 10, 0.995), status(9990, 10, 0.995, covered=0.5)
    assert whole.budget is not None
    assert half.budget is not None
    assert (half.coverage, half.value) == (0.5, whole.value)
    assert half.budget.allowed_s == pytest.approx(whole.budget.allowed_s / 2)
    assert half.budget.remaining == whole.budget.remaining


def test_a_firing_rule_means_at_risk_and_says_how_long_it_lasts() -> None:
    found = status(9990, 10, 0.995, firing=True)
    assert found.state == "at_risk"
    assert found.exhausted_in_s == pytest.approx(0.8 * MONTH_S / 4)


def test_any_error_overspends_a_budget_of_nothing_without_end() -> None:
    budget = status(99, 1, 1.0).budget
    assert budget is not None
    assert budget.remaining == -math.inf
