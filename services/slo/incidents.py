"""What spent the budget. Every stretch in which an SLO's probe was not well, with what it cost."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from services.clock import HOUR_MS, MINUTE_MS
from services.slo.reading import History, united
from services.slo.view import Row
from services.slo.window import without
from services.store import rollups, spans
from services.store.deploys import Maintenance

SHOWN = 50
JOINED_MS = 10 * MINUTE_MS  # two stretches so near each other are one incident


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """From when to when (ms), the cause as a finding's code, bad events in it and the share of the budget they took.

    `spent` None where the budget allows nothing. `going_on` where it lasts.
    """

    from_ms: int
    until_ms: int
    state: str
    code: str
    bad: int
    spent: float | None
    maintenance: str
    going_on: bool


def incidents(
    connection: Connection, environment: str, row: Row, end_ms: int, holes: tuple[Maintenance, ...]
) -> tuple[Incident, ...]:
    """The incidents of an SLO's window, newest first. Bad events are counted in the whole minutes they touch."""
    if row.slo.probe is None:
        return ()
    found = spans.load(connection, environment, since_ms=row.from_ms, probe=row.slo.probe)
    unhealthy = sorted((s for s in found if s.state in {"down", "slow"}), key=lambda span: span.from_ms)
    merged: list[tuple[int, int, str, str]] = []
    for span in unhealthy:
        worst = "down" if span.state == "down" else "slow"
        if merged and span.from_ms - merged[-1][1] <= JOINED_MS:
            low, high, state, code = merged[-1]
            worse = worst == "down" and state != "down"
            merged[-1] = (low, max(high, span.until_ms), "down" if worse else state, span.code if worse else code)
        else:
            merged.append((span.from_ms, span.until_ms, worst, span.code))
    merged = merged[-SHOWN:]
    tallies = _bad(connection, environment, row.slo.sli, [(low, high) for low, high, _, _ in merged], holes)
    allowed = row.status.budget.allowed_events if row.status.budget is not None else 0.0
    newest = max((span.until_ms for span in found), default=0)
    made = [
        Incident(
            from_ms=low, until_ms=high, state=state, code=code, bad=bad, spent=bad / allowed if allowed > 0 else None,
            maintenance=_reason(holes, low, high), going_on=high >= newest and end_ms - high < HOUR_MS,
        )
        for (low, high, state, code), bad in zip(merged, tallies, strict=True)
    ]  # fmt: skip
    return tuple(reversed(made))


def _bad(
    connection: Connection, environment: str, sli: str, stretches: list[tuple[int, int]], holes: tuple[Maintenance, ...]
) -> list[int]:
    known = rollups.closed_until(connection, environment).get((environment, sli))
    if known is None or not stretches:
        return [0] * len(stretches)
    counted = [(item.from_ms, item.until_ms) for item in holes if item.withdrawn_ms is None]
    wanted = [without(low - low % MINUTE_MS, high - high % MINUTE_MS + MINUTE_MS, counted) for low, high in stretches]
    history = History(connection, dict([known]), plain=united(item for ranges in wanted for item in ranges))
    return [history.tally(known[0], ranges).bad for ranges in wanted]


def _reason(holes: tuple[Maintenance, ...], low: int, high: int) -> str:
    hole = next((h for h in holes if h.withdrawn_ms is None and h.from_ms < high and h.until_ms > low), None)
    return "" if hole is None else f"{hole.reason} (declared by {hole.declared_by})"
