"""How an environment's work moves through Inngest. The pulse's way, what a restart would lose, what is registered, runs
of the last day, stuck ones with the commands that free them, and who ran the schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from services import clock
from services.clock import DAY_MS
from services.dependencies.inngest import pulse as inngest_pulse
from services.dependencies.inngest import runs as inngest_runs
from services.dependencies.inngest import sync as inngest_sync
from services.evidence.freshness import reading_is_stale
from services.store import Store, conditions, schedules
from services.store import inngest_runs as runs_store
from services.store.conditions import Condition
from services.store.inngest_runs import Ended, Tally
from services.store.schedules import ScheduleRun

if TYPE_CHECKING:
    from services.settings.model import Environment, Settings

Kind = Literal["none", "dev", "persistent", "start", "cloud", "unknown", "unasked"]
# What a restart of the server would lose. Source: inngest.md §5.
LOSSES: Mapping[Kind, tuple[str, str]] = {
    "none": (
        "No Inngest server",
        "Nothing to lose: the fallback scheduler runs the essentials. Without Inngest there are no retries, no history "
        "and no fan-out. To have one, start with: python3 start.py --inngest dev",
    ),
    "dev": (
        "Ephemeral",
        "A restart of the Inngest server forgets every run and drops work in progress. Good for trying; for anything "
        "that matters use --inngest production.",
    ),
    "persistent": (
        "Persistent",
        "Run history and work in progress survive a restart: the queue lies in a Redis that writes everything to disk. "
        "A step that was running when the server is killed runs once more, finished steps don't.",
    ),
    "start": (
        "History persistent, queue not known",
        "Run history survives a restart of the Inngest server. Work in progress survives only if it was started with "
        "--redis-uri: the server doesn't say.",
    ),
    "cloud": ("Persistent, at Inngest Cloud", "Inngest Cloud keeps run history and work in progress."),
    "unknown": (
        "Not known",
        "The server has not said yet of what kind it is, so what a restart would lose is not known.",
    ),
    "unasked": ("Not known", "Greenlight does not ask this environment's Inngest server."),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Stuck:
    """A run that doesn't move, and how to free it: commands that hold the key's name, never the key."""

    id: str
    function: str
    since_ms: int
    commands: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Moving:
    """The view-model. `current` are the probes' newest results by name; a part that is not probed is absent."""

    environment: str
    simulated: bool
    as_of_ms: int
    kind: Kind
    why_not: str  # why no server is asked; "" where one is, or where there is nothing to ask
    current: Mapping[str, Condition]
    tallies: tuple[Tally, ...]
    failures: tuple[Ended, ...]
    stuck: tuple[Stuck, ...]
    own: bool  # our own worker's server: schedules belong here
    scheduler: Literal["inngest", "fallback"]
    schedules: tuple[ScheduleRun, ...]

    @property
    def title(self) -> str:
        """The kind of run history in words."""
        return LOSSES[self.kind][0]

    @property
    def loses(self) -> str:
        """What a restart of the server would lose."""
        return LOSSES[self.kind][1]


def moving(store: Store, settings: Settings, name: str, now_ms: int) -> Moving:
    """How work moves in an environment. Raises UnknownEnvironment or StoreError."""
    environment = settings.environment(name)
    server = environment.server
    own = environment.is_own or (server is not None and server.pulsed)
    with store.read() as connection:
        found = {c.probe: c for c in conditions.load(connection, name)}
        tallies = runs_store.tallies(connection, name, since_ms=now_ms - DAY_MS)
        failures = runs_store.failures(connection, name, since_ms=now_ms - DAY_MS)
        ran = schedules.newest(connection) if own else ()
    wanted = (inngest_pulse.NAME, inngest_sync.NAME, inngest_runs.NAME) if server is not None else ()
    current = {probe: found[probe] for probe in wanted if probe in found}
    runs = current.get(inngest_runs.NAME)
    return Moving(
        environment=name,
        simulated=environment.simulated,
        as_of_ms=now_ms,
        kind=_kind(environment, runs),
        why_not="" if server is not None else _why_not(environment),
        current=current,
        tallies=tallies,
        failures=failures,
        stuck=_stuck(environment, runs),
        own=own,
        scheduler="inngest" if moves_work(current.get(inngest_pulse.NAME), now_ms) else "fallback",
        schedules=ran,
    )


def moves_work(pulse: Condition | None, now_ms: int) -> bool:
    """Whether the newest pulse finished, and lately."""
    if pulse is None or reading_is_stale(pulse.at_ms, pulse.interval_s, now_ms):
        return False
    return pulse.outcome in {"ok", "slow"}


def _kind(environment: Environment, runs: Condition | None) -> Kind:
    server = environment.server
    if server is None:
        return "none" if environment.is_own else "unasked"
    if server.persistent is not None:
        return "persistent" if server.persistent else "dev"
    seen = runs.detail.get("kind") if runs is not None else None
    return seen if seen in {"dev", "start", "cloud"} else "unknown"


def _why_not(environment: Environment) -> str:
    if environment.is_own:
        return ""
    if environment.simulated:
        return "It is simulated, and its made-up key is shown to nobody."
    return "Set inngest.api_url for this environment, so that its Inngest server can be asked."


def _stuck(environment: Environment, runs: Condition | None) -> tuple[Stuck, ...]:
    if runs is None or environment.server is None:
        return ()
    found = runs.detail.get("stuck")
    rows = found if isinstance(found, list) else []
    return tuple(
        Stuck(
            id=str(row["id"]),
            function=str(row.get("function", "")),
            since_ms=int(row.get("progress_ms") or 0),
            commands=commands(environment.server.api_url, str(row["id"]), cloud=environment.server.cloud),
        )
        for row in rows
        if isinstance(row, dict) and "id" in row
    )


def commands(api_url: str, run_id: str, *, cloud: bool) -> tuple[str, ...]:
    """What cancels a run and starts it again; the key is named, so that the shell fills it in."""
    key = ' -H "Authorization: Bearer $INNGEST_SIGNING_KEY"' if cloud else ""
    return tuple(f"curl -X POST{key} {api_url}/v2/runs/{run_id}/{what}" for what in ("cancel", "rerun"))


def document(found: Moving) -> dict[str, Any]:
    """The same as JSON values, for the API and the download."""
    return {
        "environment": found.environment,
        "simulated": found.simulated,
        "as_of": clock.iso(found.as_of_ms),
        "history": {"kind": found.kind, "title": found.title, "restart_loses": found.loses},
        "scheduler": found.scheduler if found.own else None,
        "probes": {
            name: {"code": c.code, "state": c.state, "measured_at": clock.iso(c.at_ms), "latency_ms": c.latency_ms,
                   "detail": {k: v for k, v in c.detail.items() if k != "words"}}
            for name, c in found.current.items()
        },
        "runs_24h": [
            {"function": t.function, "completed": t.completed, "failed": t.failed, "cancelled": t.cancelled,
             "mean_s": t.mean_s, "newest_at": clock.iso(t.newest_ms)}
            for t in found.tallies
        ],
        "failed_24h": [
            {"run_id": f.run_id, "function": f.function, "ended_at": clock.iso(f.at_ms), "took_s": f.took_s}
            for f in found.failures
        ],
        "stuck": [
            {"run_id": s.id, "function": s.function, "since": clock.iso(s.since_ms), "commands": list(s.commands)}
            for s in found.stuck
        ],
        "schedules": [
            {"task": r.task, "due_at": clock.iso(r.due_ms), "by": r.by, "worker": r.worker, "outcome": r.outcome,
             "tries": r.tries}
            for r in found.schedules
        ],
    }  # fmt: skip
