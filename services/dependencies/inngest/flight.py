"""What an Inngest server has at work now: runs that have not ended, the step each is in, and those that only wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from services import clock
from services.dependencies.cleaning import cleaner
from services.dependencies.inngest.api import OPEN, Api, Refusal, rfc3339
from services.dependencies.inngest.pulse import PULSES
from services.dependencies.messages import advice
from services.dependencies.model import RunSeen

if TYPE_CHECKING:
    from services.settings.model import Environment

OPEN_SINCE_MS = 30 * clock.DAY_MS
PAGE = 100
DEADLINE_S = 10.0
TRACES_AT_MOST, TRACES_AT_ONCE, TRACE_DEADLINE_S = 25, 5, 3.0  # of more runs than that, the rest counts as at work
SHOWN = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class InFlight:
    """Work that has not ended, in ms since 1970. `step` None where it isn't known which one it is in."""

    id: str
    function: str
    since_ms: int
    step: str | None = None
    step_since_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Flight:
    """`idle`: runs that sleep, wait for something, or have not begun: a deploy interrupts none of them."""

    runs: tuple[InFlight, ...] = ()
    idle: int = 0


async def look(environment: Environment) -> Flight | str:
    """Asked now; or, in a sentence, why it is not known."""
    if environment.server is None:
        return "Greenlight does not know this environment's Inngest server: set inngest.api_url."
    api = Api.from_settings(environment)
    found = await open_runs(api, environment.inngest.app_id, clock.now_ms())
    if isinstance(found, Refusal):
        return str(advice(f"runs.{found.code}", {"why": found.why, "seconds": found.wait_s}))
    gate = asyncio.Semaphore(TRACES_AT_ONCE)
    working = of(found)

    async def ask(run: InFlight, status: str) -> InFlight | None:
        async with gate:
            trace = await api.trace(run.id, deadline_s=TRACE_DEADLINE_S)
        if isinstance(trace, Refusal):
            return run
        if trace.open:
            newest = max(trace.open, key=lambda step: step.started_ms)
            return replace(run, step=newest.name, step_since_ms=newest.started_ms)
        not_begun = status == "QUEUED" and trace.started_ms is None and not trace.tries
        return None if trace.waits or not_begun else run

    states = {run.id: run.status for run in found}
    asked = await asyncio.gather(*(ask(run, states[run.id]) for run in working[:TRACES_AT_MOST]))
    runs = [run for run in asked if run is not None] + working[TRACES_AT_MOST:]
    text = cleaner(environment)
    return Flight(
        runs=tuple(
            replace(
                run, id=text(run.id), function=text(run.function), step=None if run.step is None else text(run.step)
            )
            for run in runs
        ),
        idle=len(working) - len(runs),
    )


async def open_runs(api: Api, app_id: str | None, now: int) -> tuple[RunSeen, ...] | Refusal:
    """Runs that are queued or running, the oldest first."""
    query = {"status": OPEN, "from": rfc3339(now - OPEN_SINCE_MS), "until": rfc3339(now + 60_000),
             "timeField": "queuedAt", "appId": app_id, "limit": PAGE, "order": "ASC"}  # fmt: skip
    page = await api.runs(query, deadline_s=DEADLINE_S)
    return page if isinstance(page, Refusal) else page.runs


def of(runs: Sequence[RunSeen]) -> list[InFlight]:
    """Open runs as work, without our own pulse."""
    return [
        InFlight(id=run.id, function=run.function, since_ms=run.queued_ms)
        for run in runs
        if run.queued_ms is not None and run.function not in PULSES
    ]
