"""The past of simulated environments. 30 days, generated from a seed, marked simulated wherever it goes."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.clock import DAY_MS, HOUR_MS
from services.deploys import history
from services.deploys.history import Measured
from services.evidence import chain
from services.evidence.model import Evidence
from services.settings.model import Environment
from services.store import Store, claims, deploys, durations, samples, spans
from services.store.deploys import Deploy
from services.store.samples import Sample
from services.store.spans import ENVIRONMENT, Span

STEP_MS = 300_000
BATCH = 1500
BREATH_S = 0.05
DAYS = 30


# Days after the beginning, and which version. Nothing is granted to work in progress, so the first cuts a step.
_RELEASES = ((9, "2.4.0"), (16, "2.4.1"), (23, "2.5.0"))
_REPORT = "research-report"
_STEPS = (("plan", 9.0), ("ask-model", 46.0), ("check-sources", 28.0), ("write", 71.0))  # with their usual seconds
_RETRY_MS = 15_000  # until a step that was cut begins again


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """A stretch in which one probe was not well."""

    probe: str
    state: str
    code: str
    from_ms: int
    until_ms: int


# Days before now, minutes long, probe, state, code, what it made of the environment.
_STORY: tuple[tuple[float, float, str, str, str, str], ...] = (
    (26.3, 38, "redis.write", "down", "redis.out_of_memory", "degraded"),
    (21.1, 12, "readiness", "down", "readiness.not_ready", "not_ready"),
    (17.6, 190, "queue:email", "slow", "queue.late", "degraded"),
    (11.9, 55, "inngest", "down", "inngest.mode_dev", "degraded"),
    (6.4, 8, "readiness", "down", "readiness.timeout", "not_ready"),
    (2.2, 25, "redis.ping", "slow", "redis.slow", "degraded"),
)


def seed(store: Store, environment: Environment, now_ms: int) -> bool:
    """Write an environment's generated past once; False where it was there already or it isn't simulated."""
    if not environment.simulated:
        return False
    generator = random.Random(f"greenlight {environment.name}")  # noqa: S311 - a reproducible story
    now_ms -= now_ms % STEP_MS  # on a grid: a start that was killed is gone on with, and leaves nothing twice
    begin = now_ms - DAYS * DAY_MS
    incidents = _incidents(environment, begin, now_ms, generator)
    name = f"history:{environment.name}"
    with store.write() as connection:
        # For ever: retention forgets claims only by their end, which lies far ahead.
        if not claims.take(connection, name, "seed", now_ms=now_ms, lease_ms=3650 * DAY_MS):
            return False
        # What was measured already must stay the newest: the chain's order decides what holds now.
        measured = {record.check for record in chain.latest(connection, environment.name)}
        proofs = [proof for proof in _evidence(environment, incidents) if proof.check not in measured]
        chain.append(store, connection, proofs)
    batch: list[Sample] = []
    for sample in _samples(environment, begin, now_ms, incidents, generator):
        batch.append(sample)
        if len(batch) >= BATCH:
            _append(store, batch)
            batch = []
    _append(store, batch)
    released = [Deploy(environment=environment.name, at_ms=begin + days * DAY_MS, version=version, source="told",
                       note="generated") for days, version in _RELEASES]  # fmt: skip
    work = list(_work(environment, begin, now_ms, [deploy.at_ms for deploy in released], generator))
    for start in range(0, len(work), BATCH):
        _append(store, work[start : start + BATCH])
    with store.write() as connection:
        claims.finish(connection, name, "seed")
        spans.insert_all(connection, list(_spans(environment, begin, now_ms, incidents)))
        for deploy in released:
            deploys.note(connection, deploy)
            history.foresee(connection, deploy, 0)
        history.put_down(connection, environment.name, Measured(budget_s=None, knows_tries=True), now_ms)
    return True


def _append(store: Store, batch: list[Sample]) -> None:
    """A part at a time, with a breath between: meanwhile the worker and people must be able to write."""
    with store.write() as connection:
        samples.append(connection, batch, {})
    time.sleep(BREATH_S)


def _incidents(environment: Environment, begin: int, now_ms: int, generator: random.Random) -> list[Incident]:
    shift = generator.uniform(-0.8, 0.8)
    found = []
    for days, minutes, probe, state, code, _ in _STORY:
        start = int(now_ms - (days + shift) * DAY_MS)
        if begin < start and probe in {"redis.ping", "redis.write", "readiness", "inngest"} | {
            f"queue:{queue.name}" for queue in environment.queues
        }:
            found.append(
                Incident(probe=probe, state=state, code=code, from_ms=start, until_ms=start + int(minutes * 60_000))
            )
    return found


def _samples(
    environment: Environment, begin: int, now_ms: int, incidents: list[Incident], generator: random.Random
) -> Iterator[Sample]:
    """A daily wave with noise and rare peaks; incidents are bad."""
    series = {"readiness_uptime": ("readiness", 45.0), "redis_ping_latency": ("redis.ping", 62.0),
              "redis_write_latency": ("redis.write", 120.0)}  # fmt: skip
    series |= {f"queue_aging_p95:{queue.name}": (f"queue:{queue.name}", 20.0) for queue in environment.queues}
    for at_ms in range(begin, now_ms - STEP_MS, STEP_MS):
        wave = 1 + 0.25 * math.sin(2 * math.pi * (at_ms % DAY_MS) / DAY_MS)
        for sli, (probe, base) in series.items():
            trouble = next((i for i in incidents if i.probe == probe and i.from_ms <= at_ms < i.until_ms), None)
            value: float | None = base * wave * generator.lognormvariate(0, 0.15)
            if trouble is not None:
                value = None if trouble.state == "down" else base * generator.uniform(6, 20)
            yield _sample(environment, sli, at_ms, value, good=trouble is None)
        if at_ms % HOUR_MS < STEP_MS:
            failed = any(i.probe == "inngest" and i.from_ms <= at_ms < i.until_ms for i in incidents)
            yield _sample(environment, "canary_pass_rate", at_ms, 1.0, good=generator.random() > 0.01, every_s=3600)
            yield _sample(environment, "inngest_run_success", at_ms, None, good=not failed, every_s=3600)


def _work(
    environment: Environment, begin: int, end: int, releases: Sequence[int], generator: random.Random
) -> Iterator[Sample]:
    """Hourly runs of four steps, as their traces would tell them. The first release comes upon one at work."""

    def sample(prefix: str, step: str, at_ms: int, took_s: float | None, *, good: bool = True) -> Sample:
        sli = durations.name(prefix, _REPORT, step)
        return Sample(environment=environment.name, sli=sli, at_ms=at_ms, value=took_s, good=good)

    for due in range(begin - begin % HOUR_MS + HOUR_MS, end - HOUR_MS, HOUR_MS):
        at = due + generator.randrange(1, 900) * 1000
        if due <= releases[0] < due + HOUR_MS:
            at = releases[0] - 90_000
        queued = at
        for step, usual_s in _STEPS:
            took_s = usual_s * generator.lognormvariate(0, 0.3)
            if at < releases[0] < at + took_s * 1000:
                cut_s = (releases[0] - at) / 1000
                for prefix in (durations.STEP, durations.CUT):
                    yield sample(prefix, step, releases[0], cut_s, good=False)
                at = releases[0] + _RETRY_MS
                yield sample(durations.AGAIN, step, at + round(took_s * 1000), took_s)
            at += round(took_s * 1000)
            yield sample(durations.STEP, step, at, took_s)
        yield sample(durations.RAN, "", at, None)
        yield sample(durations.RUN, "", at, (at - queued) / 1000)


def _sample(
    environment: Environment, sli: str, at_ms: int, value: float | None, *, good: bool, every_s: int = STEP_MS // 1000
) -> Sample:
    return Sample(environment=environment.name, sli=sli, at_ms=at_ms, value=value, good=good, interval_s=every_s)


def _spans(environment: Environment, begin: int, now_ms: int, incidents: list[Incident]) -> Iterator[Span]:
    """Each probe's and the environment's states, well between incidents."""
    overall = {(probe, code): made for _, _, probe, _, code, made in _STORY}
    probes = ["readiness", "dependencies", "redis.ping", "redis.write", "inngest"]
    probes += [f"queue:{queue.name}" for queue in environment.queues]
    for probe in probes:
        yield from _run(environment.name, probe, "ok", begin, now_ms, [i for i in incidents if i.probe == probe])
    as_environment = [
        Incident(
            probe=ENVIRONMENT, state=overall[i.probe, i.code], code=i.probe, from_ms=i.from_ms, until_ms=i.until_ms
        )
        for i in incidents
    ]
    yield from _run(environment.name, ENVIRONMENT, "ready", begin, now_ms, as_environment)


def _run(environment: str, probe: str, well: str, begin: int, end: int, incidents: list[Incident]) -> Iterator[Span]:
    cursor = begin
    for incident in sorted(incidents, key=lambda item: item.from_ms):
        yield Span(environment=environment, probe=probe, state=well, code="", from_ms=cursor, until_ms=incident.from_ms)
        yield Span(
            environment=environment,
            probe=probe,
            state=incident.state,
            code=incident.code,
            from_ms=incident.from_ms,
            until_ms=incident.until_ms,
        )
        cursor = incident.until_ms
    # A minute short of now: what follows is measured, not generated.
    yield Span(environment=environment, probe=probe, state=well, code="", from_ms=cursor, until_ms=end - 60_000)


def _evidence(environment: Environment, incidents: list[Incident]) -> list[Evidence]:
    return [
        Evidence(
            environment=environment.name,
            check=incident.probe if incident.probe != "readiness" else "readiness.ready",
            outcome="fail" if at == incident.from_ms else "pass",
            at_ms=at,
            code=incident.code if at == incident.from_ms else "",
            simulated=True,
            detail={"generated": True},
        )
        for incident in sorted(incidents, key=lambda item: item.from_ms)
        for at in (incident.from_ms, incident.until_ms)
    ]
