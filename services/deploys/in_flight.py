"""What is at work now, read every few seconds while somebody looks; by the worker, for the pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from services.dependencies.inngest.flight import SHOWN, Flight, InFlight
from services.store import Store, readings

KIND, LOOKED = "in_flight", "looked"
LOOKS_MS = 20_000  # for so long is it read again after somebody looked
SAID_EVERY_MS = 5_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Now:
    """What was read at `at_ms`; or why it could not be."""

    at_ms: int
    flight: Flight
    why: str = ""


def look(store: Store, environment: str, now_ms: int) -> None:
    """Somebody looks at this environment's light. Raises StoreError."""
    with store.read() as connection:
        last = readings.load(connection, environment, LOOKED)
    if last is None or not 0 <= now_ms - last.at_ms < SAID_EVERY_MS:
        with store.write() as connection:
            readings.keep(connection, environment, LOOKED, at_ms=now_ms, body={})


def wanted(connection: Connection, names: Iterable[str], now_ms: int) -> tuple[str, ...]:
    """The environments whose light somebody looks at."""
    found = ((name, readings.load(connection, name, LOOKED)) for name in names)
    return tuple(name for name, last in found if last is not None and abs(now_ms - last.at_ms) < LOOKS_MS)


def keep(connection: Connection, environment: str, found: Flight | str, now_ms: int) -> None:
    """What was read, or why it could not be."""
    body = {"why": found} if isinstance(found, str) else asdict(Flight(runs=found.runs[:SHOWN], idle=found.idle))
    readings.keep(connection, environment, KIND, at_ms=now_ms, body=body)


def load(connection: Connection, environment: str) -> Now | None:
    """What was read last; None before anything was."""
    last = readings.load(connection, environment, KIND)
    if last is None:
        return None
    runs = tuple(InFlight(**run) for run in last.body.get("runs", ()))
    flight = Flight(runs=runs, idle=last.body.get("idle", 0))
    return Now(at_ms=last.at_ms, flight=flight, why=last.body.get("why", ""))
