"""What the command line and the API say of the SLOs. JSON values; numbers as computed, unrounded."""

from __future__ import annotations

import math
from typing import Any

from services import clock
from services.slo import words
from services.slo.burn import Burn
from services.slo.view import Row, Slos


def document(found: Slos, window: str) -> dict[str, Any]:
    """All SLOs of an environment as one JSON document."""
    state, sentence = words.answer(found.rows)
    return {
        "environment": found.environment,
        "simulated": found.simulated,
        "window": window,
        "as_of": clock.iso(found.as_of_ms),
        "state": state,
        "sentence": sentence,
        "slis": {row.slo.sli: sli(row) for row in found.rows},
        "maintenance": [
            {
                "from": clock.iso(item.from_ms), "until": clock.iso(item.until_ms), "reason": item.reason,
                "declared_by": item.declared_by, "withdrawn_by": item.withdrawn_by,
            }
            for item in found.maintenance
        ],
    }  # fmt: skip


def sli(row: Row) -> dict[str, Any]:
    """One SLO."""
    status, objective, budget = row.status, row.slo.objective, row.status.budget
    return {
        "state": status.state,
        "sentence": words.sentence(row),
        "objective": objective.target,
        "threshold": row.slo.threshold,
        "unit": row.slo.unit,
        "window": f"{row.window_days}d",
        "from": clock.iso(row.from_ms),
        "value": status.value,
        "good": status.good,
        "total": status.good + status.bad,
        "unknown": status.unknown,
        "coverage": status.coverage,
        "budget": None if budget is None else {
            "allowed_s": budget.allowed_s,
            "spent_s": budget.spent_s,
            "remaining_s": budget.left_s,
            "remaining_fraction": _finite(budget.remaining),
            "allowed_events": budget.allowed_events,
            "spent_events": budget.spent_events,
        },
        "burn": [_burn(item) for item in status.burns],
        "exhausted_in_s": status.exhausted_in_s,
        "p50": row.sums.p50,
        "p95": row.sums.p95,
        "p99": row.sums.p99,
    }  # fmt: skip


def _burn(item: Burn) -> dict[str, Any]:
    return {
        "name": item.rule.name,
        "severity": item.rule.severity,
        "long": _span(item.rule.long_s),
        "short": _span(item.rule.short_s),
        "factor": item.rule.factor,
        "burn_long": _finite(item.burn_long),
        "burn_short": _finite(item.burn_short),
        "firing": item.firing,
    }


def _span(seconds: int) -> str:
    for size, letter in ((86_400, "d"), (3600, "h")):
        if seconds % size == 0:
            return f"{seconds // size}{letter}"
    return f"{seconds // 60}m"


def _finite(value: float | None) -> float | str | None:
    """JSON has no infinity: one is written as a word."""
    if value is None or math.isfinite(value):
        return value
    return "infinity" if value > 0 else "-infinity"
