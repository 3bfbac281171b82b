"""What each regular task does. Bodies alone: who calls them, and when, is the schedule's affair."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from services import clock, retention, summary
from services.evidence import chain
from services.evidence.model import ChainBreak
from services.health.evaluate import evaluate
from services.replay import quarantine, start
from services.settings.model import Settings
from services.store import Store, conditions
from worker.collector import Collector
from worker.leases import Leases
from worker.schedule import ScheduledTask

log = logging.getLogger(__name__)


def tasks(
    store: Store, settings: Settings, collector: Collector, leases: Leases, notes: dict[str, str] | None = None
) -> tuple[ScheduledTask, ...]:
    """The worker's tasks. Each may be run twice for the same moment and leaves the same; `notes` is for the pages."""
    notes = {} if notes is None else notes

    async def probe_environments(_due: datetime) -> int:
        return await _probe_overdue(store, settings, collector, leases)

    async def daily_health_check(due: datetime) -> None:
        at_ms = round(due.timestamp() * 1000)
        for line in await asyncio.to_thread(summary.write, store, settings, due_ms=at_ms):
            log.info("daily health check: %s", line)
        for line in await asyncio.to_thread(quarantine.attend, store, now_ms=clock.now_ms()):
            log.warning("quarantine: %s", line)
        broken = await asyncio.to_thread(_break_in_the_chain, store)
        notes.pop("evidence", None)
        if broken is not None:
            notes["evidence"] = (
                f"The chain of evidence is broken at record {broken.seq}: {broken.why}. "
                "Nothing that rests on it counts."
            )
            log.error("%s", notes["evidence"])
        link = await asyncio.to_thread(_newest_link, store)
        if link is not None:
            log.info("evidence: record %d has the hash %s; keep this line elsewhere to prove that none was cut", *link)

    async def replay_canary(_due: datetime) -> int:
        return len(await asyncio.to_thread(start.ask_canaries, store, settings))

    async def replay_twice(_due: datetime) -> int:
        return len(await asyncio.to_thread(start.ask_pairs, store, settings))

    async def drop_old(_due: datetime) -> None:
        log.info("retention dropped %s", await asyncio.to_thread(retention.drop_old, store, settings))

    bodies: dict[str, Callable[[datetime], Awaitable[object]]] = {
        "probe-environments": probe_environments,
        "daily-health-check": daily_health_check,
        "replay-canary": replay_canary,
        "replay-aa": replay_twice,
        "retention": drop_old,
    }
    return tuple(
        ScheduledTask(name=name, cron=cron, every=every, offset=offset, run=bodies[name])
        for name, cron, every, offset in _rhythms(settings)
    )


def _break_in_the_chain(store: Store) -> ChainBreak | None:
    with store.read() as connection:
        return chain.verify(connection)


def _newest_link(store: Store) -> tuple[int, str] | None:
    with store.read() as connection:
        return chain.newest_link(connection)


def crons(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Names and cron lines alone."""
    return tuple((name, cron) for name, cron, _, _ in _rhythms(settings))


def _rhythms(settings: Settings) -> tuple[tuple[str, str, timedelta, timedelta], ...]:
    """Name, cron line, and the same rhythm as an interval and its offset from midnight UTC."""
    canary, day, none = settings.replay.canary_minutes, timedelta(days=1), timedelta(0)
    return (
        *_pairs_rhythm(settings),
        ("probe-environments", "*/5 * * * *", timedelta(minutes=5), none),
        ("daily-health-check", "0 8 * * *", day, timedelta(hours=8)),
        ("replay-canary", _cron(canary), timedelta(minutes=canary), none),
        ("retention", "30 3 * * *", day, timedelta(hours=3, minutes=30)),
    )


def _pairs_rhythm(settings: Settings) -> tuple[tuple[str, str, timedelta, timedelta], ...]:
    """A/A runs: at 04:00 each day, or each Monday (1 January 1970 was a Thursday); none where they are off."""
    four = timedelta(hours=4)
    rhythms = {
        "daily": (("replay-aa", "0 4 * * *", timedelta(days=1), four),),
        "weekly": (("replay-aa", "0 4 * * 1", timedelta(days=7), timedelta(days=4) + four),),
    }
    return rhythms.get(settings.replay.aa, ())


async def _probe_overdue(store: Store, settings: Settings, collector: Collector, leases: Leases) -> int:
    """Look at environments that the collector, for whatever reason, left behind; none while all is well."""

    def overdue() -> list[str]:
        now = clock.now_ms()
        with store.read() as connection:
            return [
                name
                for name in settings.names
                if leases.holds(name)
                and any(d.stale for d in evaluate(name, conditions.load(connection, name), now).dependencies)
            ]

    async def no_progress(_done: int, _total: int) -> None:
        return None

    names = await asyncio.to_thread(overdue)
    for name in names:
        await collector.look_now(name, no_progress)
    return len(names)


def _cron(minutes: int) -> str:
    """The cron line of a rhythm of minutes, hours or a day."""
    if minutes < 60:
        return f"*/{minutes} * * * *"
    return f"0 */{minutes // 60} * * *" if minutes < 1440 else "0 0 * * *"
