"""Readings, and what a probe gives. Values only: no IO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from services.evidence.model import Outcome as EvidenceOutcome

State = Literal["ok", "slow", "down", "unknown"]
LATE = ("timeout", "tls_failed", "no_connection", "name_unanswered")  # failures by which a deadline passed
FINAL = ("COMPLETED", "FAILED", "CANCELLED")  # statuses of an Inngest run that has ended


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """A number for the SLO: `value` in the SLI's unit, `good` None where unknown."""

    sli: str
    value: float | None
    good: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A fact for the verdict, which becomes evidence."""

    name: str
    outcome: EvidenceOutcome
    value: str | float | bool | None = None
    threshold: str | float | bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StepSeen:
    """One try of a step. `took_s` None while it is at work; `again`: a try of the same step came before it."""

    name: str
    started_ms: int
    took_s: float | None
    failed: bool = False
    again: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSeen:
    """A run as the server lists it; times in ms since 1970, None where it doesn't say.

    `tries`: what its trace has of its steps, None where it was not read.
    """

    id: str
    app: str
    function: str
    status: str
    queued_ms: int | None
    started_ms: int | None
    ended_ms: int | None
    tries: tuple[StepSeen, ...] | None = None

    @property
    def finished(self) -> bool:
        """A final status and an end: one without the other was seen in the middle of runs."""
        return self.status in FINAL and self.ended_ms is not None

    @property
    def wait_s(self) -> float | None:
        """Seconds from queued to started; None where the server doesn't say."""
        return _between(self.queued_ms, self.started_ms)

    @property
    def took_s(self) -> float | None:
        """Seconds from started to ended."""
        return _between(self.started_ms, self.ended_ms)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What one check found. `code` names an entry of the diagnosis table, which holds the outcome and the words.

    `detail` is raw evidence for engineers: JSON values only, never a secret; `words` fill the diagnosis' sentence.
    """

    code: str
    latency_ms: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, Any] = field(default_factory=dict)
    measures: tuple[Measure, ...] = ()
    checks: tuple[Check, ...] = ()
    version: str | None = None
    runs: tuple[RunSeen, ...] = ()  # finished Inngest runs, which the store keeps once each


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Expected trouble at an edge, as a value. `code` lacks the dependency: `refused`, `timeout`, …"""

    code: str
    detail: str
    phase: str = ""
    timings: Mapping[str, float] = field(default_factory=dict)


class Probe(Protocol):
    """One check at one dependency. `name` is unique in its environment: `redis.ping`, `queue:email`."""

    @property
    def name(self) -> str: ...

    @property
    def interval_s(self) -> float: ...

    @property
    def deadline_s(self) -> float: ...

    async def run(self, previous: Mapping[str, Any]) -> Reading:
        """Look once. `previous` is the detail of the last reading ({} at first). Never raises for a target's fault."""
        ...


def dependency_of(probe: str) -> str:
    """The dependency that a probe belongs to: `redis.ping` → `redis`; `queue:email` → `queue:email`."""
    return probe.split(".", 1)[0]


def _between(first: int | None, second: int | None) -> float | None:
    return None if first is None or second is None else max(0.0, (second - first) / 1000)
