"""Checks that Inngest moves work, and how fast. A no-op event is sent and its way followed: accepted, scheduled,
started, finished. An answering server proves none of that."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from services import clock
from services.dependencies.inngest import events, sync
from services.dependencies.inngest.api import Api, Page, Refusal
from services.dependencies.model import Check, Measure, Reading, RunSeen
from services.evidence.model import Outcome

if TYPE_CHECKING:
    from services.settings.model import Environment

NAME = "inngest.pulse"
EVENT = "greenlight/pulse"
MOVES = "inngest.moves_work"
SUCCESS, WAIT = "inngest_run_success", "inngest_queue_wait"
FOLLOW_S = 20.0
ACCEPT_S = 5.0
PAUSES_S = (0.1, 0.2, 0.3, 0.5, 1.0)  # pauses between reads of the run; the last one repeats
PULSES = ("pulse", "greenlight-worker-pulse")  # functions of our own, which the probe counts itself
UNSEEN = frozenset({"pulse.api_refused", "pulse.no_api", "pulse.unseen"})  # sent, but its end can't be read


@dataclass(frozen=True, kw_only=True, slots=True)
class Trail:
    """How far a pulse came. `accepted_ms` is how long the server took to take it."""

    sent_ms: int
    accepted_ms: float | None = None
    run: RunSeen | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PulseProbe:
    """Send one event and follow it."""

    api: Api
    event_url: str
    event_key: SecretStr | None
    cloud: bool
    wait_slow_s: float
    interval_s: float
    worker_url: str = ""
    declared: tuple[tuple[str, str], ...] = ()
    follow_s: float = FOLLOW_S
    name: str = NAME

    @classmethod
    def from_settings(cls, environment: Environment) -> PulseProbe:
        """The probe of an environment whose Inngest server our worker is synced with."""
        server = environment.server
        assert server is not None  # noqa: S101 - the registry has checked
        return cls(
            api=Api.from_settings(environment),
            event_url=server.event_url,
            event_key=environment.secrets.inngest_event_key,
            cloud=server.cloud,
            wait_slow_s=environment.inngest.wait_slow_s,
            interval_s=environment.intervals.inngest_pulse,
            worker_url=server.worker_url,
            declared=server.declared,
        )

    @property
    def deadline_s(self) -> float:
        """Sending, following, and asking once more: when the run began, or why there is none."""
        return ACCEPT_S + self.follow_s + ACCEPT_S + 1

    async def run(self, previous: Mapping[str, Any]) -> Reading:  # noqa: ARG002 - each pulse stands alone
        """One pulse."""
        if self.cloud and self.event_key is None:
            return self._reading("pulse.no_event_key", Trail(sent_ms=clock.now_ms()))
        sent_ms = clock.now_ms()
        accepted = await self._send(sent_ms)
        if isinstance(accepted, Refusal):
            return self._reading(f"pulse.{accepted.code}", Trail(sent_ms=sent_ms), {"why": accepted.why})
        event_id, took_ms = accepted
        found = await self._follow(event_id)
        if isinstance(found, Refusal):
            code = {"key_refused": "pulse.api_refused", "no_api": "pulse.no_api", "wrong_kind": "pulse.wrong_kind"}.get(
                found.code, "pulse.unseen"
            )
            return self._reading(code, Trail(sent_ms=sent_ms, accepted_ms=took_ms), {"why": found.why})
        if found is not None and found.finished:
            detail = await self.api.run(found.id, deadline_s=ACCEPT_S)
            found = found if isinstance(detail, Refusal) else replace(found, started_ms=detail.started_ms)
        trail = Trail(sent_ms=sent_ms, accepted_ms=took_ms, run=found)
        code = await self._why_no_run() if found is None else _code(found, self.wait_slow_s)
        return self._reading(code, trail, self._words(trail))

    async def _why_no_run(self) -> str:
        """Why an event that was accepted started nothing, as far as what is registered tells."""
        found = await sync.registered(self.api)
        if isinstance(found, Refusal):
            return "pulse.not_scheduled"
        code, _ = sync.verdict(found, self.declared, self.worker_url)
        return {"sync.ok": "pulse.none_created", "sync.absent": "pulse.unregistered"}.get(code, "pulse.not_scheduled")

    async def _send(self, sent_ms: int) -> tuple[str, float] | Refusal:
        mark = secrets.token_hex(8)
        event = {"name": EVENT, "id": f"greenlight-pulse-{mark}", "data": {"pulse": mark}, "ts": sent_ms}
        return await events.send(self.event_url, self.event_key, event, cloud=self.cloud, deadline_s=ACCEPT_S)

    async def _follow(self, event_id: str) -> RunSeen | Refusal | None:
        """The run that the event started, as far as it came in time; None where there is none."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self.follow_s
        found: Page | Refusal = Page(runs=(), cursor=None)
        turn = 0
        while loop.time() < give_up:
            await asyncio.sleep(PAUSES_S[min(turn, len(PAUSES_S) - 1)])
            turn += 1
            left = max(0.5, give_up - loop.time())
            found = await self.api.runs_of_event(event_id, deadline_s=min(left, ACCEPT_S))
            if isinstance(found, Refusal):
                if found.code in {"key_refused", "no_api"}:
                    return found
                if found.code == "limited":
                    await asyncio.sleep(min(found.wait_s, max(0.0, give_up - loop.time())))
            elif found.runs and found.runs[0].finished:
                return found.runs[0]
        if isinstance(found, Refusal):
            return found
        return found.runs[0] if found.runs else None

    def _words(self, trail: Trail) -> dict[str, Any]:
        run = trail.run
        wait = run.wait_s if run is not None else None
        return {"seconds": round(self.follow_s), "wait": None if wait is None else round(wait, 1),
                "limit": round(self.wait_slow_s), "status": run.status.lower() if run else ""}  # fmt: skip

    def _reading(self, code: str, trail: Trail, words: Mapping[str, Any] | None = None) -> Reading:
        run = trail.run
        wait = run.wait_s if run is not None else None
        moved = code in {"pulse.ok", "pulse.slow"}
        known = code not in UNSEEN
        # A run that never began waited too long; of one that began, a wait that is not told is not known.
        in_time = (
            wait <= self.wait_slow_s if wait is not None else False if run is None or run.status == "QUEUED" else None
        )
        outcome: Outcome = "pass" if moved else "fail" if known else "unknown"
        return Reading(
            code=code,
            latency_ms=_way_ms(trail),
            detail=_detail(trail),
            words=words or {},
            measures=(
                Measure(sli=SUCCESS, value=run.took_s if run is not None and moved else None,
                        good=moved if known else None),
                Measure(sli=WAIT, value=wait, good=in_time if known else None),
            ),
            checks=(Check(name=MOVES, outcome=outcome, value=code, threshold="finished"),),
        )  # fmt: skip


def _code(run: RunSeen, wait_slow_s: float) -> str:
    if run.status == "COMPLETED" and run.finished:
        return "pulse.slow" if (run.wait_s or 0) > wait_slow_s else "pulse.ok"
    if run.status in {"FAILED", "CANCELLED"}:
        return "pulse.failed"
    return "pulse.not_started" if run.status == "QUEUED" else "pulse.not_finished"


def _way_ms(trail: Trail) -> float | None:
    """From sent to finished: taking the event by our clock, the rest by the server's; None where it didn't finish."""
    run = trail.run
    if trail.accepted_ms is None or run is None or not run.finished or run.queued_ms is None or run.ended_ms is None:
        return None
    return trail.accepted_ms + max(0, run.ended_ms - run.queued_ms)


def _detail(trail: Trail) -> dict[str, Any]:
    run = trail.run
    stages = {
        "accepted_ms": None if trail.accepted_ms is None else round(trail.accepted_ms, 1),
        "scheduled": run is not None,
        "wait_s": run.wait_s if run else None,
        "took_s": run.took_s if run else None,
        "finished": bool(run and run.finished),
    }
    named = {} if run is None else {"run_id": run.id, "status": run.status}
    return {"sent_ms": trail.sent_ms, "facts": stages} | named
