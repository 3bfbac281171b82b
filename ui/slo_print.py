"""The SLOs as a page to print or forward: black on white, complete, in one file that needs no network."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from services import documents
from services.settings.model import Slo
from services.slo import words
from services.slo.view import Row, Slos
from services.slo.what_if import WhatIf
from ui import present


def page(found: Slos, strict: WhatIf, policy: Slo, zone: tzinfo) -> str:
    """The whole page."""
    return documents.html(
        "slos.html",
        title=f"SLO trends: {found.environment}" + (" (simulated)" if found.simulated else ""),
        simulated=found.simulated,
        environment=found.environment,
        as_of=present.moment(found.as_of_ms, zone),
        sentence=words.answer(found.rows)[1],
        slos=[_section(row, policy, found.verdict) for row in found.rows],
        strict=strict.sentence,
        maintenance=[
            (f"{present.moment(m.from_ms, zone, short=True)} to {present.moment(m.until_ms, zone, short=True)}",
             m.reason, f"{m.declared_by}{', withdrawn' if m.withdrawn_by else ''}")
            for m in found.maintenance
        ],
    )  # fmt: skip


def _section(row: Row, policy: Slo, verdict: str | None) -> dict[str, Any]:
    status, target = row.status, row.slo.objective.target
    budget = status.budget
    left = "–" if budget is None else "overspent"
    if budget is not None and budget.remaining >= 0:
        left = f"{present.share(budget.remaining)} ({present.seconds(budget.left_s)})"
    return {
        "title": words.title(row.slo.sli),
        "state": present.appearance(status.state).word,
        "sentence": words.sentence(row),
        "rows": (
            ("Objective", words.target(row)),
            ("Measured", f"{present.share(status.value, target)} ({status.good:,} of {status.good + status.bad:,})"),
            ("Budget left", left),
            ("Observed", f"{present.share(status.coverage)} of {row.window_days} days"),
            ("What we do", words.policy(row, policy, verdict)),
        ),
    }
