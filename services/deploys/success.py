"""The three measures of success: steps interrupted, what they cost, runs that somebody had to run again by hand.

Goals: none of each, watched for a week after each change of settings. Source: domain.md §6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from services.deploys.history import Past
from services.deploys.platform import TITLES, Platform
from services.evidence import decisions
from services.store import durations, readings
from services.store.durations import STEP

SETTINGS = "deploy_settings"
WEEK_MS = 7 * 86_400_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Success:
    """Since a moment. None where it isn't known: without traces, and what a step costs without a price."""

    since_ms: int
    deploys: int
    steps: int
    cut: int | None
    rate: float | None  # of all steps
    cost: float | None
    by_hand: int


def note_settings(connection: Connection, environment: str, platform: Platform, now: datetime, now_ms: int) -> None:
    """Remember since when the settings are as they are."""
    written = {str(field): platform.effective(field, now) for field in TITLES}
    found = {field: value.value for field, value in written.items() if value is not None}
    kept = readings.load(connection, environment, SETTINGS)
    if kept is None or kept.body != found:
        readings.keep(connection, environment, SETTINGS, at_ms=now_ms, body=found)


def settings_since(connection: Connection, environment: str) -> int | None:
    """Since when they are as they are, as far as was seen."""
    kept = readings.load(connection, environment, SETTINGS)
    return None if kept is None else kept.at_ms


def since(
    connection: Connection, environment: str, past: Sequence[Past], since_ms: int, now_ms: int, price: float | None
) -> Success:
    """The measures from then on; steps are counted from the beginning of that day."""
    own = [p for p in past if p.deploy.at_ms >= since_ms]
    cuts = [p.after.cut for p in own]
    cut = None if None in cuts else sum(number or 0 for number in cuts)
    steps = sum(d.number for d in durations.load(connection, environment, STEP, since_ms=since_ms, now_ms=now_ms))
    again = decisions.history(connection, environment, "run", limit=1000)
    return Success(
        since_ms=since_ms,
        deploys=len(own),
        steps=steps,
        cut=cut,
        rate=None if cut is None or not steps else cut / steps,
        cost=None if cut is None or price is None else cut * price,
        by_hand=sum(d.detail.get("what") == "rerun" and d.at_ms >= since_ms for d in again),
    )
