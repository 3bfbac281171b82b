"""The regular tasks that keep the record lean and true. Retention, and sums by the present rules."""

from __future__ import annotations

from dataclasses import dataclass

from services import clock
from services.clock import DAY_MS, HOUR_MS
from services.settings.model import Settings
from services.store import Store, alerts, claims, inngest_runs, jobs, outbox, rollups, samples, schedules

KEEP_CLAIMS_MS = 2 * DAY_MS
KEEP_JOBS_MS = 7 * DAY_MS


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped:
    """What retention removed: raw samples, sums of minutes and hours, ended claims, finished jobs, runs, alerts."""

    samples: int
    minutes: int
    hours: int
    claims: int
    jobs: int
    runs: int
    schedule_runs: int
    alerts: int
    messages: int


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
            runs=inngest_runs.drop_before(connection, now - kept.raw_days * DAY_MS),
            schedule_runs=schedules.drop_before(connection, now - kept.raw_days * DAY_MS),
            alerts=alerts.drop_before(connection, now - kept.hour_days * DAY_MS),
            messages=outbox.drop_before(connection, now - kept.hour_days * DAY_MS),
        )


def _hour(at_ms: int) -> int:
    """Whole hours go at once: one of which a part is gone could not be computed again."""
    return at_ms - at_ms % HOUR_MS


def roll_again(store: Store) -> int:
    """Roll up the series that other rules, or none, rolled up; a day in a transaction. Returns how many series."""
    with store.read() as connection:
        waiting = rollups.outdated(connection)
    for series_id in waiting:
        with store.read() as connection:
            extent = rollups.extent(connection, series_id)
        if extent is not None:
            for low in range(extent[0], extent[1] + 1, DAY_MS):
                with store.write() as connection:
                    rollups.roll_again(connection, series_id, low, low + DAY_MS)
        with store.write() as connection:
            rollups.mark_rolled(connection, series_id)
    return len(waiting)
