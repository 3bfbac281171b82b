"""Which functions does Inngest run here? The same duties as the fallback scheduler's, each due moment claimed once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import inngest

from runtime.fallback import FallbackScheduler, Task
from services import clock
from services.settings.model import Own

APP_ID = "greenlight-worker"
RETRIES = 3  # two or more: with none, a run does not survive a deploy


@dataclass(frozen=True, kw_only=True, slots=True)
class Duty:
    """A regular duty: its cron line for Inngest, and the same rhythm for the fallback."""

    name: str
    cron: str
    every: timedelta
    run: Callable[[], Awaitable[object]]
    offset: timedelta = timedelta(0)

    @property
    def task(self) -> Task:
        """The duty as the fallback scheduler's task."""
        return Task(name=self.name, every=self.every, run=self.run, offset=self.offset)


def client(own: Own) -> inngest.Inngest:
    """The worker's Inngest client."""
    return inngest.Inngest(
        app_id=APP_ID,
        is_production=own.inngest_cloud,
        signing_key=own.inngest_signing_key.get_secret_value() if own.inngest_signing_key else None,
        event_key=own.inngest_event_key.get_secret_value() if own.inngest_event_key else None,
    )


def functions(
    served_by: inngest.Inngest, duties: tuple[Duty, ...], scheduler: FallbackScheduler
) -> list[inngest.Function[Any]]:
    """One Inngest function a duty. Its due moment is the fallback's own tick, so that only one of them runs it."""

    def build(duty: Duty) -> inngest.Function[Any]:
        @served_by.create_function(fn_id=duty.name, trigger=inngest.TriggerCron(cron=duty.cron), retries=RETRIES)
        async def run(_context: inngest.Context) -> dict[str, bool]:
            return {"ran_here": await scheduler.attempt(duty.task, duty.task.tick(clock.now()))}

        return run

    return [build(duty) for duty in duties]
