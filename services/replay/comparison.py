"""Whether a run is better or worse than another, and whether the difference is real. Case by case, by McNemar's exact
test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from services.replay import stats
from services.replay.gate import CaseResult

SIGNIFICANT = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What a run's numbers rest on; runs on another basis are compared only with a warning."""

    run_id: str
    golden_sha256: str
    judge_sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A run beside an earlier one. Score changes are new − old, in points of 5."""

    against: str
    comparable: bool
    warnings: tuple[str, ...]
    flipped_worse: tuple[str, ...]
    flipped_better: tuple[str, ...]
    p_value: float
    by_criterion: dict[str, float]
    by_category: dict[str, float]
    in_words: str


def compare(new: Iterable[CaseResult], old: Iterable[CaseResult], basis: Basis, before: Basis) -> Comparison:
    """Compare case by case; only cases judged in both runs count."""
    warnings = []
    if basis.golden_sha256 != before.golden_sha256:
        warnings.append("The golden set changed in between: a difference may come from the cases.")
    if basis.judge_sha256 != before.judge_sha256:
        warnings.append("The judge changed in between: a difference may come from the judge.")
    earlier = {case.id: case for case in old}
    pairs = [(case, earlier[case.id]) for case in new if case.id in earlier]
    both = [(n, o) for n, o in pairs if {n.state, o.state} <= {"passed", "failed"}]
    worse = tuple(n.id for n, o in both if (n.state, o.state) == ("failed", "passed"))
    better = tuple(n.id for n, o in both if (n.state, o.state) == ("passed", "failed"))
    p_value = stats.mcnemar_exact(len(worse), len(better))
    return Comparison(
        against=before.run_id,
        comparable=not warnings,
        warnings=tuple(warnings),
        flipped_worse=worse,
        flipped_better=better,
        p_value=p_value,
        by_criterion=_by_criterion(both),
        by_category=_by_category(both),
        in_words=_words(worse, better, p_value, len(both), warnings),
    )


def _words(worse: tuple[str, ...], better: tuple[str, ...], p: float, both: int, warnings: list[str]) -> str:
    if not both:
        return "No case was judged in both runs, so nothing can be compared."
    if not worse and not better:
        text = f"No case flipped: the same of {both} cases pass as before."
    elif p < SIGNIFICANT:
        direction = "drop" if len(worse) > len(better) else "rise"
        text = f"The {direction} is real: {len(worse)} cases got worse and {len(better)} better (p = {p:.3f})."
    else:
        text = f"{len(worse)} cases got worse and {len(better)} better: this can be chance (p = {p:.2f})."
    return " ".join([*warnings, text])


def _by_criterion(pairs: list[tuple[CaseResult, CaseResult]]) -> dict[str, float]:
    changes: dict[str, list[float]] = defaultdict(list)
    for new, old in pairs:
        before = _scores(old)
        for name, value in _scores(new).items():
            if name in before:
                changes[name].append(value - before[name])
    return {name: sum(values) / len(values) for name, values in sorted(changes.items())}


def _scores(case: CaseResult) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for outcome in case.outcomes:
        for criterion in outcome.judged.criteria if outcome.judged is not None else ():
            if criterion.score is not None:
                found[criterion.id].append(criterion.score)
    return {name: sum(values) / len(values) for name, values in found.items()}


def _by_category(pairs: list[tuple[CaseResult, CaseResult]]) -> dict[str, float]:
    changes: dict[str, list[float]] = defaultdict(list)
    for new, old in pairs:
        if new.score is not None and old.score is not None:
            changes[new.category].append(new.score - old.score)
    return {name: sum(values) / len(values) for name, values in sorted(changes.items())}
