"""A finished drill as evidence: what was counted, and on which terms. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.deploys import drill
from services.deploys.drill import Count, Ended, Result
from services.deploys.drill_state import State
from services.evidence.model import Evidence
from services.settings.model import Drill, Environment
from services.store.spans import Span


def record(
    environment: Environment, settings: Drill, state: State, found: Count, run: Ended, result: Result, *,
    seen: Sequence[Span], fingerprint: str | None, now_ms: int,
) -> Evidence:  # fmt: skip
    """The record. It names no version: a drill is about how one gives way to the next. `seen` are the environment's
    states meanwhile."""
    detail: dict[str, Any] = result.advice.as_detail() | {
        "drill": state.id, "terms": dict(state.terms), "counts": found.as_detail(), "steps_s": list(state.steps_s),
        "gap_limit_s": settings.gap_s, "run": run, "deploy": state.deploy, "deploy_said": state.said,
        "begun_ms": state.begun_ms, "by": state.by, "readiness_gap_s": readiness_gap_s(seen, state.begun_ms, now_ms),
    }  # fmt: skip
    return Evidence(
        environment=environment.name, check=drill.CHECK, outcome=result.outcome, at_ms=now_ms, code=result.code,
        value=found.gap_s, threshold=settings.gap_s, fingerprint=fingerprint, simulated=environment.simulated,
        detail=detail,
    )  # fmt: skip


def readiness_gap_s(seen: Sequence[Span], since_ms: int, until_ms: int) -> float | None:
    """For how long the environment was not ready meanwhile; None where it was not observed."""
    within = [(max(s.from_ms, since_ms), min(s.until_ms, until_ms), s.state) for s in seen]
    bad_ms = sum(max(0, until - begin) for begin, until, state in within if state == "not_ready")
    return bad_ms / 1000 if within else None
