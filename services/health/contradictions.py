"""Which of the probes' answers can't both be true? Each contradiction is a finding of its own.

Source: domain.md §2 (the app's report is a claim, our probe a measurement). Pure: conditions in, findings out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.advice import Advice
from services.store.conditions import Condition

Conditions = Mapping[str, Condition]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contradiction:
    """A contradiction in an operator's words, with what to do and which probes disagree."""

    rule: str
    advice: Advice
    probes: tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pair:
    name: str
    probes: tuple[str, str]
    contradicts: Callable[[Conditions], bool]
    advice: Advice


def _state(conditions: Conditions, probe: str) -> str:
    """The state after hysteresis: one bad check against a report a minute old is no contradiction yet."""
    found = conditions.get(probe)
    return found.state if found is not None else "unknown"


def _works(conditions: Conditions, probe: str) -> bool:
    """Well, and not just failing: a check that failed may be the first of three."""
    found = conditions.get(probe)
    return found is not None and {found.state, found.outcome} <= {"ok", "slow"}


def _is(conditions: Conditions, probe: str, code: str) -> bool:
    found = conditions.get(probe)
    return found is not None and found.state == "down" and found.code == code


def _reported(conditions: Conditions, dependency: str, field: str) -> object:
    found = conditions.get("dependencies")
    entry = (found.detail.get("reported") or {}).get(dependency) if found is not None else None
    return entry.get(field) if isinstance(entry, dict) else None


def _report_ready(conditions: Conditions) -> object:
    found = conditions.get("dependencies")
    return found.detail.get("ready") if found is not None else None


RULES: tuple[_Pair, ...] = (
    _Pair(
        name="ready_but_no_writes",
        probes=("readiness", "redis.write"),
        contradicts=lambda c: _works(c, "readiness") and _works(c, "redis.ping") and _state(c, "redis.write") == "down",
        advice=Advice(
            what="The application says ready, but Redis refuses our write.",
            fix="Trust the write: the application's own check only looks whether Redis answers. Fix Redis.",
        ),
    ),
    _Pair(
        name="ready_but_report_says_not",
        probes=("readiness", "dependencies"),
        contradicts=lambda c: _works(c, "readiness") and _report_ready(c) is False,
        advice=Advice(
            what="The readiness route says ready, the dependency report says not ready.",
            fix="Look at the application: both routes must use the same rule.",
        ),
    ),
    _Pair(
        name="report_ready_but_not",
        probes=("dependencies", "readiness"),
        contradicts=lambda c: _is(c, "readiness", "readiness.not_ready") and _report_ready(c) is True,
        advice=Advice(
            what="The dependency report says ready, the readiness route says not ready.",
            fix="Look at the application: both routes must use the same rule.",
        ),
    ),
    _Pair(
        name="redis_healthy_but_silent",
        probes=("dependencies", "redis.ping"),
        contradicts=lambda c: _reported(c, "redis", "healthy") is True and _state(c, "redis.ping") == "down",
        advice=Advice(
            what="The application reports Redis healthy, but our PING fails.",
            fix="Compare REDIS_URL here with the application's: they may be different servers, or networks.",
        ),
    ),
    _Pair(
        name="redis_answers_but_reported_ill",
        probes=("redis.ping", "dependencies"),
        contradicts=lambda c: (
            _works(c, "redis.ping") and _works(c, "redis.write") and _reported(c, "redis", "healthy") is False
        ),
        advice=Advice(
            what="Redis answers and takes our write, but the application reports it unhealthy.",
            fix="Compare REDIS_URL here with the application's, and restart the application if they are equal.",
        ),
    ),
    _Pair(
        name="inngest_healthy_but_route_ill",
        probes=("dependencies", "inngest"),
        contradicts=lambda c: _reported(c, "inngest", "healthy") is True and _state(c, "inngest") == "down",
        advice=Advice(
            what="The application reports Inngest healthy, but its Inngest route is not in order.",
            fix="Trust the route: its own row says what is wrong.",
        ),
    ),
    _Pair(
        name="token_refused",
        probes=("readiness", "dependencies"),
        contradicts=lambda c: _works(c, "readiness") and _is(c, "dependencies", "dependencies.token_refused"),
        advice=Advice(
            what="The application is up but refuses our dashboard token, so its own report stays closed.",
            fix="Put the application's current DASHBOARD_AUTH_TOKEN into this environment's env file.",
        ),
    ),
)


def find(conditions: Conditions) -> tuple[Contradiction, ...]:
    """Every contradiction among an environment's conditions, by probe name. Stale ones must be left out before."""
    built_in = (
        Contradiction(rule=rule.name, advice=rule.advice, probes=rule.probes)
        for rule in RULES
        if rule.contradicts(conditions)
    )
    # A built-in probe's detail may hold something else under that name.
    declared = (
        _of_declared(conditions, probe, found)
        for probe, found in conditions.items()
        if isinstance(found.detail.get("declared"), dict)
    )
    return (*built_in, *(finding for finding in declared if finding is not None))


def _of_declared(conditions: Conditions, probe: str, found: Condition) -> Contradiction | None:
    """What we measure of a declared dependency, beside what the application reports of one of that name."""
    claim = _reported(conditions, probe, "healthy")
    label = str(found.detail["declared"].get("label") or probe)
    if claim is True and found.state == "down":
        return Contradiction(
            rule="declared_healthy_but_down", probes=("dependencies", probe),
            advice=Advice(
                what=f"The application reports {label} healthy, but our check of it fails.",
                fix="Compare its address in greenlight.toml with the application's: they may be different servers.",
            ),
        )  # fmt: skip
    if claim is False and _works(conditions, probe):
        return Contradiction(
            rule="declared_works_but_reported_unhealthy", probes=(probe, "dependencies"),
            advice=Advice(
                what=f"Our check of {label} succeeds, but the application reports it unhealthy.",
                fix="Compare its address in greenlight.toml with the application's, and look at the application's log.",
            ),
        )  # fmt: skip
    return None
