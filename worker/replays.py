"""Which replays does this worker carry out? Any that wait; several workers share one by claiming its cases."""

from __future__ import annotations

import asyncio
import logging

from services import clock
from services.errors import GreenlightError, StoreError
from services.replay import asking, runs
from services.replay.agents import open_agent
from services.replay.runner import Runner
from services.settings.model import Settings
from services.store import Store, replays
from services.store.replays import Run

log = logging.getLogger(__name__)
POLL_S = 1.0


class ReplayWork:
    """Takes cases of waiting runs, one run at a time."""

    def __init__(self, store: Store, settings: Settings, *, owner: str) -> None:
        self._store, self._settings, self._owner = store, settings, owner
        self._runner: Runner | None = None
        self._stopping = False

    async def run(self) -> None:
        """Until cancelled."""
        while not self._stopping:
            try:
                run = await asyncio.to_thread(self._next)
                if run is not None:
                    await self._carry_out(run)
                    continue
            except StoreError as error:
                log.debug("no replay can be taken: %s", error)
            await asyncio.sleep(POLL_S)

    def _next(self) -> Run | None:
        with self._store.read() as connection:
            found = replays.takeable(connection, clock.now_ms()) or replays.unconcluded(connection)
        return found[0] if found else None

    async def _carry_out(self, run: Run) -> None:
        try:
            spec, token = asking.agent_spec(self._settings, str(run.options["agent"]))
            judge = asking.make_judge(self._settings, str(run.options["judge"]))
            if judge.sha256 != run.judge_sha256:
                raise runs.WrongRun("The judge changed since the run was asked for. Start a new one.")
            begun = await asyncio.to_thread(runs.resumed, self._store, run.id)
        except StoreError:
            raise
        except GreenlightError as error:
            sentence = str(error)
            await asyncio.to_thread(self._write_failure, run.id, sentence)
            log.warning("replay %s can't be carried out: %s", run.id, sentence)
            return
        concurrency = int(run.options["concurrency"])
        agent = open_agent(spec, concurrency=concurrency, token=token)
        self._runner = Runner(
            store=self._store,
            run_id=run.id,
            owner=self._owner,
            golden=begun.golden,
            agent=agent,
            judge=judge,
            concurrency=concurrency,
            timeout_s=float(run.options["timeout_s"]),
            stopping=self._stopping,
        )
        try:
            await self._runner.work()
            done = await asking.conclude_if_complete(self._store, begun.run, judge)
            if done is not None:
                log.info("replay %s ended: %s", done.id, done.verdict)
        finally:
            self._runner = None
            await agent.close()
            await judge.close()

    def _write_failure(self, run_id: str, sentence: str) -> None:
        with self._store.write() as connection:
            replays.fail(connection, run_id, sentence, clock.now_ms())

    def stop_claiming(self) -> None:
        """Take nothing new; what is being asked is finished."""
        self._stopping = True
        if self._runner is not None:
            self._runner.stopping = True

    def hand_back(self) -> None:
        """Give back what is held. Raises StoreError."""
        with self._store.write() as connection:
            replays.hand_back(connection, self._owner)
