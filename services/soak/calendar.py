"""A soak's end as a file for calendars (RFC 5545)."""

from __future__ import annotations

from datetime import timedelta

from icalendar import Calendar, Event

from services import clock
from services.soak.evaluate import Soak


def ends_ms(found: Soak) -> int | None:
    """When it ends at the earliest, in ms since 1970; None where it doesn't run."""
    return found.as_of_ms + found.left_ms if found.state == "running" else None


def ics(found: Soak, address: str) -> bytes:
    """The end as an appointment of 15 minutes, with the checklist's address. Raises ValueError where it doesn't run."""
    at_ms = ends_ms(found)
    if at_ms is None:
        raise ValueError(f"the soak of {found.environment} doesn't run")
    event = Event()
    event.add("uid", f"soak-{found.environment}-{found.since_ms}@greenlight")
    event.add("summary", f"Soak of {found.environment} ends, at the earliest")
    event.add(
        "description", f"If nothing failed and nothing was changed, the next step of the checklist is open: {address}"
    )
    event.add("dtstart", clock.from_ms(at_ms))
    event.add("dtend", clock.from_ms(at_ms) + timedelta(minutes=15))
    event.add("dtstamp", clock.from_ms(found.as_of_ms))
    calendar = Calendar()
    calendar.add("prodid", "-//Greenlight//soak//EN")
    calendar.add("version", "2.0")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
