"""Counts a deploy drill. From the lines of its steps: what was lost, what ran twice, how long nothing ran. Pure.

The lines come from outside: torn, repeated, somebody else's, from a clock that was set back. What they don't prove is
*unknown*. Their form is that of `runtime/drill.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

from services import units
from services.advice import Advice
from services.evidence.model import Outcome
from services.outside import NotJson, parse_json

CHECK = "deploy.drill"
EVENT = "greenlight/drill"
BACK_S = 0.5  # a clock that goes back by more makes pauses unknown; less is that of two workers
MAX_LINE_BYTES = 4096
Ended = Literal["completed", "failed", "open", "unread"]  # what Inngest says of the run


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One line: the body `attempt` of a step began or ended. `born_s`: when its process had started (s since 1970)."""

    step: int
    attempt: str
    run: str
    begins: bool
    worker: str
    at_s: float
    born_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """The lines of one drill in the order in which they were taken, and how many among them could not be read."""

    marks: tuple[Mark, ...] = ()
    unread: int = 0

    @property
    def began(self) -> frozenset[int]:
        """Steps of which a body began."""
        return frozenset(mark.step for mark in self.marks)

    @property
    def ended(self) -> frozenset[int]:
        """Steps of which a body ended."""
        return frozenset(mark.step for mark in self.marks if not mark.begins)


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """What the lines prove. The closing step of the kit's function is one of `steps`. None: not known."""

    steps: int
    lost: tuple[int, ...]  # steps that never ended
    twice: tuple[int, ...]  # steps whose body began more than once
    gap_s: float | None  # the longest pause between the end of a step and the beginning of the next
    workers: tuple[str, ...]
    moved: bool  # whether a process that was started after the drill took over
    runs: int
    unread: int

    def as_detail(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self) | {"lost": list(self.lost), "twice": list(self.twice), "workers": list(self.workers)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a drill ended, in a sentence with what to do."""

    outcome: Outcome
    code: str
    advice: Advice


def marks(lines: Iterable[bytes], drill_id: str, steps: int) -> Marks:
    """The lines of a drill of so many steps, the closing one included. Those of other drills are left out.

    What can't be read counts from the drill's first line on: a shared file may be torn further up.
    """
    found: list[Mark] = []
    seen: set[tuple[int, str, bool]] = set()
    unread = 0
    for line in lines:
        if not line.strip():
            continue
        mark = _mark(line, drill_id, steps)
        if mark is None:
            unread += bool(found)
        elif isinstance(mark, Mark) and (same := (mark.step, mark.attempt, mark.begins)) not in seen:
            seen.add(same)  # a line may be taken twice where its receipt was lost
            found.append(mark)
    return Marks(marks=tuple(found), unread=unread)


def _mark(line: bytes, drill_id: str, steps: int) -> Mark | Literal["other"] | None:
    """A line of this drill; "other" for one of another drill, None for what can't be read."""
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        found = parse_json(line, unique_keys=True)
    except NotJson:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        return None
    if found["id"] != drill_id:
        return "other"
    step, phase = found.get("step"), found.get("phase")
    at_s, up_s = _number(found.get("at")), _number(found.get("up_s"))
    texts = [found.get(name) for name in ("attempt", "run", "worker")]
    if isinstance(step, bool) or not isinstance(step, int) or not 0 < step <= steps or phase not in {"begin", "end"}:
        return None
    if at_s is None or up_s is None or not all(isinstance(text, str) and 0 < len(text) <= 200 for text in texts):
        return None
    attempt, run, worker = (str(text) for text in texts)
    return Mark(step=step, attempt=attempt, run=run, begins=phase == "begin", worker=worker, at_s=at_s,
                born_s=at_s - up_s)  # fmt: skip


def _number(value: object) -> float | None:
    """A number that can be a time; True, NaN and what no clock says are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and 0 <= value < 1e11 else None


def count(found: Marks, steps: int) -> Count:
    """What the marks of a drill of so many steps prove."""
    attempts: dict[int, set[str]] = {}
    for mark in found.marks:
        attempts.setdefault(mark.step, set()).add(mark.attempt)  # one that ended had begun, whether its line is there
    first = min((mark.at_s for mark in found.marks), default=0.0)
    return Count(
        steps=steps,
        lost=tuple(step for step in range(1, steps + 1) if step not in found.ended),
        twice=tuple(sorted(step for step, names in attempts.items() if len(names) > 1)),
        gap_s=_gap_s(found.marks),
        workers=tuple(dict.fromkeys(mark.worker[:120] for mark in found.marks)),
        moved=any(mark.born_s > first for mark in found.marks),
        runs=len({mark.run for mark in found.marks}),
        unread=found.unread,
    )


def _gap_s(found: Sequence[Mark]) -> float | None:
    """The longest pause; None where the lines' clocks contradict their order, or a pause can't be measured yet."""
    if any(later.at_s < earlier.at_s - BACK_S for earlier, later in pairwise(found)):
        return None
    ends = {mark.step: mark.at_s for mark in reversed(found) if not mark.begins}
    begins = {mark.step: mark.at_s for mark in reversed(found) if mark.begins}
    pauses = [max(0.0, at_s - ends[step - 1]) for step, at_s in begins.items() if step - 1 in ends]
    return round(max(pauses), 3) if pauses else None


def judge(found: Count, run: Ended, *, gap_s: float) -> Result:
    """Pass: nothing lost, nothing twice, no pause beyond the limit, and a new process took over. Fail: one of the first
    three was measured false."""
    if found.twice:
        return _result("fail", "twice", steps=_steps(found.twice))
    if found.lost and not found.unread:
        return _result("fail", "lost", steps=_steps(found.lost))
    if run == "failed":
        return _result("fail", "run_failed")
    if found.gap_s is not None and found.gap_s > gap_s:
        return _result("fail", "gap", gap=_words(found.gap_s), limit=f"{gap_s:g} s")
    if found.runs > 1:
        return _result("unknown", "runs", runs=found.runs)
    if found.unread:
        return _result("unknown", "unread", unread=found.unread)
    if found.gap_s is None:
        return _result("unknown", "clock")
    if run != "completed":
        return _result("unknown", f"run_{run}")
    return _result("pass", "passed", gap=_words(found.gap_s)) if found.moved else _result("unknown", "no_deploy")


def stopped(code: str, **words: object) -> Result:
    """A drill that came to no count."""
    return _result("unknown", code, **words)


def _words(gap_s: float) -> str:
    return units.milliseconds(gap_s * 1000)


def _steps(numbers: Sequence[int]) -> str:
    return ("step " if len(numbers) == 1 else "steps ") + ", ".join(str(number) for number in numbers)


def _result(outcome: Outcome, code: str, **words: object) -> Result:
    what, fix = _SENTENCES[code]
    return Result(outcome=outcome, code=f"drill.{code}", advice=Advice(what=what.format(**words), fix=fix))


LONGER = "Grant more draining than the longest step takes, or keep a second worker connected; then drill again."
_SENTENCES: Mapping[str, tuple[str, str]] = {
    "passed": ("The deploy interrupted nothing: no step was lost or ran twice, the longest pause took {gap}.", ""),
    "twice": ("The deploy cut work: {steps} began more than once.", LONGER),
    "lost": ("The deploy lost work: {steps} never ended in the time of the drill.", LONGER),
    "run_failed": ("Inngest says that the drill's run failed.",
                   "Read the run in Inngest, then drill again."),
    "gap": ("The deploy paused work for {gap}; the limit is {limit}.",
            "Let old and new version overlap, or keep a second worker connected; then drill again."),
    "runs": ("One event started {runs} runs: the drill's function is registered more than once.",
             "Leave it registered by one application, then drill again."),
    "unread": ("{unread} lines of the drill can't be read, so the count is not sure.",
               "Look who else writes there, then drill again."),
    "clock": ("The times of the drill's lines contradict their order: pauses are not known.",
              "Set the workers' clocks, then drill again."),
    "run_open": ("All steps ended, but the run has not completed.", "Look in Inngest why, then drill again."),
    "run_unread": ("All steps ended; whether the run completed could not be read.",
                   "Fix the access to Inngest's list of runs (Dependency health names it), then drill again."),
    "no_deploy": ("No new worker took over while the drill ran: it proves nothing of a deploy.",
                  "Deploy while it runs, or make the steps longer than a deploy takes."),
    "not_begun": ("No worker began the drill within {seconds} s.",
                  "Install runtime/drill.py in the worker (docs/deployments.md), deploy it, then drill again."),
    "no_lines": ("The drill's lines can't be read: {why}.", "Correct REDIS_URL or [environments.drill] lines."),
    "deploy_failed": ("The deploy did not come about: {why}.",
                      "Correct [environments.drill] deploy, then drill again."),
}  # fmt: skip
