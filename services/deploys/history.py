"""What past deploys did, as far as it was measured: readiness, the budget it cost, runs and steps that broke.

What came after a deploy is put down for good a day later, so that it stays known when single measurements are gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from services.clock import DAY_MS, HOUR_MS, MINUTE_MS
from services.deploys.forecast import at, toll
from services.evidence import decisions
from services.store import deploys, durations, inngest_runs, spans
from services.store.deploys import Deploy
from services.store.durations import AGAIN, CUT
from services.store.spans import ENVIRONMENT, Span

AFTER_MS = 15 * MINUTE_MS  # a deploy that isn't confirmed by then is one that wasn't
KEPT_AFTER_MS = DAY_MS  # runs that were cut have ended by then, and were read
SHOWN_DAYS = 90
LEAST_DAYS = 7  # a rate from fewer days says little
BEFORE_MS, BEYOND_MS = MINUTE_MS, 2 * MINUTE_MS  # a changed version is seen late, a cut step noticed late
# The names under which a deploy's detail has them.
AFTER, CHECK, FORECAST, CALLS = "after", "check", "forecast", "calls_twice"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """How an environment is measured: seconds that a deploy grants; the readiness budget in seconds, None without an
    SLO; whether the tries of steps that failed are read from traces."""

    granted_s: int = 0
    budget_s: float | None = None
    knows_tries: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class After:
    """What came after a deploy. None where it was not observed."""

    gap_s: float | None  # not ready within 15 min
    healthy_after_s: float | None  # until ready or degraded again
    failed_runs: int  # within an hour
    cut: int | None  # tries of steps that failed while it went on
    again: int | None  # tries of steps that had been tried before, until a quarter of an hour later
    by_hand: int  # runs that a person had run again within an hour
    budget: float | None  # share of the readiness budget that the hour after spent
    calls_twice: int | None = None  # calls of models with a step and input that came before


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreseen:
    """How many steps it would cut, as was forecast when it was made: expected, and between which bounds."""

    expected: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """A deploy and what came after it. `is_confirmed`: all that was checked within 15 min holds; None while it isn't
    known. `check` is what was checked, by name; None where it could not be measured."""

    deploy: Deploy
    after: After
    is_confirmed: bool | None
    check: Mapping[str, bool | None]
    foreseen: Foreseen | None = None


def read(connection: Connection, environment: str, now_ms: int, measured: Measured | None = None) -> tuple[Past, ...]:
    """The deploys of the last 90 days, newest first."""
    found = deploys.since(connection, environment, now_ms - SHOWN_DAYS * DAY_MS, now_ms + 1)
    live = [deploy for deploy in found if AFTER not in deploy.detail]
    made = _measure(connection, environment, live, measured or Measured(), now_ms) if live else {}
    made |= {(d.at_ms, d.version): After(**d.detail[AFTER]) for d in found if AFTER in d.detail}
    return tuple(_past(deploy, made[deploy.at_ms, deploy.version], now_ms) for deploy in reversed(found))


def calls_span(deploy: Deploy, measured: Measured) -> tuple[int, int]:
    """In which time around a deploy calls count as repeated by it, in ms."""
    return deploy.at_ms - BEFORE_MS - AFTER_MS, deploy.at_ms + measured.granted_s * 1000 + BEYOND_MS + AFTER_MS


def to_count_calls(connection: Connection, environment: str, measured: Measured, now_ms: int) -> tuple[Deploy, ...]:
    """Deploys whose calls have ended and were not counted yet."""
    found = deploys.since(connection, environment, now_ms - KEPT_AFTER_MS, now_ms)
    return tuple(d for d in found if CALLS not in d.detail and calls_span(d, measured)[1] < now_ms)


def foresee(connection: Connection, deploy: Deploy, granted_s: int) -> None:
    """Keep with a deploy what is forecast of it from what was measured before, to stand beside what happens."""
    found = toll(at(connection, deploy.environment, granted_s, deploy.at_ms), cost_per_step=None, deploys_a_month=None)
    if found is not None:
        kept = Foreseen(expected=found.expected, low=found.low, high=found.high)
        deploys.add_detail(connection, deploy, {FORECAST: asdict(kept)})


def put_down(connection: Connection, environment: str, measured: Measured, now_ms: int) -> int:
    """Keep what came after deploys that are a day old, for good; returns of how many."""
    found = deploys.since(connection, environment, now_ms - SHOWN_DAYS * DAY_MS, now_ms - KEPT_AFTER_MS)
    live = [deploy for deploy in found if AFTER not in deploy.detail]
    made = _measure(connection, environment, live, measured, now_ms) if live else {}
    for deploy in live:
        deploys.add_detail(connection, deploy, {AFTER: asdict(made[deploy.at_ms, deploy.version])})
    return len(live)


def _measure(
    connection: Connection, environment: str, found: Sequence[Deploy], measured: Measured, now_ms: int
) -> dict[tuple[int, str], After]:
    first = found[0].at_ms
    states = spans.load(connection, environment, since_ms=first, probe=ENVIRONMENT)[::-1]
    failed = [run.at_ms for run in inngest_runs.failures(connection, environment, since_ms=first, limit=1000)]
    by_hand = [d.at_ms for d in decisions.history(connection, environment, "run", limit=1000)
               if d.detail.get("what") == "rerun"]  # fmt: skip
    made = {}
    for deploy in found:
        seen = _tries(connection, environment, deploy.at_ms, measured, now_ms)
        made[deploy.at_ms, deploy.version] = _after(deploy, states, failed, by_hand, seen, measured, now_ms)
    return made


def _tries(
    connection: Connection, environment: str, at_ms: int, measured: Measured, now_ms: int
) -> tuple[int, int] | None:
    """Tries of steps that failed, and that came again, around a deploy; None where traces don't tell them."""
    if not measured.knows_tries:
        return None
    low, high = at_ms - BEFORE_MS, at_ms + measured.granted_s * 1000 + BEYOND_MS
    cut = durations.count(connection, environment, CUT, low, min(high, now_ms + 1))
    return cut, durations.count(connection, environment, AGAIN, low, min(high + AFTER_MS, now_ms + 1))


