"""What the page Alerts, the API and the report show of alerts. Read from the store; judges nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from services import clock
from services.advice import Advice
from services.alerts.proof import PROVEN_MS
from services.alerts.setup import AlertSetup, Channel
from services.channels import outcome
from services.channels.address import TITLES
from services.clock import DAY_MS
from services.settings.model import Settings
from services.store import Store, alerts, outbox
from services.store.alerts import Alert, Happened
from services.store.outbox import TEST, Delivery

DAYS = 30
SEEN_KINDS = {"opened", "worse", "flapping", "reminder"}  # of which a person was told


@dataclass(frozen=True, kw_only=True, slots=True)
class Notified:
    """A channel that accepted a message about an alert, and after how many seconds since it was opened."""

    channel: str
    kind: str
    at_ms: int
    after_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """An alert with what happened to it and who was told; `pending` are messages that no channel has accepted yet."""

    alert: Alert
    happened: tuple[Happened, ...]
    told: tuple[Notified, ...]
    pending: tuple[Delivery, ...]

    @property
    def lasted_s(self) -> float | None:
        """How long it lasted; None while it is open."""
        end = self.alert.well_ms or self.alert.ended_ms
        return None if self.alert.state == alerts.OPEN or end is None else max(0.0, (end - self.alert.opened_ms) / 1000)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelView:
    """A channel: how its newest try went (`advice` where it failed), and its newest test: sent, accepted, seen."""

    channel: Channel
    service: str
    works: bool | None  # None: nothing was sent yet
    advice: Advice
    accepted_ms: int | None
    waiting: int
    dead: int
    test: Delivery | None
    seen: Delivery | None  # the newest test that was seen

    def proven(self, now_ms: int) -> bool:
        """Whether somebody lately opened the link of a test."""
        return self.seen is not None and self.seen.seen_ms is not None and now_ms - self.seen.seen_ms < PROVEN_MS


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertsView:
    """The page's view-model."""

    as_of_ms: int
    open: tuple[Incident, ...]
    past: tuple[Incident, ...]
    channels: tuple[ChannelView, ...]
    dead: tuple[Delivery, ...]
    dead_man: bool  # whether an outgoing ping is configured


def view(store: Store, settings: Settings, now_ms: int, *, days: int = DAYS) -> AlertsView:
    """What is open, what was in the last days, and the channels. Raises StoreError."""
    setup = AlertSetup.from_settings(settings)
    with store.read() as connection:
        current = alerts.open_ones(connection)
        past = alerts.ended(connection, since_ms=now_ms - days * DAY_MS)
        made = incidents(connection, (*current, *past))
        states = outbox.states(connection, [channel.name for channel in setup.channels])
        channels = tuple(_channel(connection, channel, states[channel.name]) for channel in setup.channels)
        dead = outbox.dead(connection)
    return AlertsView(
        as_of_ms=now_ms, open=made[: len(current)], past=made[len(current) :], channels=channels, dead=dead,
        dead_man=settings.dead_man_url is not None,
    )  # fmt: skip


def incidents(connection: Connection, found: Sequence[Alert]) -> tuple[Incident, ...]:
    """These alerts with all that belongs to them, in the order given."""
    ids = [alert.id for alert in found]
    happened = alerts.history(connection, ids)
    messages: dict[str, list[Delivery]] = {id_: [] for id_ in ids}
    for item in outbox.of_alerts(connection, ids):
        messages[item.alert_id].append(item)
    return tuple(_incident(alert, happened[alert.id], messages[alert.id]) for alert in found)


def _incident(alert: Alert, happened: tuple[Happened, ...], messages: Sequence[Delivery]) -> Incident:
    told = tuple(
        Notified(
            channel=m.channel, kind=m.kind, at_ms=m.sent_ms, after_s=max(0.0, (m.sent_ms - alert.opened_ms) / 1000)
        )
        for m in messages
        if m.sent_ms is not None
    )
    return Incident(
        alert=alert, happened=happened, told=told, pending=tuple(m for m in messages if m.state != outbox.SENT)
    )


def _channel(connection: Connection, channel: Channel, state: outbox.ChannelState) -> ChannelView:
    service = TITLES[channel.service]
    test = outbox.last_of_kind(connection, channel.name, TEST)
    return ChannelView(
        channel=channel, service=service, works=None if state.tried_ms is None else not state.code,
        advice=outcome.advice(state.code, service, state.status) if state.code else Advice(what=""),
        accepted_ms=state.accepted_ms, waiting=state.waiting, dead=state.dead, test=test,
        seen=outbox.last_seen(connection, channel.name),
    )  # fmt: skip


def open_alerts(store: Store, environments: Collection[str] | None = None) -> tuple[Alert, ...]:
    """What is open: of these environments and of Greenlight itself, newest first. Raises StoreError."""
    with store.read() as connection:
        found = alerts.open_ones(connection)
    return tuple(a for a in found if environments is None or not a.environment or a.environment in environments)


def count_open(store: Store) -> int:
    """How many are open, for the bell."""
    with store.read() as connection:
        return alerts.count_open(connection)


def document(found: Incident) -> dict[str, Any]:
    """An incident as JSON values, for the API and the download."""
    a = found.alert
    return {
        "id": a.id, "environment": a.environment or None, "simulated": a.simulated, "cause": a.cause, "event": a.event,
        "severity": a.severity, "state": a.state, "flapping": a.flapping, "title": a.title, "what": a.what,
        "fix": a.fix, "with": list(a.also), "muted": a.muted or None, "opened_at": clock.iso(a.opened_ms),
        "ended_at": _time(a.ended_ms), "lasted_s": found.lasted_s, "acknowledged_at": _time(a.acknowledged_ms),
        "acknowledged_by": a.acknowledged_by or None, "spent": list(a.record.get("spent", ())),
        "told": [{"channel": t.channel, "kind": t.kind, "at": clock.iso(t.at_ms), "after_s": t.after_s}
                 for t in found.told],
        "pending": [{"channel": m.channel, "kind": m.kind, "state": m.state, "tries": m.tries} for m in found.pending],
        "happened": [{"at": clock.iso(h.at_ms), "kind": h.kind, "by": h.by or None, "note": h.note or None}
                     for h in found.happened],
    }  # fmt: skip


COLUMNS = (
    "opened_at", "ended_at", "environment", "title", "severity", "state", "cause", "what", "lasted_s",
    "acknowledged_by", "told", "spent",
)  # fmt: skip


def row(found: Incident) -> dict[str, Any]:
    """The same as one row of a list: who was told, and after how many seconds, as text."""
    made = document(found)
    told = "; ".join(f"{t.channel} ({t.kind}) after {t.after_s:.1f} s" for t in found.told)
    spent = "; ".join(f"{item['sli']}: {item['bad']} bad" for item in made["spent"])
    return {name: made[name] for name in COLUMNS if name not in {"told", "spent"}} | {"told": told, "spent": spent}


def summary(found: Sequence[Alert]) -> Mapping[str, int]:
    """How many of each severity."""
    return {name: sum(a.severity == name for a in found) for name in ("page", "notify", "digest")}


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else clock.iso(milliseconds)
