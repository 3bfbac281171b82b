"""The scheduler that runs when no other does. A scheduler without outside dependencies, beside any durable one.

Every due moment has a name (`task@tick`); the host's `claim` says whether it may run here, so that nothing runs
twice, whatever else schedules the same work. Where something more durable schedules it too, `patience` says how long
to stand back: what that did not take by then is run here.
"""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

log = logging.getLogger(__name__)

Claim = Callable[[str], Awaitable[bool]]
Done = Callable[[str], Awaitable[None]]
Now = Callable[[], datetime]
Patience = Callable[["Task"], Awaitable[timedelta]]
SLICE_S = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Work that is due every `every`, counted from midnight UTC plus `offset` (daily at 08:00: 24 h, offset 8 h)."""

    name: str
    every: timedelta
    run: Callable[[], Awaitable[object]]
    offset: timedelta = timedelta(0)

    def tick(self, moment: datetime) -> datetime:
        """The newest due moment at or before then."""
        epoch = datetime(1970, 1, 1, tzinfo=UTC) + self.offset
        return epoch + (moment - epoch) // self.every * self.every

    def claim_name(self, tick: datetime) -> str:
        """The name under which one due moment is claimed."""
        return f"{self.name}@{tick:%Y-%m-%dT%H:%M:%SZ}"


class FallbackScheduler:
    """Runs tasks as they become due, each under its claim; a task that fails is logged and runs again next time."""

    def __init__(
        self,
        tasks: tuple[Task, ...],
        *,
        claim: Claim,
        done: Done,
        now: Now,
        failed: Done | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._tasks, self._claim, self._done, self._now = tasks, claim, done, now
        self._failed, self._patience = failed, patience

    async def run(self) -> None:
        """Until cancelled. The tick in which it starts is left alone: it was another's, or there was none."""
        async with asyncio.TaskGroup() as group:
            for task in self._tasks:
                group.create_task(self._follow(task), name=f"fallback:{task.name}")

    async def _follow(self, task: Task) -> None:
        settled = task.tick(self._now())
        while True:
            tick = task.tick(self._now())
            if tick <= settled:
                wake = settled + task.every
            else:
                wake = tick + await self._stand_back(task)
                if wake <= self._now():
                    if await self._attempt(task, tick) is not None:
                        settled = tick
                        continue
                    # Another has it, or had it: asked again, since it may be killed before the end.
                    wake = min(tick + task.every, self._now() + timedelta(seconds=SLICE_S))
            pause = (wake - self._now()).total_seconds()
            # In slices, so that a clock that was set forward or back is noticed.
            await asyncio.sleep(min(max(pause, 0), SLICE_S) + random.random() * 0.2)  # noqa: S311 - spreads load only

    async def _stand_back(self, task: Task) -> timedelta:
        if self._patience is None:
            return timedelta(0)
        try:
            return min(await self._patience(task), task.every)
        except Exception as error:  # noqa: BLE001 - its text may quote a secret of the host's
            log.error(
                "%s: how long to stand back is not known (%s): it is run at once", task.name, type(error).__name__
            )
            return timedelta(0)

    async def attempt(self, task: Task, tick: datetime) -> bool:
        """Run a task for one due moment if nobody else did; True where it ran to its end."""
        return await self._attempt(task, tick) is True

    async def _attempt(self, task: Task, tick: datetime) -> bool | None:
        """True where it ran to its end, False where it failed, None where the claim was not given."""
        name = task.claim_name(tick)
        try:
            if not await self._claim(name):
                return None
            await task.run()
            await self._done(name)
        except Exception as error:  # noqa: BLE001 - a task that fails is due again; its text may quote a secret
            where = traceback.extract_tb(error.__traceback__)[-1]
            log.error("the scheduled task %s failed (%s at %s:%d); it is due again in %s", task.name,
                      type(error).__name__, where.filename, where.lineno or 0, task.every)  # fmt: skip
            if self._failed is not None:
                await self._failed(name)
            return False
        return True
