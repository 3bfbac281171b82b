"""What this worker holds, and who knows that it lives. Leases, heartbeat and people's requests, in the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping

from services import clock
from services.errors import StoreError
from services.redact import fault
from services.store import Store, claims, conditions, jobs, workers
from services.store.workers import HEARTBEAT_S, Worker
from worker.collector import Collector
from worker.writer import Writer

log = logging.getLogger(__name__)
LEASE_MS = 15_000
JOB_LEASE_MS = 60_000
POLL_S = 0.5
Progress = Callable[[int, int], Awaitable[None]]
Handler = Callable[[jobs.Job, Progress], Awaitable[str]]


class JobFailed(Exception):
    """A request that could not be carried out; the message is a sentence for the person who asked."""


class Leases:
    """Keeps leases on environments, beats, and takes jobs for the environments that it holds."""

    def __init__(self, store: Store, *, owner: str, address: str, environments: tuple[str, ...]) -> None:
        self._store, self.owner, self._address = store, owner, address
        self._environments = environments
        self._started_ms = clock.now_ms()
        self._held: set[str] = set()
        self._stopping = False
        self._long: set[asyncio.Task[None]] = set()
        self.busy = False  # whether somebody's request is being carried out
        self.trouble = ""
        self.settings_trouble = ""

    def holds(self, environment: str) -> bool:
        """Whether this worker collects that environment."""
        return environment in self._held and not self._stopping

    async def keep(self, collector: Collector, writer: Writer, parts_trouble: Callable[[], str] = lambda: "") -> None:
        """Renew leases and beat until cancelled. While the store is away, what is held stays held."""
        while True:
            try:
                taken = await asyncio.to_thread(self._renew, writer.trouble or parts_trouble() or self.settings_trouble)
                for name in taken - self._held:
                    writer.forget(name)
                    collector.remember(name, await asyncio.to_thread(self._details, name))
                self.trouble = ""
            except StoreError as error:
                if self.trouble != error.advice.what:
                    log.error("no sign of life can be given: %s", error)
                self.trouble = error.advice.what
            else:
                for name in self._held - taken:
                    log.warning("another worker now collects %s", name)
                self._held = taken
            await asyncio.sleep(HEARTBEAT_S)

    def _renew(self, trouble: str) -> set[str]:
        now = clock.now_ms()
        beat = Worker(id=self.owner, address=self._address, started_ms=self._started_ms, seen_ms=now, trouble=trouble)
        with self._store.write() as connection:
            workers.beat(connection, beat)
            return {
                name
                for name in self._environments
                if claims.take(connection, f"collect:{name}", self.owner, now_ms=now, lease_ms=LEASE_MS)
            }

    def _details(self, environment: str) -> dict[str, dict[str, object]]:
        with self._store.read() as connection:
            return {c.probe: dict(c.detail) for c in conditions.load(connection, environment)}

    async def serve(self, handlers: Mapping[str, Handler], *, long: Collection[str] = ()) -> None:
        """Take people's requests until cancelled, each by the handler of its kind.

        Those of a `long` kind run beside the others; a stop doesn't wait for them, another worker goes on with them.
        """
        while True:
            await asyncio.sleep(POLL_S)
            if self._stopping or not self._held:
                continue
            try:
                job = await asyncio.to_thread(self._claim)
                if job is not None and job.kind in long:
                    self._beside(job, handlers)
                elif job is not None:
                    self.busy = True
                    await self._carry_out(job, handlers)
            except StoreError:
                log.debug("no request can be taken: the store is away")
            finally:
                self.busy = False

    def _beside(self, job: jobs.Job, handlers: Mapping[str, Handler]) -> None:
        async def alone() -> None:
            try:
                await self._carry_out(job, handlers)
            except StoreError:
                log.warning("request %s (%s) was left: the store is away; it goes on later", job.id, job.kind)

        task = asyncio.create_task(alone(), name=f"{job.kind} {job.id}")
        self._long.add(task)
        task.add_done_callback(self._long.discard)

    def _claim(self) -> jobs.Job | None:
        # Looked at in a read first: an idle worker must not take the write lock twice a second.
        with self._store.read() as connection:
            if not jobs.any_waiting(connection, now_ms=clock.now_ms(), environments=tuple(self._held)):
                return None
        with self._store.write() as connection:
            return jobs.claim(
                connection,
                self.owner,
                now_ms=clock.now_ms(),
                lease_ms=JOB_LEASE_MS,
                environments=tuple(self._held),
            )

    async def _carry_out(self, job: jobs.Job, handlers: Mapping[str, Handler]) -> None:
        async def progress(done: int, total: int) -> None:
            await asyncio.to_thread(
                self._write,
                lambda c: jobs.progress(
                    c, job.id, self.owner, done=done, total=total, lease_until_ms=clock.now_ms() + JOB_LEASE_MS
                ),
            )

        handler = handlers.get(job.kind)
        try:
            if handler is None:
                raise JobFailed("This worker doesn't know such a request; it may be older than the page.")
            state, message = "done", await handler(job, progress)
        except JobFailed as error:
            state, message = "failed", str(error)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - one request that fails doesn't keep the next ones waiting
            log.error("request %s (%s) failed by our own fault: %s", job.id, job.kind, fault(error))
            state, message = "failed", f"A fault in Greenlight; the worker's log names the request {job.id}."
        await asyncio.to_thread(
            self._write,
            lambda c: jobs.finish(c, job.id, self.owner, state=state, message=message, now_ms=clock.now_ms()),
        )

    def _write(self, action: Callable[..., object]) -> None:
        with self._store.write() as connection:
            action(connection)

    def stop_claiming(self) -> None:
        """From now on take nothing new; what lasts long is left to another worker."""
        self._stopping = True
        for task in self._long:
            task.cancel()

    def hand_back(self) -> None:
        """Give back every lease and job, and leave."""
        with self._store.write() as connection:
            jobs.hand_back(connection, self.owner)
            claims.release(connection, self.owner)
            workers.leave(connection, self.owner)
