"""The replays that this worker carries out. Any that wait; several workers share one by claiming its cases.

Where Inngest moves work, the worker that it calls hands a run over to it and takes its cases from there, a step each;
other workers go on taking cases from the store, from the run's end. A run that Inngest leaves lying is taken back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from services import clock
from services.errors import GreenlightError, StoreError
from services.redact import fault
from services.replay import runs, start
from services.replay.agents import Agent, open_agent
from services.replay.judges import Judge
from services.replay.runner import Runner
from services.replay.runs import Begun, WrongRun
from services.settings.model import Settings
from services.store import Store, claims, replays
from services.store.replays import Run

log = logging.getLogger(__name__)
POLL_S = 1.0
HELD_BY_OTHERS_S = 0.5
IDLE_S = 120.0
HANDED_MS = 20_000  # without a sign from Inngest for so long, a run is taken back
SIGN_S = 5.0
MOST_STEPS = 200  # Inngest allows 1,000 steps a run
REPLAY_EVENT = "greenlight/replay.requested"
Send = Callable[[str, str, dict[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class _Bench:
    """What one run's cases are worked on with; kept open between steps."""

    begun: Begun
    agent: Agent
    judge: Judge
    gate: asyncio.Semaphore
    users: int = 0
    used: float = field(default_factory=time.monotonic)


