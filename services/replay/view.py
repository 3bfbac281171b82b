"""What the Replay harness page shows. Runs, one run in depth, one case; as view-models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.replay import aa, bodies, canary, golden, identity, report, runs
from services.replay.canary import Alarm
from services.replay.model import GoldenCase, Outcome
from services.replay.runs import CANARY
from services.settings.model import Settings
from services.store import Store, replays
from services.store.replays import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """All runs, newest first; and the canary's state by agent."""

    runs: tuple[Run, ...]
    baselines: Mapping[tuple[str, str], str]
    alarms: Mapping[str, Alarm]

    @property
    def headline(self) -> Run | None:
        """The newest run that counts for an environment: finished, and of the whole golden set. None before there was
        one. What somebody tried from a command line counts for none."""
        return next((run for run in self.runs if run.state == "done" and counts(run)), None)


def counts(run: Run) -> bool:
    """Whether a run counts for an environment; any other is an experiment, or a part of the set."""
    return bool(run.environment) and not run.subset


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far an open run is."""

    run: Run
    counts: Mapping[str, int]

    @property
    def done(self) -> int:
        """Finished pieces."""
        return sum(self.counts.get(name, 0) for name in ("passed", "failed", "error", "unscored"))


@dataclass(frozen=True, kw_only=True, slots=True)
class InDepth:
    """A finished (or stopped) run: its document, as every export has it, and whether it is the baseline."""

    run: Run
    document: Mapping[str, Any]
    is_baseline: bool
    by_criterion: Mapping[str, float]
    by_category: Mapping[str, tuple[int, int]]  # cases passed, and judged; the least passed first


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseInDepth:
    """One case of a run, and the same case in the run that it is compared with."""

    case: GoldenCase
    outcomes: tuple[Outcome, ...]
    earlier: tuple[Outcome, ...]
    against: str | None


def listed(store: Store, settings: Settings, limit: int = 200) -> Listed:
    """The newest runs."""
    with store.read() as connection:
        found = replays.newest(connection, limit=limit)
        pairs = {(run.golden_name, run.agent) for run in found}
        baselines = {pair: id_ for pair in pairs if (id_ := replays.baseline(connection, *pair)) is not None}
        watched = [agent.name for agent in settings.replay.agents if agent.environment is not None]
        alarms = {
            name: canary.alarm(replays.newest(connection, limit=10, agent=name, subset=CANARY)) for name in watched
        }
    return Listed(runs=found, baselines=baselines, alarms=alarms)


def progress(store: Store, run_id: str) -> Progress | None:
    """A run and how far it is; None for one that doesn't exist."""
    with store.read() as connection:
        run = replays.get(connection, run_id)
        return None if run is None else Progress(run=run, counts=replays.counts(connection, run_id))


def in_depth(store: Store, run_id: str, against: str | None = None) -> InDepth:
    """A run with everything known of it. Raises WrongRun."""
    begun = runs.resumed_for_reading(store, run_id)
    run = begun.run
    found = runs.result(store, run)
    with store.read() as connection:
        baseline = replays.baseline(connection, run.golden_name, run.agent)
    criteria: dict[str, list[float]] = defaultdict(list)
    categories: dict[str, list[bool]] = defaultdict(list)
    for case in found.cases:
        if case.state in {"passed", "failed"}:
            categories[case.category].append(case.state == "passed")
        for outcome in case.outcomes:
            for criterion in outcome.judged.criteria if outcome.judged is not None else ():
                if criterion.score is not None:
                    criteria[criterion.id].append(criterion.score)
    return InDepth(
        run=run,
        document=report.document(run, found, runs.compared(store, run, found, against))
        | {"aa": aa.document(aa.of_run(store, run))},
        is_baseline=baseline == run.id,
        by_criterion=_means(criteria),
        by_category=dict(
            sorted(
                ((name, (sum(v), len(v))) for name, v in categories.items()), key=lambda item: item[1][0] / item[1][1]
            )
        ),
    )


def _means(found: Mapping[str, list[float]]) -> dict[str, float]:
    return dict(sorted(((name, sum(v) / len(v)) for name, v in found.items()), key=lambda item: item[1]))


def case_in_depth(store: Store, run_id: str, case_id: str, against: str | None) -> CaseInDepth:
    """One case of a run. Raises WrongRun."""
    begun = runs.resumed_for_reading(store, run_id)
    try:
        case = begun.golden.case(case_id)
    except KeyError:
        raise runs.WrongRun(f"This run has no case {case_id[:80]!r}.") from None
    with store.read() as connection:
        other = against or replays.baseline(connection, begun.run.golden_name, begun.run.agent)
        other = None if other == run_id else other
        outcomes = tuple(bodies.from_json(body) for body in replays.case_bodies(connection, run_id, case_id))
        earlier = () if other is None else tuple(
            bodies.from_json(body) for body in replays.case_bodies(connection, other, case_id)
        )  # fmt: skip
    return CaseInDepth(case=case, outcomes=outcomes, earlier=earlier, against=other)


def golden_summary(settings: Settings) -> tuple[str, int, int, tuple[str, ...]]:
    """Name and version of the configured golden set, its size, its canary's size, its tags. Raises SettingsError."""
    found = golden.read(identity.golden_path(settings))
    tags = sorted({tag for case in found.cases for tag in case.tags})
    size = sum(CANARY in case.tags for case in found.cases)
    return f"{found.name} {found.version}", len(found.cases), size, tuple(tags)
