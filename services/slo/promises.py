"""Which promises does an environment make, and in which words and units? Settings in, a flat list out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.settings.model import DEPENDENCY_SLIS, Environment, Objective
from services.settings.model import QUEUE_AGING as QUEUE

UNITS = {
    "redis_ping_latency": "ms",
    "redis_write_latency": "ms",
    "inngest_queue_wait": "s",
    QUEUE: "s",
    "readiness_uptime": "ms",
    "dependency_uptime": "ms",
    "dependency_latency": "ms",
}
RATIOS = frozenset({"readiness_uptime", "inngest_run_success", "canary_pass_rate", "dependency_uptime"})
# Which probe's states explain an SLI's bad events.
PROBES = {
    "readiness_uptime": "readiness",
    "redis_ping_latency": "redis.ping",
    "redis_write_latency": "redis.write",
    "inngest_run_success": "inngest",
    "inngest_queue_wait": "inngest",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
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


def promises(environment: Environment) -> tuple[Promise, ...]:
    """An objective for queues, or for dependencies, becomes one for each that has none of its own."""
    named = {objective.sli for objective in environment.objectives}
    found: list[Promise] = []
    for objective in environment.objectives:
        if objective.sli not in {QUEUE, *DEPENDENCY_SLIS}:
            found.append(_promise(environment, objective.sli, objective))
            continue
        for instance in environment.instances(objective.sli):
            sli = f"{objective.sli}:{instance}"
            if sli not in named:
                found.append(_promise(environment, sli, objective))
    return tuple(found)


def _promise(environment: Environment, sli: str, objective: Objective) -> Promise:
    base, _, instance = sli.partition(":")
    own = next((item for item in environment.slis if item.name == base), None)
    threshold = objective.threshold if own is None else own.threshold
    probe = PROBES.get(base)
    if base == QUEUE:
        probe = f"queue:{instance}"
        if threshold is None:
            threshold = next((item.threshold_s for item in environment.queues if item.name == instance), None)
    if base in DEPENDENCY_SLIS:
        probe = instance
        if threshold is None and base == "dependency_latency":
            threshold = next((item.slow_ms for item in environment.dependencies if item.name == instance), None)
    if own is not None:
        probe = own.probe
    if base == "redis_ping_latency" and threshold is None:
        threshold = environment.redis.ping_slow_ms
    if base == "redis_write_latency" and threshold is None:
        threshold = environment.redis.write_slow_ms
    return Promise(
        sli=sli, objective=objective, unit=own.unit if own is not None else UNITS.get(base, ""), threshold=threshold,
        probe=probe, kind="ratio" if base in RATIOS else "value",
    )  # fmt: skip
