"""When a message is tried again, and when it is given up. Pure; the jitter is an argument."""

from __future__ import annotations

from services.clock import DAY_MS
from services.store.outbox import Delivery

FIRST_S, LONGEST_S = 5.0, 3600.0
GIVEN_UP_MS = DAY_MS


def next_ms(delivery: Delivery, now_ms: int, *, jitter: float, after_s: float | None = None) -> int | None:
    """When the next try is due: each pause twice the one before, up to an hour, times 0.5 to 1.5 by `jitter` (0 to 1);
    not before the pause that the service asks for. None once a day has passed since it was made."""
    pause_s = min(FIRST_S * 2 ** min(delivery.tries, 20), LONGEST_S) * (0.5 + jitter)
    due = now_ms + round(max(pause_s, after_s or 0.0) * 1000)
    return None if now_ms - delivery.made_ms >= GIVEN_UP_MS else due
