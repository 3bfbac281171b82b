"""What runs when nothing else does? A scheduler without outside dependencies, beside any durable one.

Every due moment has a name (`task@tick`); the host's `claim` says whether it may run here, so that nothing runs
twice, whoever else schedules the same work.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

log = logging.getLogger(__name__)

Claim = Callable[[str], Awaitable[bool]]
Done = Callable[[str], Awaitable[None]]
Now = Callable[[], datetime]


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

    def __init__(self, tasks: tuple[Task, ...], *, claim: Claim, done: Done, now: Now) -> None:
        self._tasks, self._claim, self._done, self._now = tasks, claim, done, now

    async def run(self) -> None:
        """Until cancelled. The tick in which it starts is left alone: it was another's, or there was none."""
        async with asyncio.TaskGroup() as group:
            for task in self._tasks:
                group.create_task(self._follow(task), name=f"fallback:{task.name}")

    async def _follow(self, task: Task) -> None:
        last = task.tick(self._now())
        while True:
            due = last + task.every
            pause = (due - self._now()).total_seconds()
            # In slices, so that a clock that was set forward or back is noticed.
            await asyncio.sleep(min(max(pause, 0), 30) + random.random() * 0.2)  # noqa: S311 - spreads load only
            tick = task.tick(self._now())
            if tick <= last:
                continue
            last = tick
            await self.attempt(task, tick)

    async def attempt(self, task: Task, tick: datetime) -> bool:
        """Run a task for one due moment if nobody else did; True where it ran to its end."""
        name = task.claim_name(tick)
        try:
            if not await self._claim(name):
                return False
            await task.run()
            await self._done(name)
        except Exception:
            log.exception("the scheduled task %s failed; it is due again in %s", task.name, task.every)
            return False
        return True
