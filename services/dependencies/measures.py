"""The numbers of a check that are counted for the SLOs, as good or bad. Built-in ones and the team's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from services.dependencies.model import Measure, Reading

if TYPE_CHECKING:
    from services.settings.model import Environment, Objective, Sli


def counted(environment: Environment, probe: str, reading: Reading) -> Reading:
    """The reading with an objective's own threshold applied, and with the team's own SLIs."""
    judged = tuple(_judged(measure, environment.objectives) for measure in reading.measures)
    own = tuple(_own(sli, reading) for sli in environment.slis if sli.probe == probe)
    if judged == reading.measures and not own:
        return reading
    return replace(reading, measures=(*judged, *own))


def _judged(measure: Measure, objectives: tuple[Objective, ...]) -> Measure:
    """A measured value beyond an objective's threshold is bad; what failed or is unknown stays so."""
    base = measure.sli.split(":", 1)[0]
    chosen = next((o for o in objectives if o.sli == measure.sli), next((o for o in objectives if o.sli == base), None))
    if chosen is None or chosen.threshold is None or measure.value is None or measure.good is None:
        return measure
    if base in {"readiness_uptime", "dependency_uptime"}:  # the answer decides, its time alone never does
        return measure
    return replace(measure, good=measure.value <= chosen.threshold)


def _own(sli: Sli, reading: Reading) -> Measure:
    value = reading.latency_ms if sli.field == "latency_ms" else _number(reading.detail, sli.field)
    if value is None:
        return Measure(sli=sli.name, value=None, good=None)
    return Measure(
        sli=sli.name, value=value, good=value <= sli.threshold if sli.good == "at_most" else value >= sli.threshold
    )


def _number(detail: Mapping[str, Any], path: str) -> float | None:
    found: Any = detail
    for part in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    if not isinstance(found, (int, float)):
        return None
    try:
        number = float(found)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
