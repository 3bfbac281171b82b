"""Turns observations into samples, states, spans and evidence, in one durable transaction.

The place where probes, health, evidence and store meet; the worker hands batches in, nobody else writes results.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from services import deployed
from services.dependencies.registry import KINDS
from services.dependencies.run import Observation
from services.evidence import chain
from services.evidence.freshness import reading_is_stale, stale_after_ms
from services.evidence.model import Evidence, worth_writing
from services.health.evaluate import evaluate
from services.health.hysteresis import Track, step
from services.store import Store, conditions, deploys, samples
from services.store import spans as span_store
from services.store.conditions import Condition
from services.store.deploys import Deploy
from services.store.spans import ENVIRONMENT, Span, StoredSpan

KEEPING = tuple(kind.keep for kind in KINDS.values() if kind.keep is not None)


@dataclass(slots=True)
class Memory:
    """What the ledger remembers between batches, by environment, so that it needn't ask the store each time.

    Another worker may have written meanwhile: the worker that takes over an environment must forget it first.
    """

    series: dict[tuple[str, str], int] = field(default_factory=dict)
    environments: dict[str, _Known] = field(default_factory=dict)

    def forget(self, environment: str) -> None:
        """Drop what is known of an environment; it is read again from the store."""
        self.environments.pop(environment, None)


@dataclass(slots=True)
class _Known:
    conditions: dict[str, Condition]
    evidence: dict[str, Evidence]
    spans: dict[str, StoredSpan]
    version: str | None  # the last one that the readiness answer named, or that somebody told of

    def copy(self) -> _Known:
        return _Known(dict(self.conditions), dict(self.evidence), dict(self.spans), self.version)


# What else is written in the same transaction, from the conditions of the environments that were touched, as of then.
Within = Callable[[Connection, Mapping[str, Collection[Condition]], int], object]


def record(store: Store, batch: Sequence[Observation], memory: Memory, within: Within | None = None) -> int:
    """Write a batch of observations: all or nothing. Returns the number of samples now durable.

    Raises StoreError; `memory` then still describes what the store holds.
    """
    if not batch:
        return 0
    ordered = sorted(batch, key=lambda item: item.at_ms)
    series = dict(memory.series)
    touched: dict[str, _Known] = {}
    with store.write() as connection:
        for name in dict.fromkeys(item.environment for item in ordered):
            known = memory.environments.get(name)
            touched[name] = known.copy() if known is not None else _load(connection, name)
        changed: dict[tuple[str, str], Condition] = {}
        proofs: list[Evidence] = []
        seen: list[Span] = []
        deployed: list[Deploy] = []
        for item in ordered:
            known = touched[item.environment]
            deployed += _deploy(item, known)
            condition = _condition(item, known.conditions.get(item.probe))
            known.conditions[item.probe] = changed[item.environment, item.probe] = condition
            seen.append(_span(condition))
            for proof in item.evidence(_version(item, known)):
                if item.asked or worth_writing(proof, known.evidence.get(proof.check)):
                    known.evidence[proof.check] = proof
                    proofs.append(proof)
        written = samples.append(connection, (s for item in ordered for s in item.samples()), series)
        kept = [
            sample for item in ordered if item.reading.runs for keep in KEEPING for sample in keep(connection, item)
        ]
        written += samples.append(connection, kept, series) if kept else 0
        conditions.save(connection, changed.values())
        seen += [_overall(name, known, ordered[-1].at_ms) for name, known in touched.items()]
        _observe(connection, seen, touched)
        for deploy in deployed:
            told = deploys.newest(connection, deploy.environment)  # a pipeline or the platform may have been first
            if deploy.source == deploys.FIRST:  # the version that ran already takes no deploy's place
                deploys.note(connection, deploy)
            elif told is None or told.version != deploy.version:
                deploys.note_named(connection, deploy)
        if proofs:
            chain.append(store, connection, proofs)
        if within is not None:
            within(connection, {name: known.conditions.values() for name, known in touched.items()}, ordered[-1].at_ms)
    memory.series = series
    memory.environments |= touched
    return written


def _load(connection: Connection, environment: str) -> _Known:
    return _Known(
        conditions={c.probe: c for c in conditions.load(connection, environment)},
        evidence={e.check: e for e in chain.latest(connection, environment)},
        spans=span_store.newest(connection, environment),
        version=deploys.reported(connection, environment),
    )


def _observe(connection: Connection, seen: Iterable[Span], touched: Mapping[str, _Known]) -> None:
    """Lengthen or begin spans; after a time longer than its gap a probe counts as not observed meanwhile."""
    changes = span_store.Changes()
    for span in seen:
        known = touched[span.environment]
        before = known.spans.get(span.probe)
        known.spans[span.probe] = changes.observe(before, span, gap_ms=_gap(known, span.probe))
    changes.apply(connection)


def _gap(known: _Known, probe: str) -> int:
    if probe in known.conditions:
        return stale_after_ms(known.conditions[probe].interval_s)
    return min(stale_after_ms(condition.interval_s) for condition in known.conditions.values())


def _condition(item: Observation, before: Condition | None) -> Condition:
    track = Track()
    if before is not None and not reading_is_stale(before.at_ms, before.interval_s, item.at_ms):
        track = Track(
            state=before.state,  # type: ignore[arg-type]  # the store holds what hysteresis made
            since_ms=before.since_ms,
            failures=before.failures,
            successes=before.successes,
        )
    after = step(track, item.outcome, item.at_ms)
    reading = item.reading
    return Condition(
        environment=item.environment,
        probe=item.probe,
        at_ms=item.at_ms,
        interval_s=item.interval_s,
        state=after.state,
        since_ms=after.since_ms,
        outcome=item.outcome,
        failures=after.failures,
        successes=after.successes,
        code=reading.code,
        latency_ms=reading.latency_ms,
        detail=dict(reading.detail) | {"words": dict(reading.words)},
    )


def first_condition(item: Observation) -> Condition:
    """The condition of something looked at for the first time: its outcome is its state."""
    return _condition(item, None)


def _span(condition: Condition) -> Span:
    """The cause belongs to the span only where it explains its state, so that one bad check makes no new span."""
    explains = condition.outcome == condition.state and condition.state != "ok"
    return Span(
        environment=condition.environment,
        probe=condition.probe,
        state=condition.state,
        code=condition.code if explains else "",
        from_ms=condition.at_ms,
        until_ms=condition.at_ms,
    )


def _overall(environment: str, known: _Known, at_ms: int) -> Span:
    """The environment's own state, for its ribbon."""
    health = evaluate(environment, known.conditions.values(), at_ms)
    worst = next((d.leading.probe for d in health.dependencies if d.state == "down"), "")
    return Span(
        environment=environment,
        probe=ENVIRONMENT,
        state=health.state,
        code=worst if health.state != "ready" else "",
        from_ms=at_ms,
        until_ms=at_ms,
    )


def _deploy(item: Observation, known: _Known) -> tuple[Deploy, ...]:
    """A deploy seen: the readiness answer names another version than the last one that was known."""
    now, before = item.reading.version, known.version
    if item.probe != "readiness" or now is None or now == before:
        return ()
    known.version = now
    source = deploys.FIRST if before is None else "seen"
    return (Deploy(environment=item.environment, at_ms=item.at_ms, version=known.version, source=source),)


def _version(item: Observation, known: _Known) -> str | None:
    """The deployed version that the readiness answer last named."""
    if item.reading.version is not None:
        return item.reading.version
    readiness = known.conditions.get("readiness")
    return None if readiness is None else deployed.named_by(readiness.detail)
