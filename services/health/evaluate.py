"""The state of an environment, and how strict its policy is. Pure: conditions and time in, values out.

Source: domain.md §2.2. `ready = all(healthy for required)`; a dependency that is down and not required leaves the
environment degraded, never green; strict means that the running app reports `required: true`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from services.dependencies.model import State, dependency_of
from services.dependencies.registry import MINOR
from services.dependencies.tables import STRICT
from services.evidence.freshness import reading_is_stale
from services.health.contradictions import Contradiction, find
from services.health.hysteresis import is_confirming
from services.store.conditions import Condition

EnvironmentState = Literal["ready", "degraded", "not_ready", "unknown"]
Policy = Literal["strict", "relaxed", "mixed", "unknown"]
NEVER = "prober.never"
UNSEEN = frozenset({NEVER, "prober.stale"})
_RANK: Mapping[str, int] = {"down": 3, "unknown": 2, "slow": 1, "ok": 0}


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependency:
    """A dependency of an environment: the worst of its probes. `required` and `reported_healthy` as the app says."""

    name: str
    state: State
    stale: bool
    required: bool | None
    reported_healthy: bool | None
    configured: bool
    leading: Condition  # the probe that decides
    probes: tuple[Condition, ...]
    measured: bool = True  # by us; False where only the application's own report speaks of it
    label: str = ""  # how a declared one is called
    kind: str = ""  # and its kind

    @property
    def healthy(self) -> bool | None:
        """Measured by us: ok and slow are healthy, down is not, unknown is unknown."""
        return None if self.state == "unknown" else self.state != "down"


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """What an environment's conditions add up to. `stale`: its readiness was not measured lately."""

    environment: str
    state: EnvironmentState
    policy: Policy
    version: str | None
    dependencies: tuple[Dependency, ...]
    contradictions: tuple[Contradiction, ...]
    measured_ms: int | None
    stale: bool

    @property
    def confirming(self) -> tuple[Condition, ...]:
        """What fails, but not yet often enough in a row to be down."""
        return tuple(p for d in self.dependencies for p in d.probes if is_confirming(p.outcome, p.state))


def current(condition: Condition, now_ms: int) -> Condition:
    """The condition as it may be shown now: one too old is unknown, whatever it was."""
    if condition.code == NEVER:
        return condition
    if not reading_is_stale(condition.at_ms, condition.interval_s, now_ms):
        return condition
    since = condition.at_ms + int(condition.interval_s * 2000)
    return replace(condition, state="unknown", outcome="unknown", since_ms=since, code="prober.stale")


def never_seen(environment: str, probe: str, interval_s: float) -> Condition:
    """Stands for a probe that is configured but has no result yet: unknown, which is never good."""
    return Condition(
        environment=environment,
        probe=probe,
        at_ms=0,
        interval_s=interval_s,
        state="unknown",
        since_ms=0,
        outcome="unknown",
        failures=0,
        successes=0,
        code=NEVER,
        latency_ms=None,
    )


def evaluate(
    environment: str, conditions: Iterable[Condition], now_ms: int, *, strict: Sequence[str] = STRICT
) -> Health:
    """The state of an environment from its probes' newest results. `strict`: what strict mode is about."""
    found = {condition.probe: condition for condition in conditions}
    shown = {name: current(condition, now_ms) for name, condition in found.items()}
    reported = _reported(shown.get("dependencies"))
    dependencies = tuple(
        _dependency(name, [shown[p] for p in shown if dependency_of(p) == name], found, reported)
        for name in dict.fromkeys(dependency_of(probe) for probe in shown)
    )
    dependencies += _only_reported(shown.get("dependencies"), reported, {d.name for d in dependencies})
    contradictions = _conflicts(shown)
    readiness = found.get("readiness")
    return Health(
        environment=environment,
        state=_state(dependencies, contradictions),
        policy=_policy(reported, strict),
        version=_version(readiness),
        dependencies=dependencies,
        contradictions=contradictions,
        measured_ms=max((c.at_ms for c in found.values() if c.code != NEVER), default=None),
        stale="readiness" in shown and shown["readiness"].code == "prober.stale",
    )


def conflicts(conditions: Iterable[Condition], now_ms: int) -> tuple[Contradiction, ...]:
    """Conflicting signals among the probes' newest results."""
    return _conflicts({condition.probe: current(condition, now_ms) for condition in conditions})


