"""Carries out a run. Claim pieces, ask, judge, keep; many side by side, by any number of runners at once.

Every piece is durable as it finishes (in batches a tenth of a second apart) and has one result, whatever is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from services import clock
from services.redact import fault
from services.replay import bodies, conversation, tracing
from services.replay.agents import Agent
from services.replay.code import CheckStopped
from services.replay.judges import Judge
from services.replay.model import Answer, GoldenCase, GoldenSet, Outcome, Trouble
from services.replay.patterns import PatternStopped
from services.store import Store, replays
from services.store.replays import Claimed, Finished

log = logging.getLogger(__name__)
LEASE_MS = 60_000
RENEW_S = 15.0
TICK_S = 0.1
ALONE = 2000  # pieces that the only runner claims ahead
MAX_ATTEMPTS = 3
BACKOFF_S = 0.2
Progress = Callable[[int], None]


@dataclass(slots=True)
class Runner:
    """Works on one run until nothing of it is left to take. `progress` gets the number of pieces finished here."""

    store: Store
    run_id: str
    owner: str
    golden: GoldenSet
    agent: Agent
    judge: Judge
    concurrency: int
    timeout_s: float
    progress: Progress = lambda _done: None
    stopping: bool = False
    grace_s: float | None = None  # after a stop, how long what is being asked may take; None: as long as it takes
    share: tuple[int, int] | None = None  # first and last position, where it works on a part of the run
    from_the_end: bool = False  # where others walk the run from its beginning
    alone: bool = False  # nobody else takes pieces of the run: what is claimed ahead is taken from nobody
    gate: asyncio.Semaphore | None = None  # shared by all who work on the run in this process: cases side by side
    done_here: int = 0
    _waiting: deque[Claimed] = field(default_factory=deque)
    _finished: list[Outcome] = field(default_factory=list)
    _positions: dict[tuple[str, int], int] = field(default_factory=dict)
    _cases: dict[str, GoldenCase] = field(default_factory=dict)
    _in_flight: int = 0
    _exhausted: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _fed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _judging: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def work(self) -> str:
        """Work; returns the run's state when nothing is left here: running (others hold pieces), cancelled, …"""
        self._cases = {case.id: case for case in self.golden.cases}
        self._judging = asyncio.Semaphore(self.judge.at_once)
        askers = [asyncio.create_task(self._ask_on()) for _ in range(self.concurrency)]
        try:
            return await self._keep_books()
        finally:
            for asker in askers:
                asker.cancel()
            await asyncio.gather(*askers, return_exceptions=True)
            if self.stopping and self.grace_s is not None:
                await asyncio.to_thread(self._hand_back)

    def _hand_back(self) -> None:
        with self.store.write() as connection:
            replays.hand_back(connection, self.owner)

    async def _keep_books(self) -> str:
        """One thread writes what is finished and claims more, a transaction a tick."""
        renewed, ahead, stopped_at = time.monotonic(), 0, 0.0
        while True:
            finished, self._finished = self._finished, []
            # As far ahead as the last ticks were fast: a quick agent never waits for a claim, and of a slow one's
            # pieces nobody hoards more than it works on.
            ahead = ALONE if self.alone else max(2 * self.concurrency, 4 * len(finished), ahead * 3 // 4)
            room = 0 if self.stopping else ahead - len(self._waiting)
            renew = time.monotonic() - renewed > RENEW_S
            renewed = time.monotonic() if renew else renewed
            state, claimed = await asyncio.to_thread(self._exchange, finished, room, renew)
            self.done_here += len(finished)
            if finished:
                self.progress(self.done_here)
            async with self._fed:
                for piece in claimed:
                    self._positions[piece.case_id, piece.repeat] = piece.position
                self._waiting.extend(claimed)
                if state != "running" or self.stopping:
                    self._waiting.clear()
                self._exhausted = state != "running" or self.stopping or (room > 0 and not claimed)
                self._fed.notify_all()
            if self._exhausted and not self._waiting and not self._in_flight and not self._finished:
                return state
            if self.stopping and self.grace_s is not None and not self._finished:
                stopped_at = stopped_at or time.monotonic()
                if time.monotonic() - stopped_at > self.grace_s:
                    return state  # what is still asked is cut off; its lease is handed back
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), TICK_S)
            except TimeoutError:
                continue
            await asyncio.sleep(TICK_S / 5)  # a few more may finish meanwhile and share the transaction

    def _exchange(self, finished: list[Outcome], room: int, renew: bool) -> tuple[str, list[Claimed]]:
        now = clock.now_ms()
        done = [self._kept(outcome) for outcome in finished]
        with self.store.write() as connection:
            replays.finish(connection, self.run_id, self.owner, done)
            if renew:
                replays.renew(connection, self.run_id, self.owner, now + LEASE_MS)
            state = replays.state_of(connection, self.run_id)
            claimed: list[Claimed] = []
            if room > 0 and state == "running":
                claimed = replays.claim(
                    connection, self.run_id, self.owner, limit=room, now_ms=now, lease_ms=LEASE_MS,
                    share=self.share, from_the_end=self.from_the_end,
                )  # fmt: skip
        return state, claimed

    def _kept(self, outcome: Outcome) -> Finished:
        position = self._positions[outcome.case_id, outcome.repeat]
        try:
            body = bodies.to_json(outcome)
            body.encode()
        except (ValueError, TypeError, RecursionError) as error:
            log.error("case %s of run %s can't be stored: %s", outcome.case_id, self.run_id, fault(error))
            trouble = Trouble(code="fault", detail=f"the answer can't be stored ({type(error).__name__})")
            outcome = replace(outcome, judged=None, answer=None, trouble=trouble)
            body = bodies.to_json(outcome)
        return Finished(position=position, outcome=outcome.state, body=body)

    async def _ask_on(self) -> None:
        while True:
            if not self._waiting:
                self._wake.set()
                async with self._fed:
                    await self._fed.wait_for(lambda: bool(self._waiting))
            piece = self._waiting.popleft()
            self._in_flight += 1
            if len(self._waiting) < self.concurrency // 2:
                self._wake.set()
            try:
                outcome = await self._safely(piece)
                self._finished.append(outcome)  # not in one line: the list is exchanged while we wait
            finally:
                self._in_flight -= 1
            if not self._in_flight and not self._waiting:
                self._wake.set()

    async def _safely(self, piece: Claimed) -> Outcome:
        """A piece that can't be judged ends as an error of its own, so that the run ends too."""
        try:
            async with self.gate or contextlib.nullcontext():
                return await self._one(piece)
        except (PatternStopped, CheckStopped) as error:
            return self._error(piece, Trouble(code="check_stopped", detail=str(error)))
        except Exception as error:  # noqa: BLE001 - whatever one answer does to a check, the others are judged
            log.error("case %s of run %s can't be judged: %s", piece.case_id, self.run_id, fault(error))
            return self._error(piece, Trouble(code="fault", detail=f"it can't be judged ({type(error).__name__})"))

    def _error(self, piece: Claimed, trouble: Trouble) -> Outcome:
        case = self._cases[piece.case_id]
        return Outcome(
            case_id=case.id, repeat=piece.repeat, category=case.category, judged=None, answer=None, trouble=trouble,
            duration_ms=0.0, attempts=1,
        )  # fmt: skip

    async def _one(self, piece: Claimed) -> Outcome:
        case = self._cases[piece.case_id]
        begun = time.monotonic()
        found, attempts = (
            await self._talked(case, piece.repeat) if case.turns else await self._asked(case, piece.repeat)
        )
        duration_ms = (time.monotonic() - begun) * 1000
        if isinstance(found, Answer):
            found = replace(found, duration_ms=duration_ms)
        judged = None
        if isinstance(found, Answer):
            async with self._judging:
                judged = await self.judge.judge(case, found)
        return Outcome(
            case_id=case.id,
            repeat=piece.repeat,
            category=case.category,
            judged=judged,
            answer=found if isinstance(found, Answer) else None,
            trouble=found if isinstance(found, Trouble) else None,
            duration_ms=duration_ms,
            attempts=attempts,
        )

    async def _talked(self, case: GoldenCase, repeat: int) -> tuple[Answer | Trouble, int]:
        """A conversation: a turn after the other, each with what was said before. Its first trouble ends it."""
        history: list[dict[str, Any]] = []
        answers: list[Answer] = []
        session, attempts = f"{self.run_id}-{case.id}-{repeat}", 0
        for number, said in enumerate((case.input, *case.turns), 1):
            begun = time.monotonic()
            parent = tracing.traceparent(self.run_id, case.id, repeat)
            line = {"case_id": case.id, "input": said, "context": case.context, "turn": number, "session": session,
                    "history": list(history), tracing.FIELD: parent}  # fmt: skip
            found, tried = await self._asked_line(line, repeat)
            attempts = max(attempts, tried)
            if isinstance(found, Trouble):
                return replace(found, detail=f"turn {number}: {found.detail}"), attempts
            answers.append(replace(found, duration_ms=(time.monotonic() - begun) * 1000))
            calls = [{"tool": c.tool, "arguments": dict(c.arguments), "status": c.status} for c in found.tool_calls]
            history.append({"input": dict(said), "output": found.output, "tool_calls": calls})
        return conversation.as_one(answers), attempts

    async def _asked(self, case: GoldenCase, repeat: int) -> tuple[Answer | Trouble, int]:
        line = {"case_id": case.id, "input": case.input, "context": case.context,
                tracing.FIELD: tracing.traceparent(self.run_id, case.id, repeat)}  # fmt: skip
        return await self._asked_line(line, repeat)

    async def _asked_line(self, line: Mapping[str, Any], repeat: int) -> tuple[Answer | Trouble, int]:
        """Ask; again, after a pause, only where the transport failed."""
        attempt = 0
        while True:
            attempt += 1
            found = await self.agent.ask(line, self.timeout_s, repeat=repeat)
            if isinstance(found, Answer) or not found.retryable or attempt == MAX_ATTEMPTS:
                return found, attempt
            await asyncio.sleep(BACKOFF_S * 2**attempt * random.uniform(0.5, 1))  # noqa: S311 - spreads load only
