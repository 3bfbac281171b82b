"""Files of what is seen. CSV that no spreadsheet runs, JSON that any program reads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services import clock
from services.evidence.model import Evidence
from services.health.evaluate import NEVER
from services.health.view import Card, EnvironmentView
from services.verdict.model import Verdict

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
COLUMNS = (
    "environment",
    "simulated",
    "dependency",
    "probe",
    "state",
    "required",
    "latency_ms",
    "measured_at",
    "finding",
)


EVIDENCE_COLUMNS = (
    "number", "at", "check", "outcome", "value", "threshold", "finding", "version", "simulated", "hash",
)  # fmt: skip


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV with a header; a text cell that a spreadsheet could run as a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_safe(row.get(column)) for column in columns])
    return out.getvalue()


def _safe(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA_STARTS):
        return "'" + value
    return value


def evidence_row(number: int, hash_: str, record: Evidence) -> dict[str, Any]:
    """A record of evidence with its place in the chain, as pages list it."""
    return {
        "number": number,
        "at": clock.iso(record.at_ms),
        "check": record.check,
        "outcome": record.outcome,
        "value": None if record.value is None else str(record.value),
        "threshold": None if record.threshold is None else str(record.threshold),
        "finding": record.code,
        "version": record.version,
        "simulated": record.simulated,
        "hash": hash_[:12],
    }


def health_rows(view: EnvironmentView) -> list[dict[str, Any]]:
    """One row a probe, as it stands."""
    return [
        {
            "environment": view.card.name,
            "simulated": view.card.simulated,
            "dependency": item.dependency.name,
            "probe": probe.probe,
            "state": probe.state,
            "required": item.dependency.required,
            "latency_ms": None if probe.latency_ms is None else round(probe.latency_ms, 2),
            "measured_at": None if probe.code == NEVER else clock.iso(probe.at_ms),
            "finding": probe.code,
        }
        for item in view.dependencies
        for probe in item.dependency.probes
    ]


def health_csv(view: EnvironmentView) -> str:
    """Dependency health as CSV."""
    return csv_text(COLUMNS, health_rows(view))


def health_json(view: EnvironmentView) -> str:
    """Dependency health as JSON, raw evidence included."""
    body = environment_summary(view.card, view.as_of_ms) | {
        "probes": [
            row | {"detail": dict(probe.detail)}
            for row, probe in zip(
                health_rows(view), (p for item in view.dependencies for p in item.dependency.probes), strict=True
            )
        ]
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def verdict(found: Verdict) -> dict[str, Any]:
    """A verdict as JSON values."""
    return {
        "environment": found.environment,
        "simulated": found.simulated,
        "verdict": found.state,
        "blocking": [
            {"check": r.rule, "title": r.title, "outcome": r.outcome, "why": r.advice.what, "fix": r.advice.fix}
            for r in found.blocking
        ],
        "next_step": found.next_step,
        "rules": {r.rule: r.outcome for r in found.results},
        "as_of": clock.iso(found.as_of_ms),
    }  # fmt: skip


def environment_summary(card: Card, as_of_ms: int) -> dict[str, Any]:
    """An environment in a few fields: what `GET /api/v1/environments` lists."""
    health = card.health
    return {
        "name": card.name,
        "role": card.role,
        "simulated": card.simulated,
        "state": health.state,
        "policy": health.policy,
        "version": health.version,
        "stale": health.stale,
        "measured_at": None if health.measured_ms is None else clock.iso(health.measured_ms),
        "as_of": clock.iso(as_of_ms),
        "dependencies": {
            d.name: {
                "state": d.state,
                "required": d.required,
                "healthy": d.healthy,
                "configured": d.configured,
                "measured": d.measured,
                "stale": d.stale,
                "finding": d.leading.code,
                "latency_ms": None if d.leading.latency_ms is None else round(d.leading.latency_ms, 2),
            }
            for d in health.dependencies
        },
        "findings": [
            {"subject": " and ".join(w.subjects), "state": w.state, "what": w.advice.what, "fix": w.advice.fix}
            for w in card.findings
        ],
    }
