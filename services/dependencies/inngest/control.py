"""Cancels a run, or runs it again. Asked for by name on a page or a command line, carried out by the worker."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from services import access, clock
from services.access import Action, Person
from services.clock import DAY_MS
from services.dependencies.inngest.api import OPEN, Api, Refusal, rfc3339
from services.errors import GreenlightError
from services.evidence import decisions
from services.store import Store, jobs

if TYPE_CHECKING:
    from services.settings.model import Environment

ACTION: Action = "runs"
What = Literal["cancel", "rerun"]
DEADLINE_S = 10.0
FOLLOW_S, PAUSE_S = 45.0, 1.0
MAX_ID = 80
TWICE = "The worker ended while it asked for this. Look in Inngest whether the run runs again before you ask once more."
# By the refusal's code.
_WHY = {
    "key_refused": "The Inngest server refuses our signing key. Compare INNGEST_SIGNING_KEY with the server's.",
    "wrong_kind": "The Inngest server is {why}; inngest.mode says the other kind. Correct it.",
    "no_api": "The Inngest server knows no such run, or can't do this (it needs 1.43 or newer).",
    "limited": "The Inngest server asks us to wait {seconds} s. Try again then.",
    "no_step": "The run has no step of that name. Look the name up in Inngest, as the code has it.",
    "no_answer": "The Inngest server can't be reached: {why}. Nothing is known of the request.",
}


class NotChanged(GreenlightError):
    """A run that could not be cancelled or run again; the message says why, and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What is to be done to which run. `step`: run it again from that step on, by its name in the code."""

    what: What
    run_id: str
    function: str = ""
    step: str = ""

    def __str__(self) -> str:
        done = "Cancel" if self.what == "cancel" else f"Run again{f' from step {self.step}' if self.step else ''}:"
        return f"{done} {self.function or 'run'} ({self.run_id})"


def why_not(environment: Environment) -> str:
    """Why its runs can't be changed from here; "" where they can."""
    if environment.server is None:
        return "Greenlight does not know this environment's Inngest server."
    if environment.server.cloud and environment.secrets.inngest_signing_key is None:
        return "Greenlight has no INNGEST_SIGNING_KEY for this environment."
    return ""


def ask(store: Store, environment: Environment, change: Change, *, by: Person) -> jobs.Job:
    """Ask the worker for it, on record by name. Raises Forbidden, Refused without a name, NotChanged or StoreError."""
    access.require(by, ACTION)
    if why := why_not(environment):
        raise NotChanged(why)
    if change.what not in get_args(What) or not 0 < len(change.run_id) <= MAX_ID or len(change.step) > 200:
        raise NotChanged("This is no run that can be changed.")
    id_ = secrets.token_hex(8)
    with store.write() as connection:
        store.lock_chain(connection)
        decisions.write(
            store, connection, environment.name, "run", by, simulated=environment.simulated, note=str(change),
            more=asdict(change),
        )  # fmt: skip
        jobs.enqueue(connection, id_=id_, kind=ACTION, environment=environment.name, by=str(by),
                     now_ms=clock.now_ms(), message=json.dumps(asdict(change)))  # fmt: skip
        made = jobs.get(connection, id_)
    assert made is not None  # noqa: S101 - it was written in this very transaction
    return made


def asked(job: jobs.Job) -> Change:
    """What a job asks for. Raises NotChanged."""
    try:
        found: dict[str, Any] = json.loads(job.message)
        return Change(**found)
    except (ValueError, TypeError) as error:
        raise NotChanged("The request can't be read. Ask for it again.") from error


async def carry_out(environment: Environment, job: jobs.Job, progress: Callable[[int, int], Awaitable[None]]) -> str:
    """Do it, and follow what becomes of it for a while: a sentence. Raises NotChanged."""
    if why := why_not(environment):
        raise NotChanged(why)
    change = asked(job)
    if change.what == "rerun" and job.done_steps:
        raise NotChanged(TWICE)
    api = Api.from_settings(environment)
    if change.what == "cancel":
        refused = await api.cancel(change.run_id, deadline_s=DEADLINE_S)
        if refused is not None and refused.code != "gone":
            raise NotChanged(_words(refused))
        return "It had ended already." if refused else "It is cancelled."
    await progress(1, 2)  # from here on a second try could start a second run
    new = await api.rerun(change.run_id, from_step=change.step, deadline_s=DEADLINE_S)
    if isinstance(new, Refusal):
        raise NotChanged(_words(new))
    return f"It runs again as {new}: {await _followed(api, new)}."


def _words(refusal: Refusal) -> str:
    text = _WHY.get(refusal.code, "The Inngest server did not do it: {why}. Look at its log.")
    return text.format(why=refusal.why, seconds=refusal.wait_s)


async def _followed(api: Api, run_id: str) -> str:
    """How it ended, or that it still runs. In the middle of a run only the list is right, at its end only the run."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + FOLLOW_S
    while loop.time() < give_up:
        await asyncio.sleep(PAUSE_S)
        now = clock.now_ms()
        query = {"status": OPEN, "from": rfc3339(now - DAY_MS), "until": rfc3339(now + 60_000),
                 "timeField": "queuedAt", "limit": 100, "order": "DESC"}  # fmt: skip
        page = await api.runs(query, deadline_s=DEADLINE_S)
        if isinstance(page, Refusal) or any(run.id == run_id for run in page.runs):
            continue
        found = await api.run(run_id, deadline_s=DEADLINE_S)
        if not isinstance(found, Refusal) and found.finished:
            return found.status.lower()
    return f"it had not ended after {FOLLOW_S:.0f} s"