def _conflicts(shown: Mapping[str, Condition]) -> tuple[Contradiction, ...]:
    return find({name: c for name, c in shown.items() if c.code not in UNSEEN})


def _reported(report: Condition | None) -> Mapping[str, Mapping[str, Any]]:
    if report is None or report.state == "unknown":
        return {}
    found = report.detail.get("reported")
    return found if isinstance(found, dict) else {}


def _dependency(
    name: str, probes: list[Condition], found: Mapping[str, Condition], reported: Mapping[str, Mapping[str, Any]]
) -> Dependency:
    informative = [p for p in probes if p.code not in MINOR] or probes
    leading = max(informative, key=lambda p: _RANK.get(p.state, 2))
    claim = reported.get(name, {})
    declared: Mapping[str, Any] = next(
        (p.detail["declared"] for p in probes if isinstance(p.detail.get("declared"), dict)), {}
    )
    required = declared.get("required") or claim.get("required", declared.get("required"))
    if name == "readiness":
        required = True  # the contract's own answer: an environment that isn't ready is not ready
    return Dependency(
        name=name,
        state=leading.state,  # type: ignore[arg-type]  # the store holds what hysteresis made
        stale=leading.code == "prober.stale",
        required=required if isinstance(required, bool) else None,
        reported_healthy=claim.get("healthy") if isinstance(claim.get("healthy"), bool) else None,
        configured=not any(found[p.probe].code.endswith((".not_configured", ".no_token")) for p in probes),
        leading=leading,
        probes=tuple(probes),
        label=str(declared.get("label") or ""),
        kind=str(declared.get("kind") or ""),
    )


def _only_reported(
    report: Condition | None, reported: Mapping[str, Mapping[str, Any]], known: Collection[str]
) -> tuple[Dependency, ...]:
    """What the application reports and nobody here measures: a row of its own, which says whose word it is."""
    if report is None:
        return ()
    found = []
    for name, claim in reported.items():
        healthy, required = claim.get("healthy"), claim.get("required")
        if name in known or not isinstance(healthy, bool):
            continue
        state: State = "ok" if healthy else "down"
        code = "reported.healthy" if healthy else "reported.unhealthy"
        row = replace(report, probe=name, state=state, outcome=state, code=code, latency_ms=None,
                      detail={"words": {"label": name}})  # fmt: skip
        found.append(
            Dependency(
                name=name, state=state, stale=False, required=required if isinstance(required, bool) else None,
                reported_healthy=healthy, configured=True, leading=row, probes=(row,), measured=False,
            )
        )  # fmt: skip
    return tuple(found)


def _state(dependencies: tuple[Dependency, ...], contradictions: tuple[Contradiction, ...]) -> EnvironmentState:
    by_name = {dependency.name: dependency for dependency in dependencies}
    readiness = by_name.get("readiness")
    if readiness is None:
        return "unknown"
    required = [d for d in dependencies if d.required]
    if readiness.state == "down" or any(d.state == "down" for d in required):
        return "not_ready"
    if readiness.state == "unknown":
        return "unknown"
    # What the app requires but we can't see ourselves: its own report speaks for it, else it is unknown.
    unseen = [d for d in required if d.state == "unknown" and d.reported_healthy is not True]
    if unseen:
        return "not_ready" if any(d.reported_healthy is False for d in unseen) else "unknown"
    watched = [d for d in dependencies if d.configured]
    if any(probe.code in UNSEEN for d in watched for probe in d.probes):
        return "unknown"  # not "degraded": that would claim a blemish where nothing was measured
    blemished = any(d.state != "ok" for d in watched) or bool(contradictions)
    return "degraded" if blemished else "ready"


def _policy(reported: Mapping[str, Mapping[str, Any]], strict: Sequence[str]) -> Policy:
    flags = [reported.get(name, {}).get("required") for name in strict]
    if not all(isinstance(flag, bool) for flag in flags):
        return "unknown"
    if all(flags):
        return "strict"
    return "mixed" if any(flags) else "relaxed"


def _version(readiness: Condition | None) -> str | None:
    body = readiness.detail.get("body") if readiness is not None else None
    version = body.get("version") if isinstance(body, dict) else None
    return str(version) if version is not None else None
