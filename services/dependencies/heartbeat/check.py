"""What the calls of a job, or their absence, say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cronsim import CronSim

from services import clock
from services.dependencies.kind import Context, Found
from services.store.heartbeats import Beat
from services.units import seconds

if TYPE_CHECKING:
    from services.dependencies.heartbeat.kind import HeartbeatTable

EARLY_MS = 60_000  # a run that begins so much before its time is that run
OFTEN_RUNS, OFTEN_PART = 5, 1 / 3  # so many successes, each within this part of the time between two
SHOWN = 10


async def run(table: HeartbeatTable, context: Context) -> Found:
    """Read the calls, and evaluate them."""
    if context.beats is None:
        return Found(facts={}, latency_ms=None, code="not_read")
    return evaluate(table, await asyncio.to_thread(context.beats), clock.now_ms())


def evaluate(table: HeartbeatTable, beats: Sequence[Beat], now_ms: int) -> Found:
    """The finding at a moment; `beats` newest first."""
    ended = next((beat for beat in beats if beat.signal != "start"), None)
    success = next((beat for beat in beats if beat.signal == "ok"), None)
    begun = beats[0] if beats and beats[0].signal == "start" else None
    took_s = _took(beats, ended)
    facts: dict[str, Any] = {
        "age_s": None if success is None else max(0.0, (now_ms - success.at_ms) / 1000),
        "took_s": took_s,
        "exit_status": None if ended is None else ended.exit_status,
    }
    code, words = _code(table, beats, ended, success, begun, now_ms)
    rows = [
        {"at": clock.iso(beat.at_ms), "signal": beat.signal, "exit_status": beat.exit_status, "note": beat.note[:200]}
        for beat in beats[:SHOWN]
    ]
    return Found(facts=facts, latency_ms=None, code=code, words=words,
                 detail={"calls": rows, "facts": facts})  # fmt: skip


def _code(
    table: HeartbeatTable,
    beats: Sequence[Beat],
    ended: Beat | None,
    success: Beat | None,
    begun: Beat | None,
    now_ms: int,
) -> tuple[str, dict[str, Any]]:
    if not beats:
        return "never", {}
    if begun is not None and table.longest_s is not None and now_ms - begun.at_ms > table.longest_s * 1000:
        return "overruns", {"since": seconds((now_ms - begun.at_ms) / 1000), "longest": seconds(table.longest_s)}
    if ended is not None and ended.signal == "fail":
        status = "" if ended.exit_status is None else f" with exit status {ended.exit_status}"
        return "failed", {"status": status}
    late_ms = now_ms - _due_ms(table, success, beats[-1], now_ms)
    if late_ms > 0:
        return "late", {"late": seconds(late_ms / 1000)}
    if begun is not None and len(beats) > 1 and beats[1].signal == "start":
        return "unfinished", {}
    if _comes_too_often(table, beats):
        return "too_often", {}
    return "well" if success is not None else "running", {}


def _due_ms(table: HeartbeatTable, success: Beat | None, first: Beat, now_ms: int) -> int:
    """When, at the latest, a success had to be here: grace included."""
    grace_ms = round(table.grace_s * 1000)
    if table.every_s is not None:
        since = first.at_ms if success is None else success.at_ms
        return since + round(table.every_s * 1000) + grace_ms
    zone = ZoneInfo(table.timezone)
    # The newest moment of the cron that has passed with its grace: a success since then, or it is late.
    until = clock.from_ms(now_ms - grace_ms).astimezone(zone) + timedelta(microseconds=1)
    passed = next(CronSim(table.cron or "", until, reverse=True))
    wanted_ms = clock.to_ms(passed)
    here = success is not None and success.at_ms >= wanted_ms - EARLY_MS
    if here or first.at_ms > wanted_ms:  # or its first call ever came later than that
        return now_ms + 1
    return wanted_ms + grace_ms


def _took(beats: Sequence[Beat], ended: Beat | None) -> float | None:
    """How long the newest ended run took, where its start was reported."""
    if ended is None:
        return None
    before = next((beat for beat in beats if (beat.at_ms, beat.id) < (ended.at_ms, ended.id)), None)
    if before is None or before.signal != "start":
        return None
    return (ended.at_ms - before.at_ms) / 1000


def _comes_too_often(table: HeartbeatTable, beats: Sequence[Beat]) -> bool:
    good = [beat.at_ms for beat in beats if beat.signal == "ok"][:OFTEN_RUNS]
    if table.every_s is None or len(good) < OFTEN_RUNS:
        return False
    gaps = [after - before for after, before in pairwise(good)]
    return max(gaps) < table.every_s * 1000 * OFTEN_PART
