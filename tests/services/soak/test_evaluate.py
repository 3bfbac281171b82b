"""The soak: computed from checks, begun again by whatever breaks it, and never more proven than was seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.settings.model import Soak as Rules
from services.soak.evaluate import Event, ReadinessCheck, Soak, alike, evaluate

HOUR = 3_600_000
NOW = 1_800_000_000_000
DAY = 24 * HOUR
RULES = Rules()


def checks(hours: float, *, every_s: int = 30, missing: tuple[float, float] | None = None) -> list[ReadinessCheck]:
    found = []
    at = NOW - round(hours * HOUR)
    while at < NOW:
        age = (NOW - at) / HOUR
        if missing is None or not missing[1] <= age <= missing[0]:
            found.append(ReadinessCheck(at_ms=at, good=True, interval_s=every_s))
        at += every_s * 1000
    return found


def soak(
    hours: float, *, strict: bool | None = True, events: tuple[Event, ...] = (), canaries: int = 3, waived: str = "",
    missing: tuple[float, float] | None = None,
) -> Soak:  # fmt: skip
    begun = Event(at_ms=NOW - round(hours * HOUR), kind="strict", why="strict since then")
    return evaluate("staging", RULES, strict=strict, events=(begun, *events), checks=checks(hours, missing=missing),
                  canaries=[NOW - n * HOUR for n in range(canaries)], waived=waived, now_ms=NOW)  # fmt: skip


def test_a_day_without_a_fault_passes_and_says_what_it_proves() -> None:
    found = soak(25)
    assert (found.state, found.left_ms) == ("passed", 0)
    assert found.checks == 2880
    assert found.certifies == pytest.approx(0.99896, abs=1e-5), "not 99.9 %"


def test_a_minute_less_is_still_running() -> None:
    found = soak(24 - 1 / 60)
    assert found.state == "running"
    assert 0 < found.left_ms <= 61_000


@pytest.mark.parametrize("kind", ["readiness", "dependency", "variables", "version", "strict"])
def test_whatever_breaks_it_in_the_23rd_hour_begins_it_anew_with_its_reason(kind: str) -> None:
    found = soak(23, events=(Event(at_ms=NOW - HOUR // 2, kind=kind, why="planned"),))
    assert found.state == "running"
    assert found.left_ms == pytest.approx(DAY - HOUR // 2, abs=2)
    assert found.begun_by is not None
    assert found.begun_by.why == "planned"


def test_relaxed_or_unknown_it_has_not_begun() -> None:
    for strict in (False, None):
        assert soak(48, strict=strict).state == "not_begun"


def test_too_little_observed_is_not_proven() -> None:
    assert soak(25, missing=(10, 9.5)).state == "waiting"
    assert soak(25, missing=(10, 9.9)).state == "passed"


def test_the_canaries_must_have_run_inside_or_be_waived() -> None:
    assert soak(25, canaries=2).state == "waiting"
    assert soak(25, canaries=0, waived="Ada: the agent has no canary").state == "passed"


@given(st.lists(st.integers(0, 48 * 60), max_size=8), st.integers(1, 47))
def test_it_never_passes_within_a_day_of_anything_that_broke_it(minutes: list[int], hours: int) -> None:
    events = tuple(Event(at_ms=NOW - m * 60_000, kind="readiness", why="x") for m in minutes)
    found = soak(hours, events=events)
    newest = min([*minutes, hours * 60])
    assert (found.state == "passed") == (newest * 60_000 >= DAY + 1) or found.state == "waiting"
    if found.state == "passed":
        assert newest >= 24 * 60


def test_the_same_cause_several_times_in_a_row_is_one_line() -> None:
    a, b, c = (Event(at_ms=n, kind="readiness", why="not ready") for n in (9, 8, 7))
    other = Event(at_ms=6, kind="version", why="deployed")
    again = Event(at_ms=5, kind="readiness", why="not ready")
    assert alike([a, b, c, other, again]) == [(a, b, c), (other,), (again,)]
    assert alike([]) == []
