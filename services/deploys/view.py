"""What the page Deployments shows. Read from the store and from the files that the settings name; never probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Connection

from services import clock
from services.dependencies.inngest.flight import InFlight
from services.deploys import after, asked, history, in_flight, jobs, releases, success
from services.deploys import forecast as forecasts
from services.deploys import known as platforms
from services.deploys.api import BROKE, Deployment
from services.deploys.asked import Asked
from services.deploys.findings import (
    EDGE_S,
    Finding,
    Way,
    cost_factor,
    edge,
    findings,
    of_asking,
    ordered,
    too_short,
    unconfirmed,
    unnamed,
    ways,
)
from services.deploys.forecast import Forecast, Needed, Toll, forecast, needed, toll
from services.deploys.history import Measured, Past
from services.deploys.light import Light, light
from services.deploys.platform import Field, Platform
from services.deploys.success import Success
from services.env_files.document import UnreadableSource
from services.env_files.reading import read_file
from services.evidence.freshness import reading_is_stale
from services.settings.model import Environment, Settings
from services.store import Store, conditions
from services.store.conditions import Condition
from services.store.durations import Durations

RUNS, SYNC = "inngest.runs", "inngest.sync"  # the probes that read the list of runs, and how the application is reached
STREAMS = "INNGEST_STREAMING"  # set to force, a step served over HTTP sends data while it works


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployments:
    """The view-model of an environment."""

    environment: str
    simulated: bool
    as_of_ms: int
    light: Light
    platform: Platform
    findings: tuple[Finding, ...]
    ways: tuple[Way, ...]
    past: tuple[Past, ...]
    broke: tuple[Deployment, ...]  # that the platform calls failed or crashed
    forecast: tuple[Forecast, ...]
    toll: Toll | None
    needed: Needed | None
    granted_s: int  # overlap and draining together
    is_named: bool  # whether the platform is known; without, 0 s is assumed
    price: float | None  # of a step that is cut
    deploys_a_month: float | None
    cost_factor: float | None
    week: Success
    since_settings: Success | None  # since the settings are as they are; None before that was seen


def view(store: Store, settings: Settings, name: str, now_ms: int) -> Deployments:
    """Raises UnknownEnvironment or StoreError."""
    environment = settings.environment(name)
    with store.read() as connection:
        return seen(connection, settings, environment, now_ms)


def seen(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Deployments:
    """The same on a connection that is open. Raises StoreError."""
    name, now, price = environment.name, clock.from_ms(now_ms), settings.deploys.cost_per_step
    platform = platform_of(connection, settings, environment, now_ms)
    told = asked.load(connection, settings, name)
    found = {c.probe: c for c in conditions.load(connection, name)}
    runs, ran, steps = forecasts.load(connection, name, now_ms)
    past = history.read(connection, name, now_ms, measured(environment, platform, found.get(RUNS), now))
    shown = _light(connection, environment, found.get(RUNS), runs, now_ms)
    week = success.since(connection, name, past, now_ms - success.WEEK_MS, now_ms, price)
    changed = success.settings_since(connection, name)
    since = None if changed is None else success.since(connection, name, past, changed, now_ms, price)
    rate = history.a_month(past, now_ms)
    granted = granted_s(platform, now)
    made = forecast(steps, runs, ran, granted, now_ms)
    if settings.deploys.platform is not None and told.grants() and told.is_old(now_ms):
        made = tuple(replace(item, risk="unknown") if item.risk == "safe" else item for item in made)
    wanted = needed(steps, runs)
    wrong = [*settings_findings(settings, environment, told, platform, rate, wanted, now_ms), *_not_confirmed(past)]
    wrong += _beyond_the_edge(environment, made, found.get(SYNC))
    overlap = platform.seconds("overlap", now)
    return Deployments(
        environment=name,
        simulated=environment.simulated,
        as_of_ms=now_ms,
        light=shown,
        platform=platform,
        findings=ordered(wrong),
        ways=ways(wanted, now),
        past=past,
        broke=tuple(d for d in told.deployments if d.status in BROKE),
        forecast=made,
        toll=toll(made, cost_per_step=price, deploys_a_month=rate),
        needed=wanted,
        granted_s=granted,
        is_named=is_named(settings, platform),
        price=price,
        deploys_a_month=rate,
        cost_factor=None if rate is None else cost_factor(overlap, rate),
        week=week,
        since_settings=since,
    )


def platform_of(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Platform:
    """What holds of the platform's settings: as its API says, and as is written. Raises StoreError."""
    return platforms.of(settings, environment, asked.load(connection, settings, environment.name), now_ms)


def is_named(settings: Settings, platform: Platform) -> bool:
    """Whether anything says on which platform the environment is deployed. Without, nothing holds of its settings."""
    return settings.deploys.platform is not None or bool(settings.deploys.files or platform.values or platform.unread)


def settings_findings(
    settings: Settings, environment: Environment, told: Asked, platform: Platform, deploys_a_month: float | None,
    wanted: Needed | None, now_ms: int,
) -> tuple[Finding, ...]:  # fmt: skip
    """What is wrong with the settings, or that they aren't known. `wanted`: what measured steps need."""
    if not is_named(settings, platform):
        return (unnamed(),)
    now = clock.from_ms(now_ms)
    found = list(findings(platform, now, deploys_a_month=deploys_a_month))
    found += of_asking(told, platform, why_not=asked.why_not(settings, environment), now_ms=now_ms,
                       variable=environment.platform_token, service=settings.deploys.service or "")  # fmt: skip
    granted = granted_s(platform, now)
    unset = any(item.code.endswith("_unset") for item in found)
    if wanted is not None and wanted.seconds > granted and not unset:
        found.append(too_short(granted, wanted))
    return tuple(found)


