"""Jobs that report by heartbeat: which of them are at work, and how long their runs took."""

from __future__ import annotations

from itertools import pairwise

from sqlalchemy import Connection

from services.dependencies.inngest.flight import InFlight
from services.heartbeats import KIND
from services.settings.model import Environment
from services.store import durations, heartbeats
from services.store.durations import Durations


def read(connection: Connection, environment: Environment) -> tuple[list[InFlight], dict[str, Durations]]:
    """Jobs whose last call is a start; by job, how long it takes from each start to its end."""
    running: list[InFlight] = []
    took: dict[str, Durations] = {}
    for table in environment.dependencies:
        if table.kind != KIND:
            continue
        beats = heartbeats.newest(connection, environment.name, table.name)[::-1]
        if beats and beats[-1].signal == "start":
            running.append(InFlight(id=f"job:{table.name}", function=table.label, since_ms=beats[-1].at_ms))
        spans = [(b.at_ms - a.at_ms) / 1000 for a, b in pairwise(beats) if a.signal == "start" and b.signal != "start"]
        if spans:
            took[table.label] = durations.of(table.label, spans)
    return running, took
