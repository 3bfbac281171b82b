"""What people do about alerts: take one, note something, send a dead letter again. By name, and kept."""

from __future__ import annotations

from dataclasses import replace

from services import access
from services.access import Person
from services.alerts.setup import AlertSetup
from services.alerts.writing import messages
from services.errors import GreenlightError
from services.outside import storable
from services.store import Store, alerts, outbox
from services.store.alerts import Alert, Happened

MOST_NOTE = 1000


class WrongAct(GreenlightError):
    """Something that can't be done to an alert; the message is a sentence with what to do."""


class UnknownAlert(GreenlightError):
    """There is no alert of this id."""


def acknowledge(store: Store, setup: AlertSetup, id_: str, person: Person, *, note: str, now_ms: int) -> Alert:
    """Take an open alert: reminders end, and its page says who has it. Raises Forbidden, UnknownAlert, WrongAct."""
    by, said = _who(person), _said(note)
    with store.write() as connection:
        found = alerts.get(connection, id_)
        if found is None:
            raise UnknownAlert(f"There is no alert {id_[:40]!r}. Open Alerts: it lists those that are open.")
        if found.state != alerts.OPEN:
            raise WrongAct("This alert is over, so nobody needs to take it. Write a note instead.")
        if found.acknowledged_ms is not None:
            raise WrongAct(f"{found.acknowledged_by} has taken it already. Write a note to add something.")
        after = replace(found, acknowledged_ms=now_ms, acknowledged_by=by)
        alerts.save(connection, after)
        happened = Happened(alert_id=id_, at_ms=now_ms, kind="acknowledged", by=by, note=said)
        event = alerts.note(connection, happened)
        outbox.put(connection, messages(connection, setup, after, "acknowledged", event, now_ms))
    return after


def add_note(store: Store, id_: str, person: Person, *, note: str, now_ms: int) -> None:
    """Write something down about an alert, open or over. Raises Forbidden, UnknownAlert, WrongAct."""
    by, said = _who(person), _said(note)
    if not said:
        raise WrongAct("The note is empty. Write what you found or did.")
    with store.write() as connection:
        if alerts.get(connection, id_) is None:
            raise UnknownAlert("There is no such alert any more.")
        alerts.note(connection, Happened(alert_id=id_, at_ms=now_ms, kind="note", by=by, note=said))


def send_again(store: Store, number: int, person: Person, *, now_ms: int) -> None:
    """Put a message that was given up back into the outbox. Raises Forbidden, WrongAct."""
    access.require(person, "alerts")
    with store.write() as connection:
        if not outbox.send_again(connection, number, now_ms=now_ms):
            raise WrongAct("This message waits already, or was sent. Reload the page.")


def _who(person: Person) -> str:
    access.require(person, "alerts")
    if not access.plain(person.name):
        raise WrongAct("Enter your name.")
    return str(replace(person, name=access.plain(person.name)[:120]))


def _said(note: str) -> str:
    return storable(access.plain(note))[:MOST_NOTE]