def granted_s(platform: Platform, now: datetime) -> int:
    """Seconds that a deploy grants to a step in progress. A volume keeps versions from overlapping."""
    overlap = 0 if platform.effective("volume", now) is not None else platform.seconds("overlap", now)
    return overlap + platform.seconds("draining", now)


def measured(environment: Environment, platform: Platform, runs: Condition | None, now: datetime) -> Measured:
    """How what comes after a deploy is measured there."""
    slo = next((o for o in environment.objectives if o.sli == "readiness_uptime" and o.target < 1), None)
    detail: Mapping[str, Any] = {} if runs is None else runs.detail
    return Measured(
        granted_s=granted_s(platform, now),
        budget_s=None if slo is None else (1 - slo.target) * int(slo.window[:-1]) * 86_400,
        knows_tries=bool(detail.get("kind")) and detail["kind"] != "cloud" and detail.get("graphql") is not False,
    )


def _light(
    connection: Connection, environment: Environment, found: Condition | None, runs: Sequence[Durations], now_ms: int
) -> Light:
    """What is at work as it was read last, and jobs that report. Where runs aren't known, jobs alone are listed."""
    running, took = jobs.read(connection, environment)
    took = {item.function: item for item in runs} | took
    looked = in_flight.load(connection, environment.name)
    if looked is not None and now_ms - looked.at_ms < in_flight.LOOKS_MS:
        made = light([*running, *looked.flight.runs], took, as_of_ms=looked.at_ms, idle=looked.flight.idle)
        return replace(made, clear=None, why=looked.why) if looked.why else made
    as_of_ms, why = now_ms, ""
    if environment.server is None:
        why = "Greenlight does not know this environment's Inngest server: set inngest.api_url."
    elif found is None or "running" not in found.detail:
        why = "Its list of runs was not read yet."
    elif reading_is_stale(found.at_ms, found.interval_s, now_ms) or found.outcome == "unknown":
        as_of_ms, why = found.at_ms, "Its list of runs could not be read lately."
    else:
        as_of_ms = found.at_ms
        running += [InFlight(id=str(id_), function=str(function), since_ms=int(at))
                    for id_, function, at in found.detail["running"]]  # fmt: skip
    made = light(running, took, as_of_ms=as_of_ms)
    return replace(made, clear=None, why=why) if why else made


def _not_confirmed(past: Sequence[Past]) -> list[Finding]:
    """Of the newest deploy alone: those before it are over."""
    if not past or past[0].is_confirmed is not False:
        return []
    return [unconfirmed(past[0].deploy.version, after.missing(past[0].check))]


def _beyond_the_edge(environment: Environment, found: Sequence[Forecast], sync: Condition | None) -> list[Finding]:
    """The longest step that is served over HTTP without streaming, where it lasts too long."""
    longest = next((item for item in found if item.step), None)
    if longest is None or longest.longest_s <= EDGE_S or (sync is not None and sync.detail.get("connected")):
        return []
    return [] if _streams(environment) else [edge(longest.function, longest.step, longest.longest_s)]


def _streams(environment: Environment) -> bool:
    if environment.env_path is None:
        return False
    try:
        return read_file(environment.env_path).filled(STREAMS).strip().lower() == "force"
    except UnreadableSource:
        return False


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
        "granted_s": found.granted_s if found.is_named else None,
        "forecast": [
            {"function": f.function, "step": f.step or None, "tries": f.tries, "p50_s": f.p50_s, "p95_s": f.p95_s,
             "longest_s": f.longest_s, "longer": f.longer, "at_most": f.at_most, "risk": f.risk,
             "cut_per_deploy": f.expected, "cut_at_least": f.low, "cut_at_most": f.high}
            for f in found.forecast
        ],
        "cut_per_deploy": None if found.toll is None else asdict(found.toll),
        "needed_s": None if found.needed is None else asdict(found.needed),
        "deploys_a_month": found.deploys_a_month,
        "cost_factor": found.cost_factor,
        "week": asdict(found.week),
        "since_settings_changed": None if found.since_settings is None else asdict(found.since_settings),
        "deploys": [
            {"version": p.deploy.version, "at": clock.iso(p.deploy.at_ms), "source": p.deploy.source,
             "note": p.deploy.note} | releases.who(p.deploy) | history.as_json(p)
            for p in found.past
        ],
        "failed_deploys": [releases.as_detail(d) | {"at": clock.iso(d.created_ms)} for d in found.broke],
    }  # fmt: skip


def gate_document(environment: str, found: Light) -> dict[str, Any]:
    """The light as pipelines read it: `clear` null where it is not known."""
    return {
        "environment": environment,
        "clear": found.clear,
        "why": found.why,
        "in_flight": [
            {"function": run.function, "step": run.step, "run_id": run.run_id, "since": clock.iso(run.since_ms),
             "expected_s": run.expected_s}
            for run in found.at_work
        ],
        "clear_in_s": found.clear_in_s,
        "idle": found.idle,
        "as_of": clock.iso(found.as_of_ms),
    }  # fmt: skip
