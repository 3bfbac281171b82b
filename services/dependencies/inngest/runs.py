"""Which runs finished, how, and which are stuck. The server's own list, read on from where the last check ended.

Every finished run comes out at least once, however a run is cut short; the store keeps each by its id, once.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from services import clock
from services.clock import DAY_MS, SKEW_MS
from services.dependencies.inngest import flight
from services.dependencies.inngest.api import Api, Refusal, rfc3339
from services.dependencies.inngest.pulse import MOVES
from services.dependencies.inngest.trace import Trace
from services.dependencies.model import FINAL, Check, Reading, RunSeen
from services.evidence.model import Outcome

if TYPE_CHECKING:
    from services.settings.model import Environment

NAME = "inngest.runs"
FIRST_LOOK_MS = DAY_MS  # how far back the first check reads
OVERLAP_MS = 600_000  # read again each time: ends are noted late, and clocks differ
PAGE = 100
PAGES_AT_MOST = 20
TRACES_AT_MOST = 10
DETAILS_AT_MOST = 25  # runs asked one by one for when they began; of more than that, the newest
DETAILS_AT_ONCE = 5
DETAIL_DEADLINE_S = 3.0
AFTER_OUTAGE_S = 180  # a server that kept a run in progress takes it up again well within this time
KIND_EVERY_MS = 600_000
DEADLINE_S = 10.0


@dataclass(slots=True)
class _Found:
    """What a check has read so far."""

    runs: dict[str, RunSeen] = field(default_factory=dict)
    unfinished: int = 0  # final by status, without an end: the middle of a run
    read_until_ms: int = 0
    complete: bool = False
    refusal: Refusal | None = None
    graphql: bool = True  # until it is refused


@dataclass(frozen=True, kw_only=True, slots=True)
class RunsProbe:
    """Read the list on, look for runs without progress, and ask what kind of server it is."""

    api: Api
    app_id: str | None
    moved_within_s: float
    stuck_after_s: float
    judges_movement: bool  # False where a pulse says it better
    interval_s: float
    deadline_s: float = 45.0
    name: str = NAME

    @classmethod
    def from_settings(cls, environment: Environment) -> RunsProbe:
        """The probe of an environment whose Inngest server may be asked."""
        server, wanted = environment.server, environment.inngest
        assert server is not None  # noqa: S101 - the registry has checked
        return cls(
            api=Api.from_settings(environment),
            app_id=wanted.app_id,
            moved_within_s=wanted.moved_within_s,
            stuck_after_s=wanted.stuck_after_s,
            judges_movement=not server.pulsed,
            interval_s=environment.intervals.inngest_runs,
        )

    async def run(self, previous: Mapping[str, Any]) -> Reading:
        """Read on. What `previous` says of a request to wait is kept to."""
        now = clock.now_ms()
        if now < _number(previous, "wait_until_ms"):
            return _waiting(previous, now)
        found = await self._ended(previous, now)
        if found.refusal is not None and not found.runs:
            return self._refused(found.refusal, previous, now)
        asked = await self._ask_for_steps(found, previous)
        waiting = await flight.open_runs(self.api, self.app_id, now)
        if isinstance(waiting, Refusal):
            return self._refused(waiting, previous, now)
        gone_ms, back_ms = _outage(previous, now)
        stuck = await self._stuck(waiting, now, gone_ms, back_ms)
        detail = {
            "watermark_ms": found.read_until_ms,
            "read": len(found.runs),
            "mid_run": found.unfinished,
            "open": len(waiting),
            "running": [[run.id, run.function, run.since_ms] for run in flight.of(waiting)[: flight.SHOWN]],
            "newest_completed_ms": _newest(found, previous, now),
            "newest": _last(found, previous),
            "gone_ms": gone_ms,
            "back_ms": back_ms,
            "stuck": [_named(run, progress) for run, progress in stuck],
            "asked": asked,
            "waits_known": sum(run.wait_s is not None for run in found.runs.values()),
        }
        detail |= await self._kind(previous, now)
        if not found.graphql or (previous.get("graphql") is False and detail.get("kind_ms") == previous.get("kind_ms")):
            detail["graphql"] = False  # until the server is asked again what kind it is
        if found.refusal is not None and found.refusal.code == "limited":
            detail["wait_until_ms"] = now + found.refusal.wait_s * 1000
        return self._reading(found, detail, now)

    async def _ended(self, previous: Mapping[str, Any], now: int) -> _Found:
        """Everything that ended since the last check, oldest first, a page at a time."""
        # A clock that was set back must not skip anything.
        since = min(int(_number(previous, "watermark_ms") or now - FIRST_LOOK_MS), now) - OVERLAP_MS
        found = _Found(read_until_ms=since + OVERLAP_MS)
        query = {"status": FINAL, "from": rfc3339(since), "until": rfc3339(now + 60_000), "timeField": "endedAt",
                 "appId": self.app_id, "limit": PAGE, "order": "ASC"}  # fmt: skip
        cursor: str | None = None
        newest = since
        for _ in range(PAGES_AT_MOST):
            page = await self.api.runs({**query, "cursor": cursor}, deadline_s=DEADLINE_S)
            if isinstance(page, Refusal):
                found.refusal = page
                break
            ended = [run for run in page.runs if run.finished and (run.ended_ms or 0) <= now + SKEW_MS]
            found.unfinished += len(page.runs) - len(ended)
            times = [run.ended_ms or 0 for run in ended]
            found.runs |= {run.id: run for run in ended}
            in_order = times == sorted(times) and (not times or times[0] >= newest)
            newest = max([newest, *times])
            if in_order and times:  # what a check that is cut short may go on from
                found.read_until_ms = max(found.read_until_ms, newest)
            cursor = page.cursor
            if cursor is None:
                found.complete, found.read_until_ms = True, now
                break
        return found

    async def _ask_for_steps(self, found: _Found, previous: Mapping[str, Any]) -> list[str]:
        """Put into the newest runs when they began, which their list doesn't tell, and what their steps took.

        Returns whom it need not ask again. Of the rest it stays unknown: a wait that nobody measured is none of 0 s.
        """
        before = previous.get("asked")
        known = set(before) if isinstance(before, list) else set()
        new = [run for run in found.runs.values() if run.id not in known and run.status != "CANCELLED"]
        chosen = sorted(new, key=lambda run: run.ended_ms or 0)[-DETAILS_AT_MOST:]
        gate = asyncio.Semaphore(DETAILS_AT_ONCE)

        async def ask(run: RunSeen) -> None:
            async with gate:
                found.runs[run.id] = await self._with_steps(run, found, previous)

        await asyncio.gather(*(ask(run) for run in chosen))
        known |= {run.id for run in chosen}
        return [id_ for id_ in found.runs if id_ in known]

    async def _with_steps(self, run: RunSeen, found: _Found, previous: Mapping[str, Any]) -> RunSeen:
        """A run with what its trace says; where there is none, with when it began."""
        trace: Trace | Refusal = Refusal(code="no_api")
        if not self.api.hosted and found.graphql and previous.get("graphql") is not False:
            trace = await self.api.trace(run.id, deadline_s=DETAIL_DEADLINE_S, graphql=True)
            found.graphql = found.graphql and not (isinstance(trace, Refusal) and trace.code == "no_api")
        if isinstance(trace, Refusal):
            trace = await self.api.trace(run.id, deadline_s=DETAIL_DEADLINE_S)
        if not isinstance(trace, Refusal) and trace.started_ms is not None:
            return replace(run, started_ms=trace.started_ms, tries=trace.tries)
        detail = await self.api.run(run.id, deadline_s=DETAIL_DEADLINE_S)
        return run if isinstance(detail, Refusal) else replace(run, started_ms=detail.started_ms)

    async def _stuck(
        self, waiting: Sequence[RunSeen], now: int, gone_ms: int, back_ms: int
    ) -> list[tuple[RunSeen, int]]:
        """Runs in progress whose trace has not moved for too long, or not since the server came back.

        Of a run whose trace can't be read it isn't known.
        """
        limits = {run.id: self._limit_ms(run.queued_ms or 0, now, gone_ms, back_ms) for run in waiting}
        old = [run for run in waiting if run.status == "RUNNING" and run.queued_ms and run.queued_ms < limits[run.id]]
        found = []
        for run in old[:TRACES_AT_MOST]:
            trace = await self.api.trace(run.id, deadline_s=DEADLINE_S)
            progress = None if isinstance(trace, Refusal) else trace.progress_ms
            if progress is not None and progress < self._limit_ms(progress, now, gone_ms, back_ms):
                found.append((run, progress))
        return found

    def _limit_ms(self, progress_ms: int, now: int, gone_ms: int, back_ms: int) -> int:
        """Progress before this moment is too old."""
        limit = now - round(self.stuck_after_s * 1000)
        lost = progress_ms < gone_ms and now - back_ms > AFTER_OUTAGE_S * 1000
        return max(limit, gone_ms) if lost else limit

    async def _kind(self, previous: Mapping[str, Any], now: int) -> dict[str, Any]:
        """What a restart of the server would lose; asked now and then."""
        if self.api.hosted:
            return {"kind": "cloud"}
        if previous.get("kind") is not None and now - _number(previous, "kind_ms") < KIND_EVERY_MS:
            return {"kind": previous["kind"], "kind_ms": previous.get("kind_ms")}
        kind = await self.api.kind(deadline_s=DEADLINE_S)
        return {"kind": {"dev": "dev", "cloud": "start"}.get(kind or ""), "kind_ms": now}

    def _refused(self, refusal: Refusal, previous: Mapping[str, Any], now: int) -> Reading:
        """Nothing could be read; where we were is kept."""
        kept = _kept(previous) | {"stuck": previous.get("stuck", []), "error": refusal.why}
        if refusal.code == "limited":
            kept["wait_until_ms"] = now + refusal.wait_s * 1000
        if refusal.code in {"no_answer", "error"} and not _is_away(previous):
            kept |= {"gone_ms": now, "back_ms": 0}
        words = {"why": refusal.why, "seconds": refusal.wait_s}
        return Reading(
            code=f"runs.{refusal.code}", detail=kept, words=words, checks=self._checks("unknown", None, None)
        )

    def _reading(self, found: _Found, detail: dict[str, Any], now: int) -> Reading:
        stuck, newest = detail["stuck"], detail["newest_completed_ms"]
        moved = newest is not None and now - newest <= self.moved_within_s * 1000
        failed = detail["newest"].get("status") == "FAILED"
        still = self.judges_movement and not moved
        code = "runs.newest_failed" if failed else "runs.ok"
        code = "runs.stuck" if stuck else "runs.none_completed" if still else code
        words = {"count": len(stuck), "hours": round(self.moved_within_s / 3600, 1)}
        if stuck or failed:
            first = stuck[0] if stuck else detail["newest"]
            words |= {"function": first["function"], "run": first["id"]}
        age_s = None if newest is None else max(0, round((now - newest) / 1000))
        checks = self._checks("pass" if moved else "fail" if found.complete else "unknown", age_s, len(stuck))
        return Reading(code=code, detail=detail, words=words, checks=checks, runs=tuple(found.runs.values()))

    def _checks(self, moves: Outcome, age_s: int | None, stuck: int | None) -> tuple[Check, ...]:
        outcome: Outcome = "unknown" if stuck is None else "fail" if stuck else "pass"
        own = Check(name="inngest.stuck_runs", outcome=outcome, value=stuck, threshold=0)
        if not self.judges_movement:
            return (own,)
        return (own, Check(name=MOVES, outcome=moves, value=age_s, threshold=self.moved_within_s))


def _kept(previous: Mapping[str, Any]) -> dict[str, Any]:
    """Where we were."""
    return {key: value for key, value in previous.items() if key != "words"}


def _waiting(previous: Mapping[str, Any], now: int) -> Reading:
    left_s = math.ceil((_number(previous, "wait_until_ms") - now) / 1000)
    return Reading(code="runs.limited", detail=_kept(previous), words={"seconds": left_s})


def _number(previous: Mapping[str, Any], key: str) -> float:
    found = previous.get(key)
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else 0


def _is_away(previous: Mapping[str, Any]) -> bool:
    return _number(previous, "gone_ms") > 0 and not _number(previous, "back_ms")


def _outage(previous: Mapping[str, Any], now: int) -> tuple[int, int]:
    """When the server was last seen away, and since when it is back; zeros where it never was."""
    gone = int(_number(previous, "gone_ms"))
    return gone, (int(_number(previous, "back_ms")) or now) if gone else 0


def _newest(found: _Found, previous: Mapping[str, Any], now: int) -> int | None:
    times = [run.ended_ms for run in found.runs.values() if run.status == "COMPLETED" and run.ended_ms]
    before = int(_number(previous, "newest_completed_ms"))
    return max([*times, before if before <= now + SKEW_MS else 0]) or None


def _last(found: _Found, previous: Mapping[str, Any]) -> dict[str, Any]:
    """The run that ended last, as far as is known; {} before there was one."""
    if not found.runs:
        before = previous.get("newest")
        return dict(before) if isinstance(before, dict) else {}
    run = max(found.runs.values(), key=lambda run: (run.ended_ms or 0, run.id))
    return {"id": run.id, "function": run.function, "status": run.status}


def _named(run: RunSeen, progress_ms: int) -> dict[str, Any]:
    return {"id": run.id, "function": run.function, "app": run.app, "queued_ms": run.queued_ms,
            "progress_ms": progress_ms}  # fmt: skip
