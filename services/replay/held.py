"""Which cases a run leaves out of its numbers: those in quarantine, from before it began until after it ended."""

from __future__ import annotations

from sqlalchemy import Connection

from services import clock
from services.replay.model import Held
from services.store import quarantine
from services.store.quarantine import Entry


def in_force(connection: Connection, golden_name: str, since_ms: int, now_ms: int) -> tuple[Held, ...]:
    """The cases that are in quarantine now and were at that moment: none is put aside for a run that was begun."""
    return tuple(
        Held(case_id=entry.case_id, owner=entry.owner, reason=entry.reason, until=until(entry))
        for entry in quarantine.entries(connection, golden_name)
        if entry.ended_ms is None and entry.from_ms <= since_ms and now_ms < entry.until_ms
    )


def until(entry: Entry) -> str:
    """The day on which it counts again."""
    return clock.from_ms(entry.until_ms).date().isoformat()
