"""What a golden set's cases did over the last 90 days: which never failed, which flip, which were not run."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services import clock
from services.clock import DAY_MS
from services.replay.held import until
from services.replay.model import GoldenSet
from services.replay.runs import is_critical
from services.store import Store, quarantine, tries
from services.store.tries import Try

DAYS = 90
State = Literal["flips", "failed", "never failed", "not run"]
STATES: tuple[State, ...] = ("flips", "failed", "never failed", "not run")


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseHistory:
    """A case over 90 days. `flips` counts changes from one judged try to the next; `mixed` the runs whose repeats
    disagree. `quarantine_id` is the entry in force, None where there is none."""

    case_id: str
    critical: bool
    runs: int
    judged: int
    failed: int
    not_judged: int
    flips: int
    mixed: int
    last_failed_ms: int | None
    quarantine_id: int | None = None
    held: str = ""

    @property
    def state(self) -> State:
        """A case that changed once may have been fixed or broken; one that came back, or disagrees in a run, flips."""
        if self.judged == 0:
            return "not run"
        if self.flips > 1 or self.mixed:
            return "flips"
        return "failed" if self.failed else "never failed"


def histories(store: Store, golden: GoldenSet, agent: str, now_ms: int) -> tuple[CaseHistory, ...]:
    """Each case of the set, those that flip most first."""
    with store.read() as connection:
        found = tries.of_agent(connection, golden.name, agent, now_ms - DAYS * DAY_MS)
        entries = {entry.case_id: entry for entry in quarantine.open_ones(connection)
                   if entry.golden_name == golden.name and entry.until_ms > now_ms}  # fmt: skip
    by_case: dict[str, list[Try]] = defaultdict(list)
    for item in found:
        by_case[item.case_id].append(item)
    made = []
    for case in golden.cases:
        entry = entries.get(case.id)
        held = "" if entry is None else f"until {until(entry)}, owner {entry.owner}: {entry.reason}"
        made.append(_history(case.id, is_critical(case), by_case[case.id], None if entry is None else entry.id, held))
    return tuple(sorted(made, key=lambda h: (STATES.index(h.state), -h.flips, -h.failed, h.case_id)))


def _history(id_: str, critical: bool, found: Sequence[Try], quarantine_id: int | None, held: str) -> CaseHistory:
    judged = [item for item in found if item.outcome in {"passed", "failed"}]
    in_runs: dict[str, set[str]] = defaultdict(set)
    for item in judged:
        in_runs[item.run_id].add(item.outcome)
    failed = [item for item in judged if item.outcome == "failed"]
    return CaseHistory(
        case_id=id_,
        critical=critical,
        runs=len({item.run_id for item in found}),
        judged=len(judged),
        failed=len(failed),
        not_judged=len(found) - len(judged),
        flips=sum(a.outcome != b.outcome for a, b in itertools.pairwise(judged)),
        mixed=sum(len(outcomes) > 1 for outcomes in in_runs.values()),
        last_failed_ms=failed[-1].at_ms if failed else None,
        quarantine_id=quarantine_id,
        held=held,
    )


COLUMNS = ("case", "state", "runs", "tries_judged", "failed", "not_judged", "flips", "mixed_runs", "last_failed",
           "critical", "in_quarantine")  # fmt: skip


def rows(found: Sequence[CaseHistory]) -> list[dict[str, Any]]:
    """One row a case, for tables and files."""
    return [
        {
            "case": item.case_id, "state": item.state, "runs": item.runs, "tries_judged": item.judged,
            "failed": item.failed, "not_judged": item.not_judged, "flips": item.flips, "mixed_runs": item.mixed,
            "last_failed": None if item.last_failed_ms is None else clock.iso(item.last_failed_ms),
            "critical": item.critical, "in_quarantine": item.held,
        }
        for item in found
    ]  # fmt: skip
