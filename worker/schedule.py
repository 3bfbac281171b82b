"""The worker's regular tasks, and who runs which due moment. Inngest and the fallback call the same bodies, each under
the same claim, so that a moment runs once; the first one does it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from runtime.fallback import FallbackScheduler, Task
from services import clock
from services.dependencies.inngest.pulse import NAME as PULSE
from services.dependencies.inngest.status import moves_work
from services.errors import StoreError
from services.redact import fault
from services.settings.model import Settings
from services.store import Store, claims, conditions, schedules

log = logging.getLogger(__name__)
LEASE_MS = 60_000
RENEW_S = 20.0
STAND_BACK = timedelta(seconds=45)
AHEAD = timedelta(seconds=5)  # by so much may a server's clock be ahead
LATEST = timedelta(hours=1)  # a failed run is tried again for about so long
By = Literal["inngest", "fallback"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduledTask:
    """A regular task: its cron line for Inngest, and the same rhythm for the fallback. `run` gets the due moment."""

    name: str
    cron: str
    every: timedelta
    run: Callable[[datetime], Awaitable[object]]
    offset: timedelta = timedelta(0)

    def task(self, run: Callable[[], Awaitable[object]]) -> Task:
        """The task as the fallback scheduler's task."""
        return Task(name=self.name, every=self.every, offset=self.offset, run=run)

    def tick(self, moment: datetime) -> datetime:
        """The newest due moment at or before then."""
        return self.task(_nothing).tick(moment)

    def is_plausible(self, due: datetime, now: datetime) -> bool:
        """Whether a server may still ask for that moment: one of the rhythm's, not ahead, not long past."""
        lately = -AHEAD <= now - due <= max(2 * self.every, LATEST)
        return lately and self.tick(due) == due

    def claim_name(self, due: datetime) -> str:
        """The name under which a due moment is claimed."""
        return self.task(_nothing).claim_name(due)


async def _nothing() -> None:
    return None


class Schedule:
    """Claims due moments, runs them, and keeps who did."""

    def __init__(self, store: Store, settings: Settings, tasks: tuple[ScheduledTask, ...], *, owner: str) -> None:
        self._store, self._owner = store, owner
        self.tasks = tasks
        self._pulsed = tuple(environment.name for environment in settings.pulsed)
        self._stopping = False
        self._at_work = 0

    @property
    def busy(self) -> bool:
        """Whether a task is at work here."""
        return self._at_work > 0

    async def attend(self, task: ScheduledTask, due: datetime) -> bool:
        """Run a task for Inngest, unless somebody did or does; True where it ran here. Raises what the task raises."""
        name = task.claim_name(due)
        if not await self.claim(name, by="inngest"):
            return False
        outcome = "failed"
        try:
            async with self._renewed(name):
                await task.run(due)
            outcome = "done"
        except Exception as error:
            log.error("the task %s failed (%s); Inngest tries it again", task.name, fault(error))
            raise
        finally:
            await self.end(name, outcome)
        return True

    def fallback(self) -> FallbackScheduler:
        """The scheduler that runs what is due and nobody took. While Inngest moves work it stands back for a while."""

        def fallback_of(task: ScheduledTask) -> Task:
            async def run() -> None:
                due = task.tick(clock.now())
                async with self._renewed(task.claim_name(due)):
                    await task.run(due)

            return task.task(run)

        return FallbackScheduler(
            tuple(fallback_of(task) for task in self.tasks),
            claim=functools.partial(self.claim, by="fallback"),
            done=functools.partial(self.end, outcome="done"),
            failed=functools.partial(self.end, outcome="failed"),
            patience=self._patience,
            now=clock.now,
        )

    async def _patience(self, task: Task) -> timedelta:
        moves = await asyncio.to_thread(self.inngest_moves)
        return min(STAND_BACK, task.every / 4) if moves else timedelta(0)

    def inngest_moves(self) -> bool:
        """Whether the newest pulse finished, and lately. Raises StoreError."""
        now = clock.now_ms()
        with self._store.read() as connection:
            found = [c for name in self._pulsed for c in conditions.load(connection, name) if c.probe == PULSE]
        return any(moves_work(pulse, now) for pulse in found)

    async def claim(self, name: str, *, by: By) -> bool:
        """Claim a due moment, once for all workers and schedulers. Raises StoreError."""
        return not self._stopping and await asyncio.to_thread(self._claim, name, by)

    def _claim(self, name: str, by: By) -> bool:
        now = clock.now_ms()
        with self._store.read() as connection:  # looked at first: what is done or held must not cost a write lock
            if claims.is_taken(connection, name, now_ms=now, lease_ms=LEASE_MS):
                return False
        with self._store.write() as connection:
            if not claims.take(connection, name, self._owner, now_ms=now, lease_ms=LEASE_MS, again=True):
                return False
            task, due_ms = _parsed(name)
            schedules.begin(connection, task=task, due_ms=due_ms, by=by, worker=self._owner, now_ms=now)
        return True

    async def end(self, name: str, outcome: str) -> None:
        """Mark a claimed moment as done for ever, or give it back. Raises StoreError."""
        await asyncio.to_thread(self._end, name, outcome)

    def _end(self, name: str, outcome: str) -> None:
        task, due_ms = _parsed(name)
        now = clock.now_ms()
        with self._store.write() as connection:
            if outcome == "done":
                claims.finish(connection, name, self._owner)
            else:
                claims.release(connection, self._owner, name=name)
            schedules.end(connection, task=task, due_ms=due_ms, worker=self._owner, outcome=outcome, now_ms=now)

    @contextlib.asynccontextmanager
    async def _renewed(self, name: str) -> AsyncIterator[None]:
        """Keep the claim while the task runs, however long."""

        def renew() -> None:
            with self._store.write() as connection:
                claims.take(connection, name, self._owner, now_ms=clock.now_ms(), lease_ms=LEASE_MS)

        async def keep() -> None:
            while True:
                await asyncio.sleep(RENEW_S)
                try:
                    await asyncio.to_thread(renew)
                except StoreError as error:
                    log.warning("the claim on %s could not be renewed: %s", name, error.advice.what)

        keeper = asyncio.create_task(keep())
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1
            keeper.cancel()

    def stop_claiming(self) -> None:
        """From now on begin nothing new."""
        self._stopping = True


def _parsed(name: str) -> tuple[str, int]:
    """The task and the due moment (ms) of a claim's name."""
    task, _, due = name.partition("@")
    return task, round(datetime.fromisoformat(due).timestamp() * 1000)
