"""Flaky cases, put aside by name for a while. They run and are shown; their failure blocks nothing until the day."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from services import access
from services.access import Person
from services.clock import DAY_MS
from services.dependencies.tables import INSTALLATION
from services.evidence import decisions
from services.replay.held import until
from services.replay.model import GoldenSet
from services.replay.runs import WrongRun, is_critical
from services.store import Store, quarantine
from services.store.quarantine import Entry

MOST_DAYS = 30
REMIND_MS = 3 * DAY_MS  # before its end


def put(
    store: Store, golden: GoldenSet, case_id: str, *, owner: str, reason: str, days: int, by: Person, now_ms: int
) -> Entry:
    """Put a case of the golden set into quarantine. Raises Forbidden, WrongRun where that can't be done, StoreError."""
    access.require(by, "quarantine")
    owner, reason = access.plain(owner)[:120], access.plain(reason)[:500]
    case = next((case for case in golden.cases if case.id == case_id), None)
    if case is None:
        raise WrongRun(f"The golden set has no case {case_id[:80]!r}. Choose one of its cases.")
    if is_critical(case):
        raise WrongRun(f"{case_id} has a critical criterion, so it can't be in quarantine. Fix the case or the agent.")
    if not owner or not reason:
        raise WrongRun("A quarantine needs an owner and a reason. Say who fixes the case, and why it is flaky.")
    if not 1 <= days <= MOST_DAYS:
        raise WrongRun(f"A quarantine lasts 1 to {MOST_DAYS} days. Choose an end within that.")
    entry = Entry(
        id=0, golden_name=golden.name, case_id=case_id, owner=owner, reason=reason, from_ms=now_ms,
        until_ms=now_ms + days * DAY_MS, put_by=str(by),
    )  # fmt: skip
    note = f"{case_id} of {golden.name} doesn't count until {until(entry)}; owner {owner}. {reason}"
    with store.write() as connection:
        _end_those_over(store, connection, now_ms)
        if not quarantine.put(connection, entry):
            raise WrongRun(f"{case_id} is in quarantine already. Lift that first, or wait for its end.")
        _write(store, connection, by, note, entry, holds=True)
    return entry


def lift(store: Store, id_: int, *, by: Person, now_ms: int) -> None:
    """Let a case count again before its day. Raises Forbidden, WrongRun."""
    access.require(by, "quarantine")
    with store.write() as connection:
        entry = quarantine.get(connection, id_)
        if entry is None or not quarantine.end(connection, id_, now_ms, by=str(by)):
            raise WrongRun("This quarantine has ended already. Load the page again.")
        note = f"{entry.case_id} of {entry.golden_name} counts again: the quarantine was lifted before its end."
        _write(store, connection, by, note, entry, holds=False)


def attend(store: Store, *, now_ms: int) -> tuple[str, ...]:
    """End what is over and announce what ends soon, each once; returns what is to be logged."""
    with store.write() as connection:
        ended = _end_those_over(store, connection, now_ms)
        soon = [
            entry
            for entry in quarantine.open_ones(connection)
            if entry.until_ms - REMIND_MS <= now_ms and quarantine.remind(connection, entry.id, now_ms)
        ]
    return (
        *(f"{e.case_id} of {e.golden_name} counts again: its quarantine is over (owner {e.owner})" for e in ended),
        *(f"{e.case_id} of {e.golden_name} counts again from {until(e)} on; {e.owner} is to fix it" for e in soon),
    )


def _end_those_over(store: Store, connection: Connection, now_ms: int) -> Sequence[Entry]:
    ended = [
        entry
        for entry in quarantine.open_ones(connection)
        if entry.until_ms <= now_ms and quarantine.end(connection, entry.id, now_ms, by="")
    ]
    for entry in ended:
        note = f"{entry.case_id} of {entry.golden_name} counts again: its quarantine is over. Owner was {entry.owner}."
        _write(store, connection, access.SCHEDULE, note, entry, holds=False)
    return ended


def _write(store: Store, connection: Connection, by: Person, note: str, entry: Entry, *, holds: bool) -> None:
    decisions.write(
        store, connection, INSTALLATION, "quarantine", by, simulated=False, note=note, holds=holds,
        more={"golden_set": entry.golden_name, "case_id": entry.case_id, "owner": entry.owner, "until": until(entry)},
    )  # fmt: skip
