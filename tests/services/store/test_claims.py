"""Leases: a clock that ran ahead once blocks nobody; what was done stays done."""

from __future__ import annotations

from services.store import Store, claims

NOW, LEASE, DAY = 1_800_000_000_000, 15_000, 86_400_000


def take(store: Store, owner: str, now_ms: int) -> bool:
    with store.write() as connection:
        return claims.take(connection, "collect:prod", owner, now_ms=now_ms, lease_ms=LEASE)


def test_a_lease_of_a_clock_a_day_ahead_is_not_honoured(store: Store) -> None:
    assert take(store, "fast", NOW + DAY)
    with store.read() as connection:
        assert not claims.is_taken(connection, "collect:prod", now_ms=NOW, lease_ms=LEASE)
    assert take(store, "sound", NOW)
    assert not take(store, "third", NOW + 1), "an honest lease still runs"


def test_a_clock_a_few_minutes_ahead_is_believed(store: Store) -> None:
    assert take(store, "ahead", NOW + 200_000)
    assert not take(store, "other", NOW)
    with store.read() as connection:
        assert claims.is_taken(connection, "collect:prod", now_ms=NOW, lease_ms=LEASE)
