"""Jobs that report by heartbeat: which of them are at work, and how long their runs took."""

from __future__ import annotations

from itertools import pairwise

from sqlalchemy import Connection

from services.heartbeats import KIND
from services.settings.model import Environment
from services.store import heartbeats

Running = list[tuple[str, str, int]]  # id, name, since when in ms


def read(connection: Connection, environment: Environment) -> tuple[Running, dict[str, tuple[float, ...]]]:
    """Jobs whose last call is a start; by job, the seconds from each start to its end."""
    running: Running = []
    took: dict[str, tuple[float, ...]] = {}
    for table in environment.dependencies:
        if table.kind != KIND:
            continue
        beats = heartbeats.newest(connection, environment.name, table.name)[::-1]
        if beats and beats[-1].signal == "start":
            running.append((f"job:{table.name}", table.label, beats[-1].at_ms))
        spans = [(b.at_ms - a.at_ms) / 1000 for a, b in pairwise(beats) if a.signal == "start" and b.signal != "start"]
        if spans:
            took[table.label] = tuple(sorted(spans))
    return running, took