def _after(
    deploy: Deploy, states: Sequence[Span], failed: Sequence[int], by_hand: Sequence[int],
    tries: tuple[int, int] | None, measured: Measured, now_ms: int,
) -> After:  # fmt: skip
    begun, hour = deploy.at_ms, deploy.at_ms + HOUR_MS
    seen = [s for s in states if s.until_ms > begun and s.from_ms < min(begun + AFTER_MS, now_ms)]
    well = next((s for s in seen if s.state in {"ready", "degraded"}), None)
    spent = (
        None if measured.budget_s is None or not seen else _bad_s(states, begun, min(hour, now_ms)) / measured.budget_s
    )
    return After(
        gap_s=_bad_s(states, begun, min(begun + AFTER_MS, now_ms)) if seen else None,
        healthy_after_s=None if well is None else max(0, well.from_ms - begun) / 1000,
        failed_runs=sum(begun <= moment < hour for moment in failed),
        cut=None if tries is None else tries[0],
        again=None if tries is None else tries[1],
        by_hand=sum(begun <= moment < hour for moment in by_hand),
        budget=spent,
        calls_twice=deploy.detail.get(CALLS),
    )


def _bad_s(states: Sequence[Span], low: int, high: int) -> float:
    bad = (min(s.until_ms, high) - max(s.from_ms, low) for s in states if s.state == "not_ready")
    return sum(ms for ms in bad if ms > 0) / 1000


def _past(deploy: Deploy, after: After, now_ms: int) -> Past:
    found, seen = deploy.detail.get(CHECK), deploy.detail.get(FORECAST)
    foreseen = None if seen is None else Foreseen(**seen)
    if isinstance(found, dict):
        parts = {str(name): value for name, value in found.get("parts", {}).items()}
        return Past(deploy=deploy, after=after, is_confirmed=found.get("confirmed"), check=parts,
                    foreseen=foreseen)  # fmt: skip
    # One from before it was checked, or that nobody has looked at yet.
    is_over, healthy = now_ms >= deploy.at_ms + AFTER_MS, after.healthy_after_s is not None
    confirmed = True if healthy else False if after.gap_s is not None and is_over else None
    return Past(deploy=deploy, after=after, is_confirmed=confirmed, check={}, foreseen=foreseen)


def a_month(found: Sequence[Past], now_ms: int) -> float | None:
    """Deploys in 30 days at the measured rate; None where too little is known."""
    if len(found) < 2:
        return None
    days = max(LEAST_DAYS, (now_ms - found[-1].deploy.at_ms) / DAY_MS)
    return len(found) * 30 / days


def as_json(found: Past) -> dict[str, Any]:
    """What came after it, as documents have it."""
    after = found.after
    return {
        "readiness_gap_s": after.gap_s, "healthy_after_s": after.healthy_after_s, "confirmed": found.is_confirmed,
        "checks": dict(found.check), "failed_runs": after.failed_runs, "interrupted_steps": after.cut,
        "steps_tried_again": after.again, "duplicate_llm_calls": after.calls_twice, "rerun_by_hand": after.by_hand,
        "budget_spent": after.budget, "forecast": None if found.foreseen is None else asdict(found.foreseen),
    }  # fmt: skip
