"""A soak's end for calendars, read back by the parser of the format."""

from dataclasses import replace

import pytest
from icalendar import Calendar

from services import clock
from services.soak import calendar
from services.soak.evaluate import Soak

RUNNING = Soak(
    environment="stage", state="running", since_ms=1_000_000, left_ms=3_600_000, coverage=1.0, checks=10, canaries=0,
    canaries_wanted=0, waived="", begun_by=None, events=(), as_of_ms=2_000_000,
)  # fmt: skip


def test_the_end_is_an_appointment() -> None:
    (event,) = Calendar.from_ical(calendar.ics(RUNNING, "http://p/strict_mode_checklist?env=prod")).walk("VEVENT")
    assert event["dtstart"].dt == clock.from_ms(5_600_000)
    assert "stage" in event["summary"]
    assert "http://p/strict_mode_checklist?env=prod" in event["description"]


def test_one_that_does_not_run_has_none() -> None:
    assert calendar.ends_ms(replace(RUNNING, state="waiting")) is None
    with pytest.raises(ValueError, match="doesn't run"):
        calendar.ics(replace(RUNNING, state="not_begun"), "")
