"""Writes what happened to alerts, with the messages that follow, in the transaction of the change that caused it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from services.alerts import states
from services.alerts.judge import LOOKED_BACK_MS, Change, Seen, judge
from services.alerts.rules import GREENLIGHT
from services.alerts.setup import AlertSetup, Channel
from services.store import alerts, deploys, outbox
from services.store.alerts import Alert, Happened
from services.store.conditions import Condition
from services.store.outbox import Delivery
from services.units import seconds

PREFIXES: Mapping[str, str] = {
    "worse": "Worse: ", "resolved": "Resolved: ", "reminder": "Still open: ", "flapping": "Flapping: ",
    "acknowledged": "Acknowledged: ",
}  # fmt: skip
FLAPPING = "It failed and came back more than 6 times within an hour. Nothing more is sent until it settles."
SPOKEN = frozenset({"opened", "worse", "flapping", "resolved", "reminder"})


def of_states(
    setup: AlertSetup, connection: Connection, found: Mapping[str, Collection[Condition]], now_ms: int
) -> int:
    """Judge the newest states of environments and write what follows; how many changes that were.

    Called in the transaction that writes these states: an alert is as durable as what it is about.
    """
    number = 0
    for name, conditions in found.items():
        watched = setup.environments.get(name)
        if watched is not None:
            seen = states.seen(watched, conditions, now_ms)
            number += write(connection, setup, seen, (name,), now_ms, source=states.SOURCE)
    return number


def write(
    connection: Connection, setup: AlertSetup, seen: Seen, environments: Collection[str], now_ms: int, *, source: str
) -> int:
    """Judge what was seen of these environments against what is open, and write what follows."""
    known = alerts.known(connection, environments, (source,), since_ms=now_ms - LOOKED_BACK_MS)
    if not known and not seen.symptoms:
        return 0
    seen = replace(seen, muted=dict(seen.muted) | maintenance(connection, environments, now_ms))
    changes = judge(known, seen, now_ms, source=source, resolved_after_ms=setup.resolved_after_ms)
    return apply(connection, setup, changes, now_ms)


def maintenance(connection: Connection, environments: Collection[str], now_ms: int) -> dict[str, str]:
    """By environment, why its alerts are muted now: a declared maintenance."""
    found = {}
    for name in environments:
        counted = [m for m in deploys.declared(connection, name, now_ms, now_ms + 1) if m.withdrawn_ms is None]
        if counted:
            found[name] = f"Maintenance: {counted[0].reason} (declared by {counted[0].declared_by})"
    return found


def apply(connection: Connection, setup: AlertSetup, changes: Iterable[Change], now_ms: int) -> int:
    """Write alerts, what happened, and the messages; how many changes were kept."""
    number = 0
    for change in changes:
        if change.is_new:
            if not alerts.add(connection, change.alert):
                continue  # another worker was first
        else:
            alerts.save(connection, change.alert)
        number += 1
        if change.kind == "changed":
            continue
        muted = change.alert.muted if change.is_new and not change.spoken else ""
        happened = Happened(alert_id=change.alert.id, at_ms=now_ms, kind=change.kind, note=change.note or muted)
        event = alerts.note(connection, happened)
        if change.spoken and change.kind in SPOKEN:
            outbox.put(connection, messages(connection, setup, change.alert, change.kind, event, now_ms))
    return number


def messages(
    connection: Connection, setup: AlertSetup, alert: Alert, kind: str, event: int, now_ms: int
) -> list[Delivery]:
    """The messages of one event: to whom it concerns, and when. Who was told of a beginning is told of the end."""
    told = {item.channel for item in outbox.of_alerts(connection, (alert.id,))}
    body = body_of(alert, kind, now_ms)
    made = []
    for channel in setup.channels:
        wanted = channel.name in told if kind in {"resolved", "acknowledged"} else _is_for(channel, alert)
        if wanted and not (kind == "acknowledged" and channel.service != "pagerduty"):
            made.append(
                Delivery(
                    key=key_of(alert.id, event, channel.name), alert_id=alert.id, channel=channel.name, kind=kind,
                    severity=alert.severity, made_ms=now_ms, due_ms=channel.due_ms(alert.severity, now_ms), body=body,
                )
            )  # fmt: skip
    return made


def _is_for(channel: Channel, alert: Alert) -> bool:
    own = alert.environment == GREENLIGHT and alert.cause == channel_cause(channel.name)
    return channel.takes(alert.environment, alert.severity) and not own


def channel_cause(name: str) -> str:
    """The cause of an alert about a channel."""
    return f"channel:{name}"


def key_of(alert: str, event: int | str, channel: str) -> str:
    """The idempotency key of a message: the same however often it is sent."""
    return f"{alert}-{event}-{hashlib.sha256(channel.encode()).hexdigest()[:8]}"


def body_of(alert: Alert, kind: str, now_ms: int) -> dict[str, Any]:
    """What a message says, as it is kept."""
    what, fix = alert.what, alert.fix
    lasted = seconds(((alert.well_ms or now_ms) - alert.opened_ms) / 1000)
    if kind == "resolved":
        what, fix = f"It lasted {lasted}. It was: {alert.what}", ""
    elif kind == "flapping":
        what = f"{alert.what} {FLAPPING}"
    elif kind == "reminder":
        what = f"Open for {seconds((now_ms - alert.opened_ms) / 1000)}, and nobody has taken it. {alert.what}"
    elif kind == "acknowledged":
        what = f"By {alert.acknowledged_by}."
    return {
        "event": kind, "title": PREFIXES.get(kind, "") + alert.title, "what": what, "fix": fix,
        "also": list(alert.also), "environment": alert.environment, "cause": alert.cause, "page": alert.page,
        "simulated": alert.simulated, "at_ms": now_ms,
    }  # fmt: skip
