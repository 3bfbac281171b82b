"""The state that a run of outcomes adds up to. Three failures in a row turn it down, two successes bring it back.

Source: design.md, "Probing". The first reading ever, and the first after a gap, decides by itself: there is no
earlier state to protect from flapping, and saying "unknown" of something just measured would be less than the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.dependencies.model import State

FAILURES_TO_TURN_DOWN = 3
SUCCESSES_TO_COME_BACK = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """A probe's state with the runs of outcomes that lead to the next."""

    state: State = "unknown"
    since_ms: int = 0
    failures: int = 0
    successes: int = 0


def step(track: Track, outcome: State, at_ms: int) -> Track:
    """The track after one more outcome. An unknown outcome is neither success nor failure: it ends both runs."""
    failures = track.failures + 1 if outcome == "down" else 0
    successes = track.successes + 1 if outcome in {"ok", "slow"} else 0
    state = _next_state(track.state, outcome, failures, successes)
    since = at_ms if state != track.state else track.since_ms
    return replace(track, state=state, since_ms=since, failures=failures, successes=successes)


def _next_state(state: State, outcome: State, failures: int, successes: int) -> State:
    if outcome == "unknown" or state == "unknown":
        return outcome
    if outcome == "down":
        return "down" if failures >= FAILURES_TO_TURN_DOWN else state
    if state == "down":
        return outcome if successes >= SUCCESSES_TO_COME_BACK else "down"
    return outcome


def is_confirming(outcome: str, state: str) -> bool:
    """Whether the last check failed, but not yet often enough in a row for the state to be down."""
    return outcome == "down" and state not in {"down", "unknown"}


def confirming(failures: int) -> str:
    """That in words: `failing, being confirmed (1 of 3)`."""
    return f"failing, being confirmed ({failures} of {FAILURES_TO_TURN_DOWN})"
