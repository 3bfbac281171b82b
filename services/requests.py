"""What people ask the worker for. Through the store: nothing long runs in a page."""

from __future__ import annotations

import secrets

from services import access, clock
from services.access import Action, Person
from services.settings.model import Settings
from services.store import Store, jobs

PROBE: Action = "probe"
VALIDATE: Action = "validate"
TRY: Action = "configure"


def probe_now(store: Store, settings: Settings, environment: str, *, by: Person) -> jobs.Job:
    """Ask for one check at every probe of an environment; a request that still waits or runs is found again.

    Raises Forbidden, UnknownEnvironment or StoreError.
    """
    return _ask(store, settings, PROBE, environment, by)


def validate_now(store: Store, settings: Settings, environment: str, *, by: Person) -> jobs.Job:
    """Ask for a validation of an environment's configuration with live checks, in the same way."""
    return _ask(store, settings, VALIDATE, environment, by)


def try_draft(store: Store, settings: Settings, name: str, number: int, *, by: Person) -> jobs.Job:
    """Ask for a trial of a kept draft. It isn't configured yet, so a worker that holds another environment does it.

    Raises Forbidden or StoreError.
    """
    return _ask(store, settings, TRY, settings.names[0], by, message=f"{name} {number}")


def _ask(
    store: Store, settings: Settings, kind: Action, environment: str, by: Person, *, message: str = ""
) -> jobs.Job:
    access.require(by, kind)
    settings.environment(environment)
    id_ = secrets.token_hex(8)
    with store.write() as connection:
        waiting = jobs.open_job(connection, kind=kind, environment=environment)
        if waiting is not None and waiting.message == message:
            return waiting
        jobs.enqueue(connection, id_=id_, kind=kind, environment=environment, by=str(by), now_ms=clock.now_ms(),
                     message=message)  # fmt: skip
        made = jobs.get(connection, id_)
    assert made is not None  # noqa: S101 - it was written in this very transaction
    return made


def find(store: Store, id_: str) -> jobs.Job | None:
    """A request by its id; None where there is none (or no longer)."""
    with store.read() as connection:
        return jobs.get(connection, id_)
