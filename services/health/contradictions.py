"""Conflicting signals of an environment: the kinds' own, and a declared dependency's. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.advice import Advice
from services.dependencies.conflict import State, States, is_down, reported_healthy, works
from services.dependencies.registry import KINDS


@dataclass(frozen=True, kw_only=True, slots=True)
class Contradiction:
    """A conflict in an operator's words, with what to do and which probes disagree. `leads` is as in `Conflict`."""

    rule: str
    advice: Advice
    probes: tuple[str, str]
    leads: str = ""


def find(states: States) -> tuple[Contradiction, ...]:
    """Every conflict among an environment's conditions, by probe name. Stale ones must be left out before."""
    built_in = (
        Contradiction(rule=conflict.name, advice=conflict.advice, probes=conflict.probes, leads=conflict.leads)
        for kind in KINDS.values()
        for conflict in kind.conflicts
        if conflict.found(states)
    )
    # A built-in probe's detail may hold something else under that name.
    declared = (
        _of_declared(states, probe, seen)
        for probe, seen in states.items()
        if isinstance(seen.detail.get("declared"), dict)
    )
    return (*built_in, *(conflict for conflict in declared if conflict is not None))


def leading(found: Iterable[Contradiction]) -> Mapping[str, Advice]:
    """By probe, the conflict that says more than its own finding does."""
    return {conflict.leads: conflict.advice for conflict in found if conflict.leads}


def _of_declared(states: States, probe: str, seen: State) -> Contradiction | None:
    """What we measure of a declared dependency, beside what the application reports of one of that name."""
    claim = reported_healthy(states, probe)
    label = str(seen.detail["declared"].get("label") or probe)
    if claim is True and is_down(states, probe):
        advice = Advice(
            what=f"The application reports {label} healthy, but our check of it fails.",
            fix="Compare its address in greenlight.toml with the application's: they may be different servers.",
        )
        return Contradiction(rule="declared_healthy_but_down", advice=advice, probes=("dependencies", probe))
    if claim is False and works(states, probe):
        advice = Advice(
            what=f"Our check of {label} succeeds, but the application reports it unhealthy.",
            fix="Compare its address in greenlight.toml with the application's, and look at the application's log.",
        )
        return Contradiction(
            rule="declared_works_but_reported_unhealthy", advice=advice, probes=(probe, "dependencies")
        )
    return None
