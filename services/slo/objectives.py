"""The SLOs of an environment, in words and units. Settings in, a flat list out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.dependencies.kind import SliWords
from services.dependencies.registry import SLIS
from services.settings.model import DEPENDENCY_LATENCY, DEPENDENCY_SLIS, Environment, Objective
from services.settings.model import QUEUE_AGING as QUEUE

_NO_TRACES = "No trace tells. See how traces come in: docs/traces.md."
# SLIs that belong to no kind: the replays', and those that every declared dependency has.
_OWN: dict[str, SliWords] = {
    "canary_pass_rate": SliWords(
        title="Agent quality (canary)", short="canary", ratio=True, good="a canary case passed",
        not_measured="No canary ran. Name an agent of this environment under [replay] agents in the settings.",
    ),
    **{name: SliWords(title=title, short=short, unit=unit, not_measured=_NO_TRACES) for name, title, short, unit in (
        ("tool_error_rate", "Failed tool calls", "tools", "%"), ("cost_per_run", "Cost of a run", "cost", "USD"),
        ("tokens_per_run", "Tokens of a run", "tokens", ""))},
    "dependency_uptime": SliWords(
        title="Uptime", short="uptime", unit="ms", ratio=True, good="a check of it succeeded"
    ),
    "dependency_latency": SliWords(title="Latency", short="latency", unit="ms"),
}  # fmt: skip
WORDS: Mapping[str, SliWords] = _OWN | dict(SLIS)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackedSlo:
    """An objective for one series. `unit` is its values' ("" for none), `probe` None where none explains it."""

    sli: str
    objective: Objective
    unit: str
    threshold: float | None
    probe: str | None
    kind: Literal["ratio", "value"]

    @property
    def days(self) -> int:
        """The objective's window."""
        return int(self.objective.window[:-1])


def slos_of(environment: Environment) -> tuple[TrackedSlo, ...]:
    """An objective for queues, or for dependencies, becomes one for each that has none of its own."""
    named = {objective.sli for objective in environment.objectives}
    found: list[TrackedSlo] = []
    for objective in environment.objectives:
        if objective.sli not in {QUEUE, *DEPENDENCY_SLIS}:
            found.append(_tracked(environment, objective.sli, objective))
            continue
        for instance in environment.instances(objective.sli):
            sli = f"{objective.sli}:{instance}"
            if sli not in named:
                found.append(_tracked(environment, sli, objective))
    return tuple(found)


def _tracked(environment: Environment, sli: str, objective: Objective) -> TrackedSlo:
    base, _, instance = sli.partition(":")
    own = next((item for item in environment.slis if item.name == base), None)
    if own is not None:
        return TrackedSlo(
            sli=sli, objective=objective, unit=own.unit, threshold=own.threshold, probe=own.probe, kind="value"
        )
    known = WORDS.get(base, SliWords(title=base, short=base))
    threshold, probe = objective.threshold, known.probe
    if base == QUEUE:
        probe = f"queue:{instance}"
        if threshold is None:
            threshold = next((item.threshold_s for item in environment.queues if item.name == instance), None)
    if base in DEPENDENCY_SLIS:
        probe = instance
        if threshold is None and base == DEPENDENCY_LATENCY:
            threshold = next((item.slow_ms for item in environment.dependencies if item.name == instance), None)
    return TrackedSlo(
        sli=sli, objective=objective, unit=known.unit, probe=probe, kind="ratio" if known.ratio else "value",
        threshold=known.threshold(environment) if threshold is None else threshold,
    )  # fmt: skip
