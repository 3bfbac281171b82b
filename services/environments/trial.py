"""Tries a draft: each of its probes once, from the worker's machine. Nothing of it is counted anywhere."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass

from services.dependencies.messages import advice, message
from services.dependencies.model import dependency_of
from services.dependencies.probes import probes_of
from services.dependencies.run import Observation, observe
from services.environments import draft
from services.errors import SettingsError
from services.evidence import decisions
from services.paths import config_path
from services.settings.model import Environment
from services.store import Store

Progress = Callable[[int, int], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """What one probe found: its state after one check, in words, and how long it took in ms (None: it did not)."""

    probe: str
    dependency: str
    state: str
    what: str
    fix: str
    latency_ms: float | None


def drafted(store: Store, name: str, number: int) -> Environment:
    """The environment of a kept draft, as the settings would have it now. Raises SettingsError or StoreError."""
    with store.read() as connection:
        kept = decisions.history(connection, name, draft.KIND)
    found = next((decision for decision in kept if decision.number == number), None)
    if found is None:
        raise LookupError(f"There is no draft {number} of {name}.")
    return draft.environment_of(draft.added_to_file(str(found.detail["table"])), name, config_path().resolve())


async def run(environment: Environment, progress: Progress) -> tuple[Tried, ...]:
    """Every probe once. What asks for calls of jobs, or what isn't configured, says so in its own words."""
    probes = [probe for probe in probes_of(environment, lambda _environment, _job: ()) if probe.deadline_s > 0]
    found = []
    for number, probe in enumerate(probes):
        await progress(number, len(probes))
        found.append(_tried(await observe(environment, probe, {}, lag_ms=0)))
    return tuple(found)


def _tried(seen: Observation) -> Tried:
    said = advice(seen.reading.code, seen.reading.words)
    return Tried(
        probe=seen.probe,
        dependency=dependency_of(seen.probe),
        state=message(seen.reading.code).outcome,
        what=said.what,
        fix=said.fix,
        latency_ms=seen.reading.latency_ms,
    )


def as_text(found: tuple[Tried, ...]) -> str:
    """A trial's result as it is kept with the request."""
    return json.dumps([asdict(item) for item in found])


def from_text(text: str) -> tuple[Tried, ...]:
    """The same read back; () for what is none."""
    try:
        rows = json.loads(text)
        return tuple(Tried(**row) for row in rows)
    except (ValueError, TypeError):
        return ()


def problems(error: SettingsError) -> str:
    """What is wrong with a draft, in a sentence each."""
    return " ".join(f"{problem.key} {problem.advice}" for problem in error.problems)


def outcome(found: tuple[Tried, ...]) -> Mapping[str, int]:
    """How many probes found what."""
    return {state: sum(item.state == state for item in found) for state in ("ok", "slow", "down", "unknown")}
