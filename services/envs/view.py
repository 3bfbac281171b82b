"""What the Env diff page shows. Comparison, validation and drift as view-models; names and states, no values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.env_files.document import Document, UnreadableSource
from services.envs import inspect, relations
from services.envs.catalogue import Catalogue
from services.envs.findings import Mode
from services.envs.relations import Comparison, Side
from services.envs.validation import Validation
from services.evidence import chain
from services.evidence.model import Evidence
from services.fingerprint import Drift, Snapshot, drift
from services.settings.model import Settings
from services.store import Store, snapshots


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonView:
    """Environments side by side; `unreadable` names the sides that had to be left out, each with why."""

    comparison: Comparison
    simulated: bool
    unreadable: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationView:
    """One environment's configuration, judged now, with the newest live checks."""

    validation: Validation
    connections: Mapping[str, Mapping[str, Any]]
    connections_ms: int | None
    recorded_ms: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftView:
    """What changed since a moment; `before` is None where nothing was known then."""

    environment: str
    since_ms: int
    before: Snapshot | None
    after: Snapshot | None
    drift: Drift | None


def compare(
    settings: Settings, catalogue: Catalogue, names: Sequence[str], uploads: Mapping[str, Document]
) -> ComparisonView:
    """Compare configured environments and uploads."""
    sides: list[Side] = []
    unreadable: list[str] = []
    simulated = False
    for name in names:
        environment = settings.environment(name)
        try:
            sides.append(Side(name=name, role=environment.role, document=inspect.read(environment)))
            simulated |= environment.simulated
        except UnreadableSource as error:
            unreadable.append(str(error))
    sides += [Side(name=name, role=Mode.of(name).role, document=found) for name, found in uploads.items()]
    return ComparisonView(
        comparison=relations.compare(sides, catalogue), simulated=simulated, unreadable=tuple(unreadable)
    )


def validate(store: Store, settings: Settings, catalogue: Catalogue, name: str, now_ms: int) -> ValidationView:
    """Judge an environment's configuration as it is now. Raises UnreadableSource or StoreError."""
    environment = settings.environment(name)
    reported = inspect.reported_by_the_app(store, name, now_ms)
    seen = inspect.run(environment, settings, catalogue, key=None, reported=reported, now_ms=now_ms)
    with store.read() as connection:
        newest = {e.check: e for e in chain.latest(connection, name)}
    live = newest.get(inspect.CONNECTIONS_CHECK)
    recorded = newest.get(inspect.CHECK)
    return ValidationView(
        validation=seen.validation,
        connections={} if live is None else dict(live.detail.get("connections") or {}),
        connections_ms=None if live is None else live.at_ms,
        recorded_ms=None if recorded is None else recorded.at_ms,
    )


def drift_since(store: Store, name: str, since_ms: int) -> DriftView:
    """What changed in an environment's configuration since a moment."""
    with store.read() as connection:
        before, after = snapshots.at(connection, name, since_ms), snapshots.newest(connection, name)
    found = None if before is None or after is None else drift(before, after)
    return DriftView(environment=name, since_ms=since_ms, before=before, after=after, drift=found)


def last_deploy_ms(store: Store, name: str) -> int | None:
    """When the version that now runs was first seen; None where the application names no version."""
    with store.read() as connection:
        seen = chain.history(connection, name, check="readiness.ready", limit=2000)
    return first_of_version([record for _, _, record in seen])


def last_go_ms(store: Store, name: str) -> int | None:
    """When the environment last had a Go; None where it never had one."""
    with store.read() as connection:
        seen = chain.history(connection, name, check="verdict", limit=2000)
    return next((record.at_ms for _, _, record in seen if record.outcome == "pass"), None)


def first_of_version(records: Sequence[Evidence]) -> int | None:
    """The oldest of the newest records (newest first) that name one and the same version."""
    if not records or records[0].version is None:
        return None
    first = records[0].at_ms
    for record in records:
        if record.version != records[0].version:
            break
        first = record.at_ms
    return first
