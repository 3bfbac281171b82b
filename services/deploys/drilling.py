"""Carries a deploy drill out. Asked for by name; the worker sends the event, has the deploy made, and counts."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from services import access, clock
from services.access import Action, Person
from services.dependencies.cleaning import cleaner
from services.dependencies.inngest import events
from services.dependencies.inngest.api import Api, Refusal
from services.deploys import drill, drill_lines, drill_state
from services.deploys.deploy_command import DeployCommand
from services.deploys.drill import Count, Ended, Marks, Result
from services.deploys.drill_record import record
from services.deploys.drill_state import KIND, State
from services.deploys.terms import terms
from services.errors import GreenlightError
from services.evidence import chain, current, decisions
from services.settings.model import Drill, Environment, Settings
from services.store import Store, jobs, spans
from services.store.spans import ENVIRONMENT

ACTION: Action = "drill"
Progress = Callable[[int, int], Awaitable[None]]
PAUSE_S = 0.5
BEGIN_S = 60.0  # within this time a worker must have begun the first step
RETURN_S = 90.0  # for Inngest to call once more after the last step, and complete the run
RENEW_S = 10.0  # the lease of the job is renewed so often
ASK_RUN_S = 3.0
DEADLINE_S = 10.0
_WHY = {
    "event_refused": "The Inngest server refuses the event key. Compare INNGEST_EVENT_KEY with the server's.",
    "wrong_kind": "The Inngest server is {why}; inngest.mode says the other kind. Correct it.",
    "no_answer": "The Inngest server can't be reached: {why}. Start the drill again when it answers.",
    "not_accepted": "The Inngest server did not take the event ({why}). Look at its log.",
}


class NotDrilled(GreenlightError):
    """A drill that can't be started or followed; the message says why, and what to do."""


def why_not(environment: Environment) -> str:
    """Why no drill can be started here; "" where one can."""
    if environment.role == "production":
        return "A drill deploys while work is in progress: it is for staging, never for production."
    if environment.drill is None:
        return f"{environment.name} is not marked for drills. Add [environments.drill] to its table in greenlight.toml."
    if environment.server is None:
        return "Greenlight does not know this environment's Inngest server: set inngest.api_url."
    if environment.server.cloud and environment.secrets.inngest_event_key is None:
        return "Greenlight has no INNGEST_EVENT_KEY for this environment."
    return drill_lines.why_not(environment)


def ask(store: Store, settings: Settings, name: str, *, by: Person) -> jobs.Job:
    """Ask the worker for a drill, on record by name. Raises Forbidden, Refused without a name, UnknownEnvironment,
    NotDrilled or StoreError."""
    access.require(by, ACTION)
    environment = settings.environment(name)
    if why := why_not(environment):
        raise NotDrilled(why)
    id_ = secrets.token_hex(8)
    with store.write() as connection:
        store.lock_chain(connection)
        if jobs.open_job(connection, kind=KIND, environment=name) is not None:
            raise NotDrilled(f"A drill of {name} is under way. Wait for its end.")
        decisions.write(store, connection, name, "drill", by, simulated=environment.simulated,
                        note=f"Start a deploy drill of {name}", more={"drill": id_})  # fmt: skip
        jobs.enqueue(connection, id_=id_, kind=KIND, environment=name, by=str(by), now_ms=clock.now_ms())
        made = jobs.get(connection, id_)
    assert made is not None  # noqa: S101 - it was written in this very transaction
    return made


async def carry_out(store: Store, settings: Settings, job: jobs.Job, progress: Progress) -> str:
    """Do it, or go on with it: a sentence. Raises NotDrilled or StoreError."""
    environment = settings.environment(job.environment)
    if why := why_not(environment):
        raise NotDrilled(why)
    following = _Following(store, settings, environment, job, progress)
    try:
        return await following.run()
    except NotDrilled as error:
        await following.keep(phase="stopped", what=str(error))
        raise


