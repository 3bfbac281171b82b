"""The clock. The only module that reads the wall clock; everywhere else time is an argument."""

from __future__ import annotations

import time
from datetime import UTC, datetime

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
SKEW_MS = 300_000  # by so much may the clocks of two machines that write differ


def now() -> datetime:
    """The current instant, aware, in UTC."""
    return datetime.now(UTC)


def now_ms() -> int:
    """The current instant in milliseconds since 1970 (UTC), the unit of every stored time."""
    return time.time_ns() // 1_000_000


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime."""
    return int(moment.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """The aware UTC datetime of a stored time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def iso(milliseconds: int) -> str:
    """A stored time as ISO 8601 in UTC with milliseconds and a `Z`, the form of every JSON output."""
    return from_ms(milliseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_ms(text: object) -> int | None:
    """An RFC 3339 time as ms since 1970; None for anything else, the year 1 of an unset Go time included."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None or found.year < 2000:
        return None
    return int(found.timestamp() * 1000)
