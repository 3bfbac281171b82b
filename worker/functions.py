"""The functions that Inngest runs here. The fallback's own tasks, each due moment claimed once; a replay fanned out by
case; and the pulse, which does nothing but arrive."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import inngest

from services import clock
from services.dependencies.inngest.pulse import EVENT as PULSE_EVENT
from services.dependencies.inngest.sync import APP_ID
from services.replay.runs import WrongRun
from services.settings.model import Durable, Own
from worker.replays import REPLAY_EVENT, ReplayWork
from worker.schedule import Schedule, ScheduledTask
from worker.steps import Steps

log = logging.getLogger(__name__)
T = TypeVar("T")
EARLY = timedelta(seconds=2)  # the server's clock may be ahead of ours: the due moment is the next one, then


def client(own: Own) -> inngest.Inngest:
    """The worker's Inngest client."""
    return inngest.Inngest(
        app_id=APP_ID,
        is_production=own.inngest_cloud,
        api_base_url=own.inngest_api_url,
        event_api_base_url=own.inngest_event_url,
        signing_key=own.inngest_signing_key.get_secret_value() if own.inngest_signing_key else None,
        event_key=own.inngest_event_key.get_secret_value() if own.inngest_event_key else None,
    )


def functions(
    served_by: inngest.Inngest, schedule: Schedule, replays: ReplayWork, durable: Durable, steps: Steps
) -> list[inngest.Function[Any]]:
    """All of them; `steps` knows which of their steps are at work."""
    scheduled = [_scheduled(served_by, schedule, task, durable.retries, steps) for task in schedule.tasks]
    return [*scheduled, _replay_run(served_by, replays, durable, steps), _pulse(served_by, durable.retries, steps)]


def declared(crons: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Names and triggers of what is served, as the server should know them."""
    return tuple(sorted((*crons, ("replay-run", REPLAY_EVENT), ("pulse", PULSE_EVENT))))


async def _step(
    context: inngest.Context, steps: Steps, function: str, name: str, body: Callable[[], Awaitable[T]]
) -> T:
    """A step whose body is noted while it is at work."""
    return await context.step.run(name, functools.partial(steps.run, function, context.run_id, name, body))


def _scheduled(
    served_by: inngest.Inngest, schedule: Schedule, task: ScheduledTask, retries: int, steps: Steps
) -> inngest.Function[dict[str, Any]]:
    @served_by.create_function(fn_id=task.name, trigger=inngest.TriggerCron(cron=task.cron), retries=retries)
    async def run(context: inngest.Context) -> dict[str, Any]:
        # The due moment is a step of its own, so that a retry minutes later is still for the same one.
        due = await _step(context, steps, task.name, "due", functools.partial(_due, task))
        ran_here = await _step(context, steps, task.name, "work", functools.partial(_attend, schedule, task, due))
        return {"due": due, "ran_here": ran_here}

    return run


async def _attend(schedule: Schedule, task: ScheduledTask, due: str) -> bool:
    """Run a task for the moment that the server sends back; one that is none of the task's own is not run."""
    moment = datetime.fromisoformat(due)
    if moment.tzinfo is None or not task.is_plausible(moment, clock.now()):
        log.warning("%s was asked for at a moment that is none of its own; nothing was run", task.name)
        return False
    return await schedule.attend(task, moment)


async def _due(task: ScheduledTask) -> str:
    return task.tick(clock.now() + EARLY).astimezone(UTC).isoformat()


def _replay_run(
    served_by: inngest.Inngest, replays: ReplayWork, durable: Durable, steps: Steps
) -> inngest.Function[dict[str, Any]]:
    @served_by.create_function(
        fn_id="replay-run",
        trigger=inngest.TriggerEvent(event=REPLAY_EVENT),
        retries=durable.retries,
        concurrency=[inngest.Concurrency(limit=durable.replay_concurrency)],
    )
    async def run(context: inngest.Context) -> dict[str, Any]:
        run_id = str(context.event.data.get("run_id", ""))
        step = functools.partial(_step, context, steps, "replay-run")
        shares = await step("plan", functools.partial(_plan, replays, run_id))
        await context.group.parallel(
            tuple(
                functools.partial(step, _step_name(*share), functools.partial(replays.ask_share, run_id, *share))
                for share in shares
            )
        )
        return await step("conclude", functools.partial(replays.conclude, run_id))

    return run


async def _plan(replays: ReplayWork, run_id: str) -> list[list[int]]:
    try:
        return await replays.shares(run_id)
    except WrongRun as error:  # trying again would not help
        raise inngest.NonRetriableError(str(error)) from error


def _step_name(first: int, last: int) -> str:
    return f"case {first + 1}" if first == last else f"cases {first + 1} to {last + 1}"


def _pulse(served_by: inngest.Inngest, retries: int, steps: Steps) -> inngest.Function[str]:
    @served_by.create_function(fn_id="pulse", trigger=inngest.TriggerEvent(event=PULSE_EVENT), retries=retries)
    async def run(context: inngest.Context) -> str:
        return await _step(
            context, steps, "pulse", "arrive", _arrive
        )  # a step, so that the server must come back for the end

    return run


async def _arrive() -> str:
    return "arrived"
