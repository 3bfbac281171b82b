"""What Overview and Dependency health show. View-models from the store: read, evaluate, hand over. Never probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from services.advice import Advice
from services.clock import HOUR_MS
from services.dependencies.messages import advice, brief
from services.dependencies.model import dependency_of
from services.dependencies.probe import LATENCY
from services.dependencies.registry import KINDS, SLIS
from services.evidence import chain, current
from services.evidence.freshness import why_stale
from services.evidence.model import Evidence
from services.health.contradictions import leading
from services.health.evaluate import NEVER, Dependency, Health, evaluate, never_seen
from services.health.ribbon import Cell, cells, with_present
from services.settings.model import Environment, Settings
from services.store import Store, conditions, durations, samples, spans, workers
from services.store.conditions import Condition
from services.store.spans import ENVIRONMENT, Span
from services.store.workers import SILENT_AFTER_MS

DAY_MS = 24 * HOUR_MS
DAY_CELLS = 48
MONTH_CELLS = 30
CHANGES = 8
SPARK_MS = HOUR_MS
SPARK_POINTS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerLife:
    """Whether a worker lives; `seen_ms` None where none is registered. `trouble` is its own sentence."""

    alive: bool
    seen_ms: int | None
    trouble: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """What is to be said of a dependency in a state: its name, and the advice."""

    state: str
    subjects: tuple[str, ...]  # probes or dependencies
    advice: Advice
    named: bool = False  # the sentence names its subject


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """One environment on the Overview."""

    name: str
    role: str
    simulated: bool
    health: Health
    findings: tuple[Notice, ...]
    day: tuple[Cell, ...]
    month: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A state change of a probe or environment; `before` is None where nothing was known before."""

    environment: str
    subject: str
    at_ms: int
    before: str | None
    after: str
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """The Overview's view-model."""

    as_of_ms: int
    worker: WorkerLife
    cards: tuple[Card, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DependencyView:
    """One dependency on its page: state, words, its probes' raw results, sparklines by SLI, 24 h of states."""

    dependency: Dependency
    notice: Notice
    sparks: Mapping[str, tuple[tuple[int, float | None], ...]]
    day: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentView:
    """The Dependency health page's view-model."""

    as_of_ms: int
    worker: WorkerLife
    card: Card
    dependencies: tuple[DependencyView, ...]
    changes: tuple[Change, ...]
    own_load: tuple[str, ...]  # what our own probes cost, in sentences


def overview(store: Store, settings: Settings, now_ms: int, only: str | None = None) -> Overview:
    """All environments (or one), worst first."""
    chosen = [e for e in settings.environments if only is None or e.name == only]
    with store.read() as connection:
        worker = _worker(connection, now_ms)
        cards = [_card(connection, environment, now_ms) for environment in chosen]
        changes = [c for e in chosen for c in _changes(connection, e.name, now_ms)]
    rank = {"not_ready": 0, "unknown": 1, "degraded": 2, "ready": 3}
    return Overview(
        as_of_ms=now_ms,
        worker=worker,
        cards=tuple(sorted(cards, key=lambda card: rank[card.health.state])),
        changes=tuple(sorted(changes, key=lambda change: -change.at_ms)[:CHANGES]),
    )


def environment_view(store: Store, environment: Environment, now_ms: int) -> EnvironmentView:
    """One environment with all its dependencies, worst first."""
    with store.read() as connection:
        worker = _worker(connection, now_ms)
        card = _card(connection, environment, now_ms)
        since_ms = now_ms - SPARK_MS
        sparks = samples.newest_values(connection, environment.name, since_ms=since_ms, without=durations.PREFIXES)
        past = spans.load(connection, environment.name, since_ms=now_ms - DAY_MS)
        changes = _changes(connection, environment.name, now_ms, limit=20)
    led = leading(card.health.contradictions)
    views = [_dependency_view(d, sparks, past, now_ms, led) for d in card.health.dependencies]
    rank = {"down": 0, "unknown": 1, "slow": 2, "ok": 3}
    return EnvironmentView(
        as_of_ms=now_ms,
        worker=worker,
        card=card,
        dependencies=tuple(sorted(views, key=lambda view: rank[view.dependency.state])),
        changes=changes,
        own_load=tuple(text for kind in KINDS.values() if (text := kind.own_load(environment))),
    )


def history(
    store: Store, environment: str, sli: str, *, now_ms: int, hours: float, points: int
) -> tuple[samples.Bucket, ...]:
    """One SLI over the last hours, summed into at most that many points."""
    length = int(hours * HOUR_MS)
    with store.read() as connection:
        return samples.bucketed(
            connection,
            environment,
            sli,
            from_ms=now_ms - length,
            until_ms=now_ms + 1,
            width_ms=max(1, length // points),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """A piece of evidence with its place in the chain, and why it no longer counts (None while it does)."""

    number: int
    hash: str
    record: Evidence
    stale: str | None


def raw_evidence(
    store: Store, settings: Settings, environment: str, now_ms: int, limit: int = 200
) -> tuple[Proof, ...]:
    """The newest evidence of an environment, newest first. An older record of a check counts for what came before."""
    with store.read() as connection:
        found = chain.history(connection, environment, limit=limit)
        now = current.complete(connection, settings, environment, now_ms, conditions.load(connection, environment))
    proofs, seen = [], set[str]()
    for number, hash_, record in found:
        stale = "a newer record of this check exists" if record.check in seen else why_stale(record, now, now_ms)
        seen.add(record.check)
        proofs.append(Proof(number=number, hash=hash_, record=record, stale=stale))
    return tuple(proofs)


def worker_life(store: Store, now_ms: int) -> WorkerLife:
    """Whether a worker lives. Raises StoreError where the store can't be read."""
    with store.read() as connection:
        return _worker(connection, now_ms)


def notice_for(condition: Condition, subject: str) -> Notice:
    """A condition's diagnosis in words."""
    words = condition.detail.get("words")
    return Notice(
        state=condition.state,
        subjects=(subject,),
        advice=advice(condition.code, words),
        named="label" in (words or {}),
    )


def _noticed(condition: Condition, subject: str, led: Mapping[str, Advice]) -> Notice:
    """The same; conflicting signals where they say more."""
    found = notice_for(condition, subject)
    return replace(found, advice=led[condition.probe]) if condition.probe in led else found


def _worker(connection: Connection, now_ms: int) -> WorkerLife:
    newest = next(iter(workers.load(connection)), None)
    if newest is None:
        return WorkerLife(alive=False, seen_ms=None, trouble="")
    alive = abs(now_ms - newest.seen_ms) <= SILENT_AFTER_MS
    return WorkerLife(alive=alive, seen_ms=newest.seen_ms, trouble=newest.trouble)


def _card(connection: Connection, environment: Environment, now_ms: int) -> Card:
    health = evaluate(environment.name, wanted(connection, environment), now_ms, strict=environment.strict)
    past = spans.load(connection, environment.name, since_ms=now_ms - 30 * DAY_MS, probe=ENVIRONMENT)
    made = [
        with_present(
            cells(past, from_ms=now_ms - length, until_ms=now_ms, count=count), health.state, "", stale=health.stale
        )
        for length, count in ((DAY_MS, DAY_CELLS), (30 * DAY_MS, MONTH_CELLS))
    ]
    return Card(
        name=environment.name,
        role=environment.role,
        simulated=environment.simulated,
        health=health,
        findings=_findings(health),
        day=made[0],
        month=made[1],
    )


def wanted(connection: Connection, environment: Environment) -> list[Condition]:
    """Conditions of probes that the settings still ask for: a queue taken out of them is history."""
    from services.dependencies.probes import probes_of

    found = {c.probe: c for c in conditions.load(connection, environment.name)}
    return [
        found.get(probe.name) or never_seen(environment.name, probe.name, probe.interval_s)
        for probe in probes_of(environment)
    ]


def _findings(health: Health) -> tuple[Notice, ...]:
    """What is wrong, worst first, then contradictions; each cause once."""
    order, led = {"down": 0, "unknown": 2, "slow": 1}, leading(health.contradictions)
    found = [
        (order[probe.state], _noticed(probe, d.name, led))
        for d in health.dependencies
        for probe in d.probes
        if probe.state in order and not (probe.state == "unknown" and not d.configured) and probe.code != NEVER
    ]
    found += [(0, Notice(state="down", subjects=f.probes, advice=f.advice)) for f in health.contradictions]
    unconfigured = [
        (3, notice_for(d.leading, d.name)) for d in health.dependencies if not d.configured and d.state == "unknown"
    ]
    ordered = [word for _, word in sorted([*found, *unconfigured], key=lambda item: item[0])]
    return tuple({word.advice.what: word for word in reversed(ordered)}.values())[::-1]


def _changes(connection: Connection, environment: str, now_ms: int, limit: int = CHANGES) -> tuple[Change, ...]:
    """The newest state changes of probes; the first state ever counts as one."""
    past = spans.load(connection, environment, since_ms=now_ms - 30 * DAY_MS, limit=400)
    found: list[Change] = []
    by_probe: dict[str, list[Span]] = {}
    for span in past:
        if span.probe != ENVIRONMENT:
            by_probe.setdefault(span.probe, []).append(span)
    for probe, newest_first in by_probe.items():
        for after, before in zip(newest_first, [*newest_first[1:], None], strict=False):
            if after.state == (before.state if before is not None else "ok"):
                continue  # the same state under another cause, or well from the first check on: no change
            found.append(
                Change(
                    environment=environment,
                    subject=probe,
                    at_ms=after.from_ms,
                    before=before.state if before is not None else None,
                    after=after.state,
                    sentence=brief(after.code),
                )
            )
    return tuple(sorted(found, key=lambda change: -change.at_ms)[:limit])


def _dependency_view(
    dependency: Dependency, sparks: Mapping[str, Any], past: tuple[Span, ...], now_ms: int, led: Mapping[str, Advice]
) -> DependencyView:
    probe_names = {probe.probe for probe in dependency.probes}
    own = [span for span in past if span.probe in probe_names]
    made = cells(own, from_ms=now_ms - DAY_MS, until_ms=now_ms, count=DAY_CELLS)
    return DependencyView(
        dependency=dependency,
        notice=_noticed(dependency.leading, dependency.name, led),
        sparks={sli: thinned(sparks[sli]) for sli in slis_of(dependency.name) if sli in sparks},
        day=with_present(made, dependency.state, dependency.leading.code, stale=dependency.stale),
    )


def slis_of(dependency: str) -> tuple[str, ...]:
    """The SLIs whose numbers belong to a dependency."""
    first, _, instance = dependency.partition(":")
    if instance:
        return tuple(f"{sli}:{instance}" for sli in KINDS[first].slis) if first in KINDS else ()
    own = tuple(
        sli for sli, words in SLIS.items() if words.unit == "ms" and dependency_of(words.probe or "") == dependency
    )
    built_in = any(dependency in kind.titles for kind in KINDS.values())
    return own if built_in else (f"{LATENCY}{dependency}",)


def thinned(points: tuple[tuple[int, float | None], ...]) -> tuple[tuple[int, float | None], ...]:
    """At most SPARK_POINTS points, the highest of each stretch: a sparkline must not hide a peak."""
    if len(points) <= SPARK_POINTS:
        return points
    size = -(-len(points) // SPARK_POINTS)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return tuple(max(group, key=lambda point: -1.0 if point[1] is None else point[1]) for group in groups)
