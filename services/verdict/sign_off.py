"""Asking for the final Go, and giving it. Only under the verdict GO, computed in the transaction that records it.

Nobody's word for the verdict is taken, a page's neither: between a check and a signature it may have changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from services import access, clock
from services.access import Person
from services.evidence import chain, decisions
from services.evidence.decisions import Decision, Refused
from services.settings.model import Environment, Settings
from services.store import Store
from services.verdict.evaluate import evaluate
from services.verdict.view import facts

ASKED, GIVEN = "go_request", "sign_off"
NOT_GO = "The Go needs the verdict Go. It is now: {state}. {why}"


def ask(store: Store, settings: Settings, name: str, person: Person, *, note: str) -> None:
    """Ask for the final Go; somebody else gives it. Raises Forbidden, Refused where the verdict is not GO."""
    environment = settings.environment(name)
    access.require(person, decisions.ACTIONS[ASKED])
    with store.write() as connection:
        store.lock_chain(connection)  # nothing comes between what is looked at and what is recorded
        ground = _ground(connection, settings, environment)
        decisions.write(store, connection, name, ASKED, person, simulated=environment.simulated, note=note, more=ground)


def give(store: Store, settings: Settings, name: str, person: Person, *, note: str) -> None:
    """Give the final Go.

    Who signed in needs somebody else's request, made under the same variables and version: nobody approves their
    own. Raises Forbidden, Refused.
    """
    environment = settings.environment(name)
    access.require(person, decisions.ACTIONS[GIVEN])
    with store.write() as connection:
        store.lock_chain(connection)  # nothing comes between what is looked at and what is recorded
        ground = _ground(connection, settings, environment)
        if person.verified:
            _require_request(connection, name, person)
        elif (signed := _covering(connection, name)) is not None:
            raise Refused(decisions.already(signed))
        decisions.write(store, connection, name, GIVEN, person, simulated=environment.simulated, note=note, more=ground)


def waiting(connection: Connection, name: str) -> Decision | None:
    """The request for a Go that nobody has answered yet, under the variables and version of now."""
    asked = decisions.newest(connection, name, ASKED)
    last = next(iter(decisions.history(connection, name, GIVEN, limit=1)), None)
    if asked is None or (last is not None and last.number > asked.number):
        return None
    return None if decisions.changed_since(connection, asked) else asked


def _ground(connection: Connection, settings: Settings, environment: Environment) -> Mapping[str, Any]:
    """On what a Go stands: the verdict and the chain's newest record."""
    found = evaluate(facts(connection, settings, environment, clock.now_ms()))
    if found.state != "GO":
        raise Refused(NOT_GO.format(state=found.words, why=found.blocking[0].advice.what))
    return {"verdict": found.state, "head": chain.head(connection)}


def _covering(connection: Connection, name: str) -> Decision | None:
    """The Go that was signed in this campaign and covers what runs."""
    signed = decisions.newest(connection, name, GIVEN)
    begun = decisions.newest(connection, name, "campaign")
    if signed is None or (begun is not None and begun.number > signed.number):
        return None
    return None if decisions.changed_since(connection, signed) else signed


def _require_request(connection: Connection, name: str, person: Person) -> None:
    asked = waiting(connection, name)
    if asked is None:
        raise Refused("Somebody else has to ask for the Go first, under the variables and version of now.")
    if asked.detail.get("key") == person.key:
        raise Refused("You asked for this Go yourself: a second person has to give it.")
