"""Which regular duties keep the record true? Retention and the daily summary, callable by any scheduler."""

from __future__ import annotations

from dataclasses import dataclass

from services import clock
from services.evidence.model import Evidence
from services.health.state import Health, reckon
from services.settings.model import Environment, Settings
from services.store import Store, claims, conditions, jobs, rollups, samples
from services.store import evidence as evidence_store
from services.store.parts import DAY_MS, HOUR_MS

KEEP_CLAIMS_MS = 2 * DAY_MS
KEEP_JOBS_MS = 7 * DAY_MS


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped:
    """What retention removed: raw samples, sums of minutes and hours, ended claims, finished jobs."""

    samples: int
    minutes: int
    hours: int
    claims: int
    jobs: int


def drop_old(store: Store, settings: Settings) -> Dropped:
    """Remove what the retention settings no longer keep. Evidence, state changes and sums of days stay for ever."""
    now, kept = clock.now_ms(), settings.retention
    with store.write() as connection:
        return Dropped(
            samples=samples.drop_before(connection, _hour(now - kept.raw_days * DAY_MS)),
            minutes=rollups.drop_before(connection, rollups.MINUTE, _hour(now - kept.minute_days * DAY_MS)),
            hours=rollups.drop_before(connection, rollups.HOUR, _hour(now - kept.hour_days * DAY_MS)),
            claims=claims.drop_done_before(connection, now - KEEP_CLAIMS_MS),
            jobs=jobs.drop_finished_before(connection, now - KEEP_JOBS_MS),
        )


def _hour(at_ms: int) -> int:
    """Whole hours go at once: one of which a part is gone could not be reckoned again."""
    return at_ms - at_ms % HOUR_MS


def roll_anew(store: Store) -> int:
    """Roll up the series that other rules, or none, rolled up; a day in a transaction. Returns how many series."""
    with store.read() as connection:
        waiting = rollups.outdated(connection)
    for series_id in waiting:
        with store.read() as connection:
            extent = rollups.extent(connection, series_id)
        if extent is not None:
            for low in range(extent[0], extent[1] + 1, DAY_MS):
                with store.write() as connection:
                    rollups.roll_anew(connection, series_id, low, low + DAY_MS)
        with store.write() as connection:
            rollups.mark_rolled(connection, series_id)
    return len(waiting)


def daily_health_check(store: Store, settings: Settings) -> tuple[str, ...]:
    """Write a summary line per environment, as evidence and as text."""
    now = clock.now_ms()
    with store.read() as connection:
        found = {e.name: reckon(e.name, conditions.load(connection, e.name), now) for e in settings.environments}
    records = [_evidence(e, found[e.name], now) for e in settings.environments]
    with store.write() as connection:
        evidence_store.append(store, connection, records)
    return tuple(_line(e, found[e.name]) for e in settings.environments)


def _evidence(environment: Environment, health: Health, now_ms: int) -> Evidence:
    return Evidence(
        environment=environment.name,
        check="health.daily",
        outcome={"ready": "pass", "not_ready": "fail"}.get(health.state, "unknown"),  # type: ignore[arg-type]
        at_ms=now_ms,
        value=health.state,
        threshold="ready",
        version=health.version,
        simulated=environment.simulated,
        detail={"policy": health.policy, "summary": _line(environment, health)},
    )


def _line(environment: Environment, health: Health) -> str:
    mark = " (simulated)" if environment.simulated else ""
    parts = ", ".join(f"{d.name} {d.state}" for d in health.dependencies) or "nothing measured yet"
    return f"{environment.name}{mark}: {health.state}, policy {health.policy}; {parts}"
