"""What the page Deployments shows. Read from the store and from the files that the settings name; never probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from services import clock
from services.clock import DAY_MS
from services.deploys import history, jobs
from services.deploys.findings import Finding, Way, cost_factor, findings, ways
from services.deploys.forecast import Forecast, forecast
from services.deploys.history import Past
from services.deploys.light import Light, light
from services.deploys.platform import Field, Platform, read
from services.evidence import decisions
from services.evidence.freshness import reading_is_stale
from services.settings.model import Environment, Settings
from services.store import Store, conditions, inngest_runs
from services.store.inngest_runs import Durations

RUNS = "inngest.runs"  # the probe that reads the list of runs
SINCE_DAYS = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployments:
    """The view-model of an environment. `again_by_hand`: runs that were run again through Greenlight in 7 days."""

    environment: str
    simulated: bool
    as_of_ms: int
    light: Light
    platform: Platform
    findings: tuple[Finding, ...]
    ways: tuple[Way, ...]
    past: tuple[Past, ...]
    forecast: tuple[Forecast, ...]
    granted_s: int  # overlap and draining together
    deploys_a_month: float | None
    cost_factor: float | None
    again_by_hand: int


def view(store: Store, settings: Settings, name: str, now_ms: int) -> Deployments:
    """Raises UnknownEnvironment or StoreError."""
    environment = settings.environment(name)
    now = clock.from_ms(now_ms)
    platform = read(environment.env_path, tuple(settings.settings_dir / file for file in settings.deploys.files), name)
    with store.read() as connection:
        found = {c.probe: c for c in conditions.load(connection, name)}.get(RUNS)
        durations = inngest_runs.durations(connection, name, since_ms=now_ms - SINCE_DAYS * DAY_MS)
        past = history.read(connection, name, now_ms)
        changed = decisions.history(connection, name, "run")
        own = jobs.read(connection, environment)
    rate = history.a_month(past, now_ms)
    overlap = platform.seconds("overlap", now)
    granted = overlap + platform.seconds("draining", now)
    longest = max((d.longest_s for d in durations), default=None)
    return Deployments(
        environment=name,
        simulated=environment.simulated,
        as_of_ms=now_ms,
        light=_light(environment, found, durations, own, now_ms),
        platform=platform,
        findings=findings(platform, now, deploys_a_month=rate),
        ways=ways(longest),
        past=past,
        forecast=forecast(durations, granted),
        granted_s=granted,
        deploys_a_month=rate,
        cost_factor=None if rate is None else cost_factor(overlap, rate),
        again_by_hand=sum(d.detail.get("what") == "rerun" and d.at_ms >= now_ms - 7 * DAY_MS for d in changed),
    )


def _light(
    environment: Environment, found: conditions.Condition | None, durations: Sequence[Durations],
    own: tuple[jobs.Running, Mapping[str, Sequence[float]]], now_ms: int,
) -> Light:  # fmt: skip
    """Runs as the worker read them last, and jobs that report. Where runs aren't known, jobs alone are listed."""
    running, took = own
    as_of_ms, why = now_ms, ""
    if environment.server is None:
        why = "Greenlight does not know this environment's Inngest server: set inngest.api_url."
    elif found is None or "running" not in found.detail:
        why = "Its list of runs was not read yet."
    elif reading_is_stale(found.at_ms, found.interval_s, now_ms) or found.outcome == "unknown":
        as_of_ms, why = found.at_ms, "Its list of runs could not be read lately."
    else:
        as_of_ms = found.at_ms
        running = [*running, *((str(id_), str(function), int(at)) for id_, function, at in found.detail["running"])]
    made = light(running, {d.function: d.all_s for d in durations} | dict(took), as_of_ms=as_of_ms)
    return replace(made, clear=None, why=why) if why else made


def document(found: Deployments) -> dict[str, Any]:
    """The same as JSON."""
    now = clock.from_ms(found.as_of_ms)
    return {
        "environment": found.environment,
        "simulated": found.simulated,
        "as_of": clock.iso(found.as_of_ms),
        "light": gate_document(found.environment, found.light),
        "settings": {
            field: None if value is None else {"value": value.value, "source": value.source}
            for field in get_args(Field) for value in [found.platform.effective(field, now)]
        },
        "findings": [{"code": f.code, "severity": f.severity} | f.advice.as_detail() for f in found.findings],
        "granted_s": found.granted_s,
        "forecast": [
            {"function": f.function, "runs": f.runs, "p50_s": f.p50_s, "p95_s": f.p95_s, "longest_s": f.longest_s,
             "longer": f.longer, "at_most": f.at_most, "risk": f.risk}
            for f in found.forecast
        ],
        "deploys_a_month": found.deploys_a_month,
        "cost_factor": found.cost_factor,
        "again_by_hand_7d": found.again_by_hand,
        "deploys": [
            {"version": p.deploy.version, "at": clock.iso(p.deploy.at_ms), "source": p.deploy.source,
             "note": p.deploy.note, "readiness_gap_s": p.gap_s, "healthy_after_s": p.healthy_after_s,
             "confirmed": p.is_confirmed, "failed_runs": p.failed_runs}
            for p in found.past
        ],
    }  # fmt: skip


def gate_document(environment: str, found: Light) -> dict[str, Any]:
    """The light as pipelines read it: `clear` null where it is not known."""
    return {
        "environment": environment,
        "clear": found.clear,
        "why": found.why,
        "in_flight": [
            {"function": run.function, "step": None, "run_id": run.run_id, "since": clock.iso(run.since_ms),
             "expected_s": run.expected_s}
            for run in found.at_work
        ],
        "clear_in_s": found.clear_in_s,
        "as_of": clock.iso(found.as_of_ms),
    }  # fmt: skip
