"""What the page shows of an environment's deploy drills. Read from the store; never probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.deploys import drill, drill_state, drilling
from services.deploys.drill_state import KIND, State
from services.deploys.terms import Terms, terms
from services.evidence import chain, current
from services.evidence.freshness import why_stale
from services.evidence.model import Evidence
from services.settings.model import Drill, Settings
from services.store import Store, conditions, jobs
from services.store.jobs import Job


@dataclass(frozen=True, kw_only=True, slots=True)
class DrillView:
    """The view-model. `why_not`: why none can be started; `state` is that of the newest drill, `job` the open one;
    `stale`: why the last result no longer counts."""

    environment: str
    simulated: bool
    is_rule: bool  # whether the verdict asks for it here
    why_not: str
    drill: Drill | None
    terms: Terms
    state: State | None
    job: Job | None
    last: Evidence | None
    stale: str

    @property
    def counts(self) -> Mapping[str, Any]:
        """What was counted last; {} before the first drill."""
        found = self.last.detail.get("counts") if self.last is not None else None
        return found if isinstance(found, dict) else {}


def view(store: Store, settings: Settings, name: str, now_ms: int) -> DrillView:
    """Raises UnknownEnvironment or StoreError."""
    environment = settings.environment(name)
    with store.read() as connection:
        last = chain.newest(connection, name, drill.CHECK)
        state = drill_state.load(connection, name)
        job = jobs.open_job(connection, kind=KIND, environment=name)
        seen = conditions.load(connection, name)
        context = current.complete(connection, settings, name, now_ms, seen)
        now = terms(connection, settings, environment, now_ms)
    return DrillView(
        environment=name,
        simulated=environment.simulated,
        is_rule=settings.policy.drill and environment.role == "staging",
        why_not=drilling.why_not(environment),
        drill=environment.drill,
        terms=now,
        state=state,
        job=job,
        last=last,
        stale="" if last is None else why_stale(last, context, now_ms) or "",
    )