class _Following:
    """One drill, followed by this worker."""

    def __init__(
        self, store: Store, settings: Settings, environment: Environment, job: jobs.Job, progress: Progress
    ) -> None:
        assert environment.drill is not None  # noqa: S101 - the caller has checked
        self._store, self._settings, self._environment, self._progress = store, settings, environment, progress
        self._drill: Drill = environment.drill
        self._job = job
        now = clock.now_ms()
        with store.read() as connection:
            found = terms(connection, settings, environment, now)
        self._state = State(id=job.id, by=job.requested_by, begun_ms=now, steps_s=self._drill.steps_s,
                            terms=found.as_detail())  # fmt: skip
        self._command: DeployCommand | None = None
        self._marks = Marks()
        self._unread = ""  # why the lines can't be read
        self._run: Ended = "open"
        self._run_asked_ms = self._renewed_ms = 0
        self._whole_ms: int | None = None  # since when all steps have ended, by our clock

    async def run(self) -> str:
        """To the end, or until cancelled: the deploy command then goes on."""
        kept = await asyncio.to_thread(self._load)
        if kept is not None and kept.id == self._job.id:
            self._state = kept
            if kept.deploy == "running":  # by a worker that ended: it is never run twice
                await self.keep(deploy="unseen")
        if self._state.sent_ms is None:
            await self._send()
        try:
            while True:
                await self._read()
                await self._deploy()
                if (result := self._end()) is not None:
                    return await self._conclude(result)
                await asyncio.sleep(PAUSE_S)
        finally:
            if self._command is not None:
                self._command.close()

    async def _send(self) -> None:
        await self.keep()
        server = self._environment.server
        assert server is not None  # noqa: S101 - why_not has checked
        event = {"name": drill.EVENT, "id": f"greenlight-drill-{self._state.id}", "ts": clock.now_ms(),
                 "data": {"id": self._state.id, "steps_s": list(self._state.steps_s)}}  # fmt: skip
        sent = await events.send(server.event_url, self._environment.secrets.inngest_event_key, event,
                                 cloud=server.cloud, deadline_s=DEADLINE_S)  # fmt: skip
        if isinstance(sent, Refusal):
            raise NotDrilled(_WHY.get(sent.code, _WHY["not_accepted"]).format(why=sent.why))
        await self.keep(phase="waiting", event_id=sent[0], sent_ms=clock.now_ms())

    async def _read(self) -> None:
        """The lines, now and then the run; and the job's lease."""
        found = await drill_lines.read(self._environment, self._settings.settings_dir, self._state.id)
        self._unread = found if isinstance(found, str) else ""
        if not isinstance(found, str):
            self._marks = drill.marks(found, self._state.id, self._state.steps)
        now, ended = clock.now_ms(), len(self._marks.ended)
        if self._marks.marks and now - self._run_asked_ms >= ASK_RUN_S * 1000:
            self._run_asked_ms = now
            self._run = await self._asked_run()
        if ended != self._state.ended_steps or (self._marks.began and self._state.phase == "waiting"):
            await self.keep(phase="following" if self._marks.began else self._state.phase, ended_steps=ended)
        if abs(now - self._renewed_ms) >= RENEW_S * 1000:
            self._renewed_ms = now
            await self._progress(ended, self._state.steps)

    async def _asked_run(self) -> Ended:
        api = Api.from_settings(self._environment)
        page = await api.runs_of_event(self._state.event_id, deadline_s=DEADLINE_S)
        if isinstance(page, Refusal):
            return "unread"
        if any(run.status in {"FAILED", "CANCELLED"} for run in page.runs):
            return "failed"
        return "completed" if page.runs and all(run.finished for run in page.runs) else "open"

    async def _deploy(self) -> None:
        """Once the step has begun: run the command, or ask a person; then see how the command ended."""
        if self._state.deploy == "" and max(self._marks.began, default=0) >= self._drill.deploy_at:
            now = clock.now_ms()
            if not self._drill.deploy:
                await self.keep(deploy="asked", deploy_ms=now)
                return
            await self.keep(deploy="running", deploy_ms=now)  # written before: it must never run twice
            try:
                self._command = DeployCommand(
                    self._drill.deploy, folder=self._settings.settings_dir, variables=self._drill.deploy_variables,
                    clean=cleaner(self._environment),
                )  # fmt: skip
            except OSError as error:
                await self.keep(deploy="failed", said=f"the command can't be started ({error.strerror})")
            return
        status = None if self._command is None else self._command.poll()
        if self._command is not None and status is not None:
            said = self._command.last_line()
            self._command.close()
            self._command = None
            if status != 0:
                said = f"the command ended with {status}" + (f" and said: {said}" if said else "")
            await self.keep(deploy="ok" if status == 0 else "failed", said=said)

    def _end(self) -> Result | None:
        """How it ended; None while it goes on."""
        state, now = self._state, clock.now_ms()
        sent_ms = state.sent_ms or now
        begin_s = min(BEGIN_S, self._drill.longest_s)
        if not self._marks.began and now - sent_ms > begin_s * 1000:
            if self._unread:
                return drill.stopped("no_lines", why=self._unread)
            return drill.stopped("not_begun", seconds=f"{begin_s:g}")
        if state.deploy == "failed":
            return drill.stopped("deploy_failed", why=state.said.rstrip("."))
        over = now - sent_ms > self._drill.longest_s * 1000
        if over and self._command is not None:
            self._command.kill()
        whole = len(self._marks.ended) == state.steps and self._command is None
        self._whole_ms = (self._whole_ms or now) if whole else None
        returned = self._run == "completed" or now - (self._whole_ms or now) > RETURN_S * 1000
        if not over and self._run != "failed" and not (whole and returned):
            return None
        if self._unread:
            return drill.stopped("no_lines", why=self._unread)
        return drill.judge(self._count(), self._run, gap_s=self._drill.gap_s)

    def _count(self) -> Count:
        return drill.count(self._marks, self._state.steps)

    async def _conclude(self, result: Result) -> str:
        await asyncio.to_thread(self._write, result)
        await self.keep(phase="done", what=result.advice.what, fix=result.advice.fix)
        return result.advice.what

    def _write(self, result: Result) -> None:
        now, name = clock.now_ms(), self._environment.name
        with self._store.write() as connection:
            self._store.lock_chain(connection)
            seen = spans.load(connection, name, since_ms=self._state.begun_ms, probe=ENVIRONMENT)
            fingerprint = current.context(connection, name).fingerprint
            made = record(self._environment, self._drill, self._state, self._count(), self._run, result, seen=seen,
                          fingerprint=fingerprint, now_ms=now)  # fmt: skip
            chain.append(self._store, connection, [made])

    async def keep(self, **changes: Any) -> None:
        """Keep how far it is. Raises StoreError."""
        self._state = replace(self._state, **changes)
        await asyncio.to_thread(self._keep)

    def _keep(self) -> None:
        with self._store.write() as connection:
            drill_state.keep(connection, self._environment.name, self._state, clock.now_ms())

    def _load(self) -> State | None:
        with self._store.read() as connection:
            return drill_state.load(connection, self._environment.name)
