"""How deploys and maintenance become known. Told by people and pipelines, or seen in a readiness answer."""

from __future__ import annotations

import hashlib

from services import access
from services.access import Person
from services.clock import DAY_MS, MINUTE_MS
from services.errors import GreenlightError
from services.signature import TOLERANCE_S
from services.store import Store, claims, deploys
from services.store.deploys import Deploy

LONGEST_MS = 7 * DAY_MS
AHEAD_MS = 90 * DAY_MS


class WrongChange(GreenlightError):
    """A deploy or maintenance that can't be taken; the message is a sentence with what to do."""


def tell(store: Store, deploy: Deploy, *, once: str, now_ms: int) -> bool:
    """Note a deploy that somebody told of; False where it is known already.

    `once` is the request's signature: while that is valid, the same request sent again is the same deploy.
    """
    name = f"deploy:{hashlib.sha256(once.encode()).hexdigest()[:40]}"
    with store.write() as connection:
        if not claims.take(connection, name, "deploys", now_ms=now_ms, lease_ms=2 * TOLERANCE_S * 1000, again=True):
            return False
        return deploys.note_named(connection, deploy)


def declare(
    store: Store, environment: str, *, from_ms: int, until_ms: int, reason: str, by: Person, now_ms: int
) -> int:
    """Declare maintenance: whole minutes outside the computation. Returns its number; raises Forbidden, WrongChange."""
    access.require(by, "maintenance")
    low, high = from_ms - from_ms % MINUTE_MS, -(-until_ms // MINUTE_MS) * MINUTE_MS
    if high <= low:
        raise WrongChange("The maintenance ends before it begins. Set its end after its beginning.")
    if high - low > LONGEST_MS:
        raise WrongChange("Maintenance may last seven days at most. Declare a shorter one.")
    if high > now_ms + AHEAD_MS:
        raise WrongChange("Maintenance may be declared 90 days ahead at most. Choose an earlier day.")
    if not reason.strip():
        raise WrongChange("Say what the maintenance is for: everybody will read it beside the numbers.")
    with store.write() as connection:
        return deploys.declare(
            connection, environment, from_ms=low, until_ms=high, reason=reason.strip()[:500], by=str(by)[:120],
            now_ms=now_ms,
        )  # fmt: skip


def withdraw(store: Store, number: int, *, by: Person, now_ms: int) -> None:
    """Count a declared time again. Raises Forbidden; WrongChange where there is nothing to withdraw."""
    access.require(by, "maintenance")
    with store.write() as connection:
        if not deploys.withdraw(connection, number, by=str(by)[:120], now_ms=now_ms):
            raise WrongChange("That maintenance was withdrawn already. Reload the page.")
