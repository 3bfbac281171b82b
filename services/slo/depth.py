"""What is behind one SLO. Chart, incidents, deploys, maintenance; and what strict mode would have meant."""

from __future__ import annotations

from dataclasses import dataclass

from services.clock import DAY_MS
from services.settings.model import Environment
from services.slo import chart, incidents, view
from services.slo.chart import Point
from services.slo.incidents import Incident
from services.slo.view import Row, Slos
from services.slo.what_if import WhatIf, probes_of, what_if
from services.store import Store, deploys, spans
from services.store.deploys import Deploy

DEPLOYS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Depth:
    """One SLO in depth; the newest deploys alone where there are very many."""

    slos: Slos
    row: Row
    points: tuple[Point, ...]
    day: tuple[Point, ...]
    incidents: tuple[Incident, ...]
    deploys: tuple[Deploy, ...]


def depth(
    store: Store, environment: Environment, sli: str, now_ms: int, *, days: int | None, minute_days: int
) -> Depth | None:
    """An SLO by its SLI; None where the environment makes no such SLO."""
    with store.read() as connection:
        found = view.computed(connection, environment, now_ms, days=days, minute_days=minute_days)
        row = next((item for item in found.rows if item.slo.sli == sli), None)
        if row is None:
            return None
        end = found.as_of_ms
        return Depth(
            slos=found,
            row=row,
            points=chart.points(connection, environment.name, sli, row.from_ms, end),
            day=chart.points(connection, environment.name, sli, end - DAY_MS, end),
            incidents=incidents.incidents(connection, environment.name, row, end, found.maintenance),
            deploys=deploys.since(connection, environment.name, row.from_ms, end)[-DEPLOYS:],
        )


def strict_would_have(store: Store, environment: Environment, now_ms: int, *, days: int) -> WhatIf:
    """Had strict mode been on for so many days."""
    begin = now_ms - days * DAY_MS
    with store.read() as connection:
        found = [s for probe in probes_of(environment.strict)
                 for s in spans.load(connection, environment.name, since_ms=begin, probe=probe)]  # fmt: skip
    return what_if(found, from_ms=begin, until_ms=now_ms, strict=environment.strict)
