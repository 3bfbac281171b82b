"""Conflicting signals: which answers of the probes can't both be true. The tools that kinds write theirs with.

Source: domain.md §2 (the application's report is a claim, our probe a measurement). Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from services.advice import Advice


class State(Protocol):
    """What a conflict needs to know of a probe's condition."""

    @property
    def state(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def detail(self) -> Mapping[str, Any]: ...


States = Mapping[str, State]


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """Two probes whose answers can't both be true where `found(states)`, and what to do about it.

    `leads`: the probe whose own finding it replaces, as that finding's fix would look for a fault that isn't there.
    """

    name: str
    probes: tuple[str, str]
    found: Callable[[States], bool]
    advice: Advice
    leads: str = ""


def is_down(states: States, probe: str, code: str | None = None) -> bool:
    """Down after hysteresis: one bad check against a report a minute old is no conflict yet."""
    seen = states.get(probe)
    return seen is not None and seen.state == "down" and code in {None, seen.code}


def works(states: States, probe: str) -> bool:
    """Healthy, and not just failing: a check that failed may be the first of three."""
    seen = states.get(probe)
    return seen is not None and {seen.state, seen.outcome} <= {"ok", "slow"}


def reported_healthy(states: States, dependency: str) -> object:
    """What the application's report says of a dependency; None where it says nothing."""
    seen = states.get("dependencies")
    entry = (seen.detail.get("reported") or {}).get(dependency) if seen is not None else None
    return entry.get("healthy") if isinstance(entry, dict) else None


def reported_ready(states: States) -> object:
    """Whether the application's report says that it is ready; None where it says nothing."""
    seen = states.get("dependencies")
    return seen.detail.get("ready") if seen is not None else None