class ReplayWork:
    """Takes cases of waiting runs, one run at a time; and those that Inngest hands in."""

    def __init__(self, store: Store, settings: Settings, *, owner: str) -> None:
        self._store, self._settings, self._owner = store, settings, owner
        self._runners: list[Runner] = []
        self._benches: dict[str, _Bench] = {}
        self._opening = asyncio.Lock()
        self._stopping = False
        self._send: Send | None = None
        self._hands_over: Callable[[], bool] = lambda: False

    def hand_over_by(self, send: Send, when: Callable[[], bool]) -> None:
        """Hand runs over to Inngest with `send` (event name, id, data) while `when` says so."""
        self._send, self._hands_over = send, when

    async def run(self) -> None:
        """Until cancelled."""
        while not self._stopping:
            try:
                await self._close_idle()
                run = await self._next()
                if run is not None:
                    await self._carry_out(run)
                    continue
            except StoreError as error:
                log.debug("no replay can be taken: %s", error)
            await asyncio.sleep(POLL_S)

    async def _next(self) -> Run | None:
        hands_over = self._send is not None and await asyncio.to_thread(self._hands_over)
        for run in await asyncio.to_thread(self._takeable):
            if not hands_over or not await self._handed(run):
                return run
        return None

    def _takeable(self) -> tuple[Run, ...]:
        with self._store.read() as connection:
            return replays.takeable(connection, clock.now_ms()) or replays.unconcluded(connection)

    async def _handed(self, run: Run) -> bool:
        """Whether Inngest has this run; it is handed over once."""
        known, live = await asyncio.to_thread(self._standing, run.id)
        if known:
            return live
        assert self._send is not None  # noqa: S101 - the caller has checked
        await asyncio.to_thread(self._sign, run.id)
        try:
            await self._send(REPLAY_EVENT, f"replay-{run.id}", {"run_id": run.id})
        except Exception as error:  # noqa: BLE001 - whatever keeps Inngest from taking it, we carry it out ourselves
            log.warning("replay %s can't be handed to Inngest (%s): it is carried out here", run.id, error)
            await asyncio.to_thread(self._take_back, run.id)
            return False
        log.info("replay %s was handed to Inngest", run.id)
        return True

    def _standing(self, run_id: str) -> tuple[bool, bool]:
        with self._store.read() as connection:
            until_ms = claims.until(connection, _handed_name(run_id))
        return until_ms is not None, until_ms is not None and until_ms > clock.now_ms()

    def _sign(self, run_id: str) -> None:
        """Inngest is at work on it."""
        with self._store.write() as connection:
            claims.take(connection, _handed_name(run_id), "inngest", now_ms=clock.now_ms(), lease_ms=HANDED_MS)

    def _take_back(self, run_id: str) -> None:
        """It is known that it was tried; from now on it is ours."""
        with self._store.write() as connection:
            claims.take(connection, _handed_name(run_id), "inngest", now_ms=clock.now_ms(), lease_ms=0)

    async def _carry_out(self, run: Run) -> None:
        try:
            async with self._bench(run.id) as bench:
                await asyncio.to_thread(self._start, run.id)
                await self._work(bench, None)
                done = await start.conclude_if_complete(self._store, bench.begun.run, bench.judge)
        except WrongRun:
            return  # it was ended with its reason
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a run that can't be carried out must not hold up the next ones
            log.error("replay %s can't be carried out: %s", run.id, fault(error))
            reason = f"Greenlight made a mistake while carrying it out ({type(error).__name__})."
            await asyncio.to_thread(self._write_failure, run.id, reason)
            return
        if done is not None:
            log.info("replay %s ended: %s", done.id, done.verdict)

    async def shares(self, run_id: str) -> list[list[int]]:
        """How Inngest is to cut a run up: first and last position of each step. Raises WrongRun."""
        run = await asyncio.to_thread(self._find, run_id)
        if run.state not in replays.OPEN:
            return []
        async with self._bench(run_id):  # what can't be carried out ends here, with its reason
            await asyncio.to_thread(self._start, run_id)
        size = -(-run.total // MOST_STEPS)
        return [[first, min(first + size, run.total) - 1] for first in range(0, run.total, size)]

    def _start(self, run_id: str) -> None:
        with self._store.write() as connection:
            replays.start(connection, run_id, clock.now_ms(), again=False)

    def _find(self, run_id: str) -> Run:
        with self._store.read() as connection:
            run = replays.get(connection, run_id)
        if run is None or run.runner != "worker":
            raise WrongRun(f"There is no run {run_id[:60]!r} for workers.")
        return run

    async def ask_share(self, run_id: str, first: int, last: int) -> dict[str, int]:
        """Work on a share until it is done, by us or by others; how many cases were asked here.

        Done cases stay done: a share that is handed in twice asks none of them again. Raises WrongRun.
        """
        asked = 0
        if (await asyncio.to_thread(self._find, run_id)).state != "running":
            return {"asked_here": 0}
        async with self._signed(run_id), self._bench(run_id) as bench:
            while True:
                state, done_here = await self._work(bench, (first, last))
                asked += done_here
                if self._stopping:
                    raise RuntimeError("the worker is stopping: the rest of this step is for its next try")
                if state != "running" or await asyncio.to_thread(self._is_complete, run_id, (first, last)):
                    return {"asked_here": asked}
                await asyncio.sleep(HELD_BY_OTHERS_S)

    def _is_complete(self, run_id: str, share: tuple[int, int]) -> bool:
        with self._store.read() as connection:
            return replays.is_complete(connection, run_id, share)

    async def conclude(self, run_id: str) -> dict[str, str]:
        """The verdict of a run that Inngest has walked through. Raises WrongRun."""
        run = await asyncio.to_thread(self._find, run_id)
        if run.state in replays.OPEN:
            async with self._bench(run_id) as bench:
                await start.conclude_if_complete(self._store, run, bench.judge)
            run = await asyncio.to_thread(self._find, run_id)
        return {"run_id": run.id, "state": run.state, "verdict": run.verdict}

    async def _work(self, bench: _Bench, share: tuple[int, int] | None) -> tuple[str, int]:
        """Take cases until none is left to take; the run's state, and how many were finished here."""
        run = bench.begun.run
        concurrency = int(run.options["concurrency"])
        runner = Runner(
            store=self._store,
            run_id=run.id,
            owner=self._owner if share is None else f"{self._owner[:70]}#{secrets.token_hex(4)}",
            golden=bench.begun.golden,
            agent=bench.agent,
            judge=bench.judge,
            concurrency=concurrency if share is None else min(concurrency, share[1] - share[0] + 1),
            timeout_s=float(run.options["timeout_s"]),
            stopping=self._stopping,
            share=share,
            gate=bench.gate,
            # Inngest walks a run from its beginning, a few steps at a time: who takes from there would hold just those.
            from_the_end=share is None and self._send is not None,
        )
        self._runners.append(runner)
        try:
            return await runner.work(), runner.done_here
        finally:
            self._runners.remove(runner)

    @contextlib.asynccontextmanager
    async def _bench(self, run_id: str) -> AsyncIterator[_Bench]:
        """Open what a run needs, once for all of its steps here. A run that can't be carried out is ended: WrongRun."""
        async with self._opening:
            bench = self._benches.get(run_id)
            if bench is None:
                bench = self._benches[run_id] = await self._open(run_id)
            bench.users += 1
        try:
            yield bench
        finally:
            bench.users -= 1
            bench.used = time.monotonic()

    async def _open(self, run_id: str) -> _Bench:
        run = await asyncio.to_thread(self._find, run_id)
        try:
            spec, token = start.agent_spec(self._settings, str(run.options["agent"]))
            judge = start.make_judge(self._settings, str(run.options["judge"]))
            if judge.sha256 != run.judge_sha256:
                raise WrongRun("The judge changed since the run was asked for. Start a new one.")
            begun = await asyncio.to_thread(runs.resumed_for_reading, self._store, run.id)
        except StoreError:
            raise
        except GreenlightError as error:
            await asyncio.to_thread(self._write_failure, run.id, str(error))
            log.warning("replay %s can't be carried out: %s", run.id, error)
            raise WrongRun(str(error)) from error
        at_once = int(run.options["concurrency"])
        agent = open_agent(spec, concurrency=at_once, token=token)
        return _Bench(begun=begun, agent=agent, judge=judge, gate=asyncio.Semaphore(at_once))

    async def _close_idle(self) -> None:
        limit = time.monotonic() - IDLE_S
        for run_id in [id_ for id_, b in self._benches.items() if not b.users and b.used < limit]:
            await self._close(run_id)

    async def _close(self, run_id: str) -> None:
        bench = self._benches.pop(run_id)
        await bench.agent.close()
        await bench.judge.close()

    async def close(self) -> None:
        """Close what is open, no matter who uses it."""
        for run_id in list(self._benches):
            await self._close(run_id)

    @contextlib.asynccontextmanager
    async def _signed(self, run_id: str) -> AsyncIterator[None]:
        """While a step runs, Inngest is at work."""

        async def sign() -> None:
            while True:
                with contextlib.suppress(StoreError):  # then the run is taken back: its cases are claimed all the same
                    await asyncio.to_thread(self._sign, run_id)
                await asyncio.sleep(SIGN_S)

        signing = asyncio.create_task(sign())
        try:
            yield
        finally:
            signing.cancel()

    def _write_failure(self, run_id: str, sentence: str) -> None:
        with self._store.write() as connection:
            replays.fail(connection, run_id, sentence, clock.now_ms())

    def stop_claiming(self) -> None:
        """Take nothing new; what is being asked is finished."""
        self._stopping = True
        for runner in self._runners:
            runner.stopping = True

    @property
    def at_work(self) -> int:
        """How many runners still finish what they hold."""
        return len(self._runners)

    def hand_back(self) -> None:
        """Give back what is held. Raises StoreError."""
        with self._store.write() as connection:
            replays.hand_back(connection, self._owner)


def _handed_name(run_id: str) -> str:
    return f"by-inngest:{run_id}"
