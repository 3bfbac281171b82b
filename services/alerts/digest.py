"""The daily digest of a channel: what happened in a day, what is open, and the newest daily summaries. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from services.alerts.rules import GREENLIGHT
from services.alerts.setup import Channel
from services.alerts.writing import key_of
from services.clock import HOUR_MS
from services.store.alerts import OPEN, Alert
from services.store.outbox import Delivery
from services.units import seconds

LATE_MS = 6 * HOUR_MS  # a digest that was due longer ago is left out: the next one comes
MOST = 20


def due(channel: Channel, now_ms: int, *, since_ms: int) -> int | None:
    """The moment of the digest to write now; None where none is due. `since_ms`: nothing before is made up for."""
    moment = channel.digest_due_ms(now_ms)
    return moment if moment is not None and moment >= since_ms and now_ms - moment < LATE_MS else None


def delivery(
    channel: Channel, moment_ms: int, now_ms: int, *, found: Sequence[Alert], summaries: Mapping[str, str],
    dead: int, simulated: Collection[str],
) -> Delivery:  # fmt: skip
    """The digest as a row of the outbox. `found`: open alerts and those of the last day; `summaries`: the first line of
    each environment's newest daily summary."""
    own = [a for a in found if a.environment == GREENLIGHT or a.environment in channel.environments]
    names = [name for name in summaries if name in channel.environments]
    lines = [summaries[name] for name in names]
    lines += [f"Open: {a.title}. {a.what}" for a in own if a.state == OPEN][:MOST]
    lines += [f"Over: {a.title}. It lasted {_lasted(a)}." for a in own if a.state != OPEN and a.severity != "digest"][
        :MOST
    ]
    lines += [f"{a.title}. {a.what}" for a in own if a.severity == "digest"][:MOST]
    lines += [f"{dead} messages could not be delivered: open Alerts to send them again."] if dead else []
    count = sum(a.state == OPEN for a in own)
    title = "Daily digest: " + ("nothing is open" if not count else f"{count} open")
    body: dict[str, Any] = {
        "event": "digest", "title": title, "what": f"{len(own)} alerts in the last 24 hours.", "fix": "",
        "also": lines, "environment": "", "cause": "digest", "page": "alerts", "at_ms": now_ms,
        "simulated": bool(names) and all(name in simulated for name in names),
    }  # fmt: skip
    return Delivery(
        key=key_of("digest", moment_ms, channel.name), alert_id="", channel=channel.name, kind="digest",
        severity="digest", made_ms=now_ms, due_ms=now_ms, body=body,
    )  # fmt: skip


def _lasted(alert: Alert) -> str:
    return seconds(((alert.well_ms or alert.ended_ms or alert.changed_ms) - alert.opened_ms) / 1000)
