"""When a budget burns too fast. Multi-window, multi-burn-rate rules, as a table. Pure.

Source: Google, The Site Reliability Workbook, chapter 5 "Alerting on SLOs", table 5-8 (for 30 days: 2 % of the budget
in an hour, 5 % in six hours, 10 % in a day, 10 % in three days). Both windows must exceed the factor: the long one
says that it matters, the short one that it goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from services.settings.model import BURN_FACTORS, BurnRule

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Both windows in seconds."""

    name: BurnRule
    long_s: int
    short_s: int
    severity: str

    @property
    def factor(self) -> float:
        """How many times the budget's even spending."""
        return BURN_FACTORS[self.name]


RULES: tuple[Rule, ...] = (
    Rule(name="page_fast", long_s=HOUR_S, short_s=5 * MINUTE_S, severity="page"),
    Rule(name="page_slow", long_s=6 * HOUR_S, short_s=30 * MINUTE_S, severity="page"),
    Rule(name="ticket_fast", long_s=DAY_S, short_s=2 * HOUR_S, severity="ticket"),
    Rule(name="ticket_slow", long_s=3 * DAY_S, short_s=6 * HOUR_S, severity="ticket"),
)
WINDOWS_S = tuple(sorted({seconds for rule in RULES for seconds in (rule.long_s, rule.short_s)}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """Known events of a stretch of time."""

    good: int = 0
    bad: int = 0

    @property
    def total(self) -> int:
        """Good and bad; unknown ones are neither."""
        return self.good + self.bad


@dataclass(frozen=True, kw_only=True, slots=True)
class Burn:
    """A rule's finding: rates are multiples of the budget's even spending, None without events."""

    rule: Rule
    burn_long: float | None
    burn_short: float | None
    events: int
    firing: bool


def rate(tally: Tally, target: float) -> float | None:
    """The burn rate: share of bad events over the share that the target allows; infinite where it allows none."""
    if not tally.total:
        return None
    if not tally.bad:
        return 0.0
    allowed = float(allowed_share(target))
    return math.inf if allowed <= 0 else tally.bad / tally.total / allowed


def allowed_share(target: float) -> Fraction:
    """What a target lets go wrong, exactly: one bad of ten meets 0.9, which 1 - 0.9 in floats denies."""
    return 1 - Fraction(str(target))


def burns(
    tally_of: Callable[[int], Tally], target: float, names: Iterable[BurnRule], min_events: int
) -> tuple[Burn, ...]:
    """Every chosen rule's finding. A rule warns only over at least `min_events` in its long window."""
    chosen = set(names)
    return tuple(_burn(rule, tally_of, target, min_events) for rule in RULES if rule.name in chosen)


def _burn(rule: Rule, tally_of: Callable[[int], Tally], target: float, min_events: int) -> Burn:
    whole = tally_of(rule.long_s)
    burn_long, burn_short = rate(whole, target), rate(tally_of(rule.short_s), target)
    firing = (
        whole.total >= min_events
        and burn_long is not None
        and burn_short is not None
        and burn_long > rule.factor
        and burn_short > rule.factor
    )
    return Burn(rule=rule, burn_long=burn_long, burn_short=burn_short, events=whole.total, firing=firing)
