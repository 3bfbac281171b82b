"""States: three failures to turn down, two successes to come back, unknown never counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evidence.freshness import reading_is_stale
from services.health.hysteresis import Track, step


def states(*outcomes: str) -> list[str]:
    track, seen = Track(), []
    for at, outcome in enumerate(outcomes):
        track = step(track, outcome, at)  # type: ignore[arg-type]
        seen.append(track.state)
    return seen


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["ok", "down", "down", "down"], ["ok", "ok", "ok", "down"]),
        (["ok", "down", "down", "ok", "down", "down"], ["ok"] * 6),
        (["ok", "down", "down", "down", "ok", "ok"], ["ok", "ok", "ok", "down", "down", "ok"]),
        (["ok", "down", "down", "down", "ok", "down", "ok", "slow"], ["ok", "ok", "ok"] + ["down"] * 4 + ["slow"]),
        (["down"], ["down"]),
        (["ok", "slow", "ok"], ["ok", "slow", "ok"]),
        (["ok", "unknown", "down"], ["ok", "unknown", "down"]),
        (["ok", "down", "down", "unknown"], ["ok", "ok", "ok", "unknown"]),
    ],
)
def test_runs_of_outcomes(outcomes: list[str], expected: list[str]) -> None:
    assert states(*outcomes) == expected


def test_since_is_the_moment_of_the_change_not_of_the_last_look() -> None:
    track = Track()
    for at, outcome in enumerate(["ok", "ok", "down", "down", "down", "down"]):
        track = step(track, outcome, at)  # type: ignore[arg-type]
    assert (track.state, track.since_ms) == ("down", 4)


@given(st.lists(st.sampled_from(["ok", "slow", "down"]), min_size=3, max_size=40))
def test_never_down_within_two_failures_of_a_success_while_it_was_up(outcomes: list[str]) -> None:
    seen = states(*outcomes)
    for i, state in enumerate(seen[1:], 1):
        if state == "down" and seen[i - 1] != "down":
            assert outcomes[i - 2 : i + 1] == ["down"] * 3


def test_stale_after_twice_the_interval_and_when_the_clock_went_back() -> None:
    assert not reading_is_stale(at_ms=0, interval_s=30, now_ms=60_000)
    assert reading_is_stale(at_ms=0, interval_s=30, now_ms=60_001)
    assert reading_is_stale(at_ms=3_600_000, interval_s=30, now_ms=0)
