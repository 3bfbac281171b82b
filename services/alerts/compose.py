"""Makes the message that is sent from what the outbox keeps: the link is added here, several become one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from urllib.parse import urlencode

from services.channels.message import Message, plain
from services.fingerprint import InstallationKey
from services.store.outbox import TEST, Delivery

ALERTS_PAGE = "alerts"
PROOF = "proof"  # the parameter of a test's link
JOINED_FROM = 4  # so many messages to one channel at once go as one


def proof_of(key: InstallationKey, delivery: Delivery) -> str:
    """What a test's link carries: only this installation can make it, and nothing of it is stored."""
    return f"{delivery.id}.{key.secret('alert-proof', delivery.key)}"


def message(delivery: Delivery, portal_url: str, key: InstallationKey | None) -> Message:
    """The message of one row."""
    body = delivery.body
    return Message(
        key=delivery.key, thread=delivery.alert_id or delivery.key, event=body["event"],
        severity=delivery.severity,  # type: ignore[arg-type]  # the store holds what the table of rules says
        environment=body["environment"], cause=body["cause"], title=plain(body["title"], 200),
        what=plain(body["what"]), fix=plain(body["fix"]), also=tuple(plain(name, 300) for name in body["also"]),
        link=_link(delivery, portal_url, key), at_ms=body["at_ms"], simulated=body["simulated"],
    )  # fmt: skip


def _link(delivery: Delivery, portal_url: str, key: InstallationKey | None) -> str:
    if not portal_url:
        return ""
    if delivery.kind == TEST and key is not None:
        return f"{portal_url}/{ALERTS_PAGE}?{urlencode({PROOF: proof_of(key, delivery)})}"
    page = delivery.body["page"] or ALERTS_PAGE
    query = {"env": delivery.body["environment"]} if delivery.body["environment"] else {}
    return f"{portal_url}/{page}" + (f"?{urlencode(query)}" if query else "")


def joined(messages: Sequence[Message], portal_url: str) -> Message:
    """Several messages as one, the most urgent first; its key follows from theirs, so that it stays the same."""
    rank = {"page": 0, "notify": 1, "digest": 2}
    ordered = sorted(messages, key=lambda m: (m.event == "resolved", rank[m.severity]))
    begun, over = (sum((m.event == "resolved") is end for m in messages) for end in (False, True))
    counts = [f"{begun} alerts"] if begun else []
    counts += [f"{over} resolved"] if over else []
    digest = hashlib.sha256("\n".join(m.key for m in messages).encode()).hexdigest()
    return Message(
        key=f"several-{digest[:24]}", thread=f"several-{digest[:24]}", event="several", severity=ordered[0].severity,
        environment="", cause="several", title=f"{' and '.join(counts)} at once: {ordered[0].title}"[:200],
        what="These came together, so they are sent as one message.",
        fix="Open Alerts: it lists each with its cause and what to do.",
        also=tuple(f"{m.title}. {m.what}"[:300] for m in ordered[:30]) + _rest(len(ordered) - 30),
        link=f"{portal_url}/{ALERTS_PAGE}" if portal_url else "", at_ms=max(m.at_ms for m in messages),
        simulated=any(m.simulated for m in messages),
    )  # fmt: skip


def _rest(number: int) -> tuple[str, ...]:
    return (f"and {number} more",) if number > 0 else ()
