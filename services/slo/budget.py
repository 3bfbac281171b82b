"""Whether an SLO is met, how much of its error budget is left, and how long that lasts. Pure.

Only known measurements count: an unknown one is neither good nor bad, and time that was not observed spends no budget
and earns none. Budgets are computed over the observed part of the window, which is told beside them as `coverage`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.slo.burn import Burn, Tally, allowed_share

State = Literal["ok", "at_risk", "broken", "no_data"]
LOW = 0.25  # with less of the budget left, an SLO is at risk


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What may go wrong: in seconds of observed time, and in events. `remaining` is a fraction, below 0 overspent."""

    allowed_s: float
    spent_s: float
    allowed_events: float
    spent_events: int
    remaining: float

    @property
    def left_s(self) -> float:
        """Seconds that are left; negative where it is overspent."""
        return self.allowed_s - self.spent_s


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveStatus:
    """How an SLO stands. `value` None and `budget` None without data; `exhausted_in_s` None where it won't be."""

    state: State
    value: float | None
    good: int
    bad: int
    unknown: int
    coverage: float
    window_s: float
    budget: Budget | None
    burns: tuple[Burn, ...]
    exhausted_in_s: float | None


def stand(
    tally: Tally, *, unknown: int, covered_s: float, window_s: float, target: float, min_events: int,
    burns: Sequence[Burn],
) -> ObjectiveStatus:  # fmt: skip
    """An SLO over a window (maintenance already taken out of everything)."""
    coverage = min(1.0, covered_s / window_s) if window_s > 0 else 0.0
    value = tally.good / tally.total if tally.total else None
    budget = _budget(tally, min(covered_s, window_s), target) if tally.total else None
    return ObjectiveStatus(
        state=_state(tally, budget, min_events, burns), value=value, good=tally.good, bad=tally.bad, unknown=unknown,
        coverage=coverage, window_s=window_s, budget=budget, burns=tuple(burns),
        exhausted_in_s=_exhausted(budget, window_s, burns),
    )  # fmt: skip


def _budget(tally: Tally, observed_s: float, target: float) -> Budget:
    share = allowed_share(target)
    allowed = float(share * tally.total)
    spent_all = -math.inf if tally.bad else 1.0
    return Budget(
        allowed_s=float(share) * observed_s,
        spent_s=tally.bad / tally.total * observed_s,
        allowed_events=allowed,
        spent_events=tally.bad,
        remaining=1 - tally.bad / allowed if allowed > 0 else spent_all,
    )


def _state(tally: Tally, budget: Budget | None, min_events: int, burns: Sequence[Burn]) -> State:
    if budget is None or tally.total < min_events:
        return "no_data"
    if budget.remaining < 0:
        return "broken"
    return "at_risk" if budget.remaining < LOW or any(burn.firing for burn in burns) else "ok"


def _exhausted(budget: Budget | None, window_s: float, burns: Sequence[Burn]) -> float | None:
    """At the rate of the last day (or the longest rule below it) the rest of the budget lasts so long."""
    rates = [b.burn_long for b in burns if b.rule.long_s <= 86_400 and b.burn_long is not None]
    if budget is None or not rates or budget.remaining <= 0 or rates[-1] <= 0:
        return None
    return budget.remaining * window_s / rates[-1]
