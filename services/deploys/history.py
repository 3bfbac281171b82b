"""What past deploys did, as far as it was measured: the gap in readiness, the time to healthy, runs that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from services.clock import DAY_MS, HOUR_MS, MINUTE_MS
from services.store import deploys, inngest_runs, spans
from services.store.deploys import Deploy
from services.store.spans import ENVIRONMENT, Span

AFTER_MS = 15 * MINUTE_MS  # a deploy that isn't healthy by then is one that wasn't confirmed
SHOWN_DAYS = 90
LEAST_DAYS = 7  # a rate from fewer days says little


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """A deploy and what came after it. None where it was not observed, or the time is not over."""

    deploy: Deploy
    gap_s: float | None  # not ready within 15 min
    healthy_after_s: float | None  # until ready or degraded again
    is_confirmed: bool | None  # healthy within 15 min
    failed_runs: int  # within an hour


def read(connection: Connection, environment: str, now_ms: int) -> tuple[Past, ...]:
    """The deploys of the last 90 days, newest first."""
    found = deploys.since(connection, environment, now_ms - SHOWN_DAYS * DAY_MS, now_ms + 1)
    if not found:
        return ()
    first = found[0].at_ms
    states = spans.load(connection, environment, since_ms=first, probe=ENVIRONMENT)[::-1]
    failed = inngest_runs.failures(connection, environment, since_ms=first, limit=1000)
    return tuple(
        _past(deploy, states, sum(deploy.at_ms <= run.at_ms < deploy.at_ms + HOUR_MS for run in failed), now_ms)
        for deploy in reversed(found)
    )


def _past(deploy: Deploy, states: Sequence[Span], failed: int, now_ms: int) -> Past:
    end = min(deploy.at_ms + AFTER_MS, now_ms)
    seen = [s for s in states if s.until_ms > deploy.at_ms and s.from_ms < end]
    bad_ms = sum(max(0, min(s.until_ms, end) - max(s.from_ms, deploy.at_ms)) for s in seen if s.state == "not_ready")
    well = next((s for s in seen if s.state in {"ready", "degraded"}), None)
    healthy = None if well is None else max(0, well.from_ms - deploy.at_ms) / 1000
    is_over = now_ms >= deploy.at_ms + AFTER_MS
    return Past(
        deploy=deploy,
        gap_s=bad_ms / 1000 if seen else None,
        healthy_after_s=healthy,
        is_confirmed=True if healthy is not None else False if seen and is_over else None,
        failed_runs=failed,
    )


def a_month(found: Sequence[Past], now_ms: int) -> float | None:
    """Deploys in 30 days at the measured rate; None where too little is known."""
    if len(found) < 2:
        return None
    days = max(LEAST_DAYS, (now_ms - found[-1].deploy.at_ms) / DAY_MS)
    return len(found) * 30 / days
