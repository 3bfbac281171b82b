"""How long an environment has stood still and well, what broke it last, and what that proves. Pure.

Any readiness check that failed, any dependency down, any change of variables or version, any moment of relaxed mode
restarts the soak: it is computed from samples, states and evidence, never from a clock that somebody started.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.clock import HOUR_MS
from services.settings.model import Soak as Rules

CHECK = "soak"
State = Literal["not_begun", "running", "waiting", "passed"]
RELAXED, STRICT, READINESS, DEPENDENCY, VARIABLES, VERSION, UNSEEN = (
    "relaxed", "strict", "readiness", "dependency", "variables", "version", "unseen",
)  # fmt: skip
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something from which on the soak is counted again."""

    at_ms: int
    kind: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadinessCheck:
    """A known readiness check: when, whether it was good, and seconds to the next one as planned."""

    at_ms: int
    good: bool
    interval_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Soak:
    """Where a soak stands. `since_ms` None where it has not begun; `left_ms` is what is missing at least."""

    environment: str
    state: State
    since_ms: int | None
    left_ms: int
    coverage: float
    checks: int
    canaries: int
    canaries_wanted: int
    waived: str  # by whom and why, where the canaries were waived
    begun_by: Event | None
    events: tuple[Event, ...]  # newest first
    as_of_ms: int
    passed_ms: int | None = None  # when it was last kept as passed, where that still stands

    @property
    def certifies(self) -> float | None:
        """The availability that so many checks without a failure prove with 95 % confidence; None without any.

        Source: the exact binomial bound for no failures, 0.05 ** (1/n) ("rule of three").
        """
        return None if self.checks == 0 else (1 - CONFIDENCE) ** (1 / self.checks)


def meets(told: Mapping[str, Any], rules: Rules) -> bool:
    """Whether a soak that passed, as it was written down, comes up to what is asked for now."""
    long_enough = told.get("hours", rules.hours) >= rules.hours and told.get("coverage", 1.0) >= rules.coverage
    return bool(long_enough and (told.get("canaries", rules.canaries) >= rules.canaries or told.get("waived")))


def alike(events: Sequence[Event]) -> list[tuple[Event, ...]]:
    """Events of the same kind and cause that follow each other, as one group each; in the order given."""
    return [tuple(group) for _, group in itertools.groupby(events, key=lambda event: (event.kind, event.why))]


def evaluate(
    environment: str, rules: Rules, *, strict: bool | None, events: Sequence[Event], checks: Sequence[ReadinessCheck],
    canaries: Sequence[int], waived: str, now_ms: int,
) -> Soak:  # fmt: skip
    """Where the soak stands now. `checks` oldest first; `canaries` are the moments of those that passed."""
    length_ms = round(rules.hours * HOUR_MS)
    found = sorted(set(events), key=lambda event: (-event.at_ms, event.kind))
    first = checks[0].at_ms if checks else None
    last_event = found[0] if found else None
    begun = None if strict is not True or first is None else first if last_event is None else last_event.at_ms + 1
    if begun is None:
        return Soak(
            environment=environment, state="not_begun", since_ms=None, left_ms=length_ms, coverage=0.0, checks=0,
            canaries=0, canaries_wanted=rules.canaries, waived=waived, begun_by=last_event, events=tuple(found),
            as_of_ms=now_ms,
        )  # fmt: skip
    window = max(begun, now_ms - length_ms)  # once it is long enough, the newest stretch of that length counts
    inside = [check for check in checks if check.at_ms >= window]
    covered = _covered_ms(inside, window, now_ms)
    coverage = min(1.0, covered / max(1, now_ms - window))
    passed_inside = sum(window <= at_ms <= now_ms for at_ms in canaries)
    left = max(0, begun + length_ms - now_ms)
    enough = coverage >= rules.coverage and (passed_inside >= rules.canaries or bool(waived))
    state: State = "running" if left else "passed" if enough else "waiting"
    return Soak(
        environment=environment, state=state, since_ms=begun, left_ms=left, coverage=coverage, checks=len(inside),
        canaries=passed_inside, canaries_wanted=rules.canaries, waived=waived, begun_by=last_event,
        events=tuple(found), as_of_ms=now_ms,
    )  # fmt: skip


def _covered_ms(checks: Sequence[ReadinessCheck], from_ms: int, until_ms: int) -> int:
    """How much of a stretch was observed: each check speaks until the next one, for an interval and a half at most."""
    covered = 0
    for check, following in zip(checks, [*checks[1:], None], strict=False):
        speaks = round(check.interval_s * 1500)
        end = until_ms if following is None else following.at_ms
        covered += min(end - check.at_ms, speaks)
    head = checks[0].at_ms - from_ms if checks else 0
    return covered + min(head, round(checks[0].interval_s * 1000) if checks else 0)
