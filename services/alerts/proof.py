"""Proof that alerts reach somebody: a test message with a one-time link, whose opening is evidence.

Sent, accepted by the service, and seen by a person are three things. A page of the portal must be opened in a browser:
what services fetch to preview a link opens nothing.
"""

from __future__ import annotations

import hmac
import secrets

from sqlalchemy import Connection

from services import access
from services.access import Person
from services.alerts.compose import proof_of
from services.alerts.setup import AlertSetup, Channel
from services.clock import DAY_MS
from services.errors import GreenlightError
from services.evidence import chain
from services.evidence.model import Evidence
from services.fingerprint import installation_key
from services.settings.model import Settings
from services.store import Store, outbox
from services.store.outbox import TEST, Delivery

CHECK = "alerts.reach"
VALID_MS = 7 * DAY_MS  # of a link
PROVEN_MS = 30 * DAY_MS  # of the evidence; services/evidence/freshness.py holds it


class NoProof(GreenlightError):
    """A link that proves nothing: unknown, used, or too old; or a channel that is not there."""


def ask(store: Store, settings: Settings, name: str, *, by: Person, now_ms: int) -> Delivery:
    """Have a test sent to a channel; returns its row. Raises Forbidden, NoProof or StoreError."""
    access.require(by, "alerts")
    if name not in settings.alerts.names:
        known = ", ".join(settings.alerts.names) or "none is configured"
        raise NoProof(f"There is no channel {name[:80]!r}. Channels: {known}.")
    made = _test(name, by, now_ms)
    with store.write() as connection:
        outbox.put(connection, [made])
        found = outbox.of_key(connection, made.key)
    assert found is not None  # noqa: S101 - it was written in this very transaction
    return found


def _test(name: str, by: Person, now_ms: int) -> Delivery:
    body = {
        "event": "test", "title": "Test: do alerts reach you?", "environment": "", "cause": "test", "page": "",
        "what": f"{by} asked for this test of the channel {name}. Nothing is wrong.",
        "fix": "Open the link once: that proves for 30 days that alerts sent here are seen.", "also": [],
        "simulated": False, "at_ms": now_ms,
    }  # fmt: skip
    return Delivery(
        key=f"test-{secrets.token_hex(8)}", alert_id="", channel=name, kind=TEST, severity="notify", made_ms=now_ms,
        due_ms=now_ms, body=body,
    )  # fmt: skip


def opened(store: Store, settings: Settings, given: str, *, by: Person, now_ms: int) -> Delivery:
    """Note that a test's link was opened, by whom, and write the evidence. Raises NoProof or StoreError.

    Every role may: a person who reads a message need not be one who may press buttons.
    """
    number, _, _secret = given.partition(".")
    if not (number.isascii() and number.isdecimal() and len(number) < 18):
        raise NoProof("This link proves nothing: it is not whole. Send a test again.")
    key = installation_key(settings.data_dir)
    setup = AlertSetup.from_settings(settings)
    with store.write() as connection:
        found = outbox.get(connection, int(number))
        if found is None or not hmac.compare_digest(proof_of(key, found).encode(), given.encode("utf-8", "replace")):
            raise NoProof("This link proves nothing: no test was sent with it. Send a test again.")
        if now_ms - found.made_ms > VALID_MS:
            raise NoProof("This link is older than a week. Send a test again.")
        if not outbox.seen(connection, found.id, by=str(by), now_ms=now_ms):
            raise NoProof("This link was opened before; it counts once. Send a test again.")
        channel = next((item for item in setup.channels if item.name == found.channel), None)
        if channel is None:
            raise NoProof("The settings no longer list the channel of this test.")
        _write(store, connection, setup, channel, found, by, now_ms)
    return found


def _write(
    store: Store, connection: Connection, setup: AlertSetup, channel: Channel, found: Delivery, by: Person, now_ms: int
) -> None:
    took = None if found.sent_ms is None else (found.sent_ms - found.made_ms) / 1000
    chain.append(
        store, connection,
        [
            Evidence(
                environment=name, check=CHECK, outcome="pass", at_ms=now_ms, value=channel.name, code="alerts.seen",
                simulated=setup.environments[name].simulated,
                detail={"by": by.name, "verified": by.verified, "channel": channel.name, "service": channel.service,
                        "sent_after_s": took, "seen_after_s": (now_ms - found.made_ms) / 1000},
            )
            for name in sorted(channel.environments) if name in setup.environments
        ],
    )  # fmt: skip
