"""Whether now is a good moment to deploy: what is at work, and when it will be done, by what such runs took. Pure.

How long a run still takes is read off those that took longer than it has: of these, the time that half of them,
and that eight of ten, took from here on. A run is counted from when it was queued, since no list tells when it began.
Runs that sleep, wait for something or have not begun are counted apart: a deploy interrupts none of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.dependencies.inngest.flight import InFlight
from services.store.durations import Durations

FEW = 5  # with fewer finished runs of a function, nothing is said of how long they take
WORTH_S = 900.0  # waiting longer than this saves less than it costs, unless a run's end is nearer


@dataclass(frozen=True, kw_only=True, slots=True)
class AtWork:
    """A run that has not ended. `expected_s` and `within_s`: half, and eight of ten, are done so many seconds from now;
    None where too few such runs are known, or none took as long as this one."""

    run_id: str
    function: str
    since_ms: int
    step: str | None = None
    step_since_ms: int | None = None
    expected_s: float | None = None
    within_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """`clear`: nothing is at work. None: it is not known, and `why` says why not.

    `clear_in_s`, `within_s`: when all is done, half of the times and eight times of ten; None while that isn't known.
    """

    clear: bool | None
    as_of_ms: int
    why: str = ""
    at_work: tuple[AtWork, ...] = ()
    idle: int = 0  # runs that a deploy does not interrupt

    @property
    def clear_in_s(self) -> float | None:
        """When the last is expected to be done."""
        return _last(run.expected_s for run in self.at_work)

    @property
    def within_s(self) -> float | None:
        """When the last is done eight times of ten, each taken by itself."""
        return _last(run.within_s for run in self.at_work)

    @property
    def oldest_ms(self) -> int | None:
        """Since when the oldest is at work."""
        return min((run.since_ms for run in self.at_work), default=None)


def _last(values: object) -> float | None:
    found = list(values)  # type: ignore[call-overload]
    return None if any(value is None for value in found) else max(found, default=0.0)


def light(running: Sequence[InFlight], took: Mapping[str, Durations], *, as_of_ms: int, idle: int = 0) -> Light:
    """From what is at work, and how long such work took in all, by function."""
    found = tuple(
        AtWork(run_id=run.id, function=run.function, since_ms=run.since_ms, step=run.step,
               step_since_ms=run.step_since_ms, **_left((as_of_ms - run.since_ms) / 1000, took.get(run.function)))
        for run in sorted(running, key=lambda run: run.since_ms)
    )  # fmt: skip
    return Light(clear=not found, as_of_ms=as_of_ms, at_work=found, idle=idle)


def _left(been_s: float, took: Durations | None) -> dict[str, float | None]:
    """Half and eight of ten of the runs that took longer than this one has, from here on."""
    if took is None or took.known < FEW:
        return {"expected_s": None, "within_s": None}
    return {"expected_s": took.left_s(been_s, 0.5), "within_s": took.left_s(been_s, 0.8)}


def words(found: Light) -> tuple[str, str]:
    """The answer in a sentence, and the next step."""
    if found.clear is None:
        return f"It is not known whether anything is at work. {found.why}".rstrip(), "Ask in Inngest before you deploy."
    if found.clear:
        waits = "sleeps or waits" if found.idle == 1 else "sleep or wait"
        idle = f" {_runs(found.idle)} {waits}." if found.idle else ""
        return f"Nothing is at work: a deploy interrupts nothing now.{idle}", "Deploy now, before the next run begins."
    count = len(found.at_work)
    what = "A run is at work" if count == 1 else f"{count} runs are at work"
    if found.clear_in_s is None or found.within_s is None:
        return f"{what}; too few such runs are known to say when it is done.", "Wait until the list is empty."
    likely = f"{what}: clear in about {_minutes(found.clear_in_s)}, 8 of 10 times within {_minutes(found.within_s)}."
    if found.within_s > WORTH_S:
        return likely, f"Waiting longer than {_minutes(WORTH_S)} costs more than it saves: deploy with enough draining."
    return likely, f"Wait, {_minutes(found.within_s)} at most; then look again."


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def _minutes(seconds: float) -> str:
    return f"{math.ceil(seconds)} s" if seconds < 90 else f"{math.ceil(seconds / 60)} min"
