"""Whether a run passes the gate. PASS, BLOCK or INCONCLUSIVE with reasons; infrastructure errors are never wrong
answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from services.counting import wilson
from services.replay import stats
from services.replay.model import Held, Outcome, Verdict
from services.units import percent, share

MIN_JUDGED_SHARE = 0.95  # fewer cases judged, and the run says too little
GO_RATE = 0.95  # of the cases, where a Go rests on a run; source: domain.md §3
MIN_AGREEMENT = 0.85  # of the judge with the sealed labels
MAX_QUARANTINED = 0.10  # of the cases of a run; with more, too little of the set is left to judge by
CaseState = Literal["passed", "failed", "error", "unscored"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GateRules:
    """What a run is held against. `per_case` says how many of its repeats a case must pass."""

    min_pass_rate: float = GO_RATE
    repeats: int = 1
    per_case: str = "all"  # all, majority, or at_least:K
    min_judged_share: float = MIN_JUDGED_SHARE

    @property
    def for_go(self) -> GateRules:
        """The same, held at least to what a Go asks for: its share of the cases, each in all of its repeats."""
        return replace(self, min_pass_rate=max(self.min_pass_rate, GO_RATE), per_case="all")

    @property
    def needed(self) -> int:
        """How many of a case's repeats must pass."""
        if self.per_case == "majority":
            return self.repeats // 2 + 1
        if self.per_case.startswith("at_least:"):
            return min(self.repeats, max(1, int(self.per_case.removeprefix("at_least:"))))
        return self.repeats


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseResult:
    """A case over all its repeats. `score` is the mean of those that were scored."""

    id: str
    category: str
    state: CaseState
    score: float | None
    critical_failed: tuple[str, ...]
    outcomes: tuple[Outcome, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class GateResult:
    """A run's verdict with everything that it rests on. The numbers leave out what is in quarantine; `cases` don't."""

    verdict: Verdict
    reasons: tuple[str, ...]
    total: int
    passed: int
    failed: int
    errors: int
    unscored: int
    pass_rate: float | None
    interval: tuple[float, float]
    avg_score: float | None
    critical_failures: tuple[str, ...]
    cases: tuple[CaseResult, ...] = field(repr=False)
    quarantine: tuple[Held, ...] = ()

    @property
    def block_build(self) -> bool:
        """Whether a release must wait: anything but PASS."""
        return self.verdict != "PASS"


def decide(
    outcomes: Iterable[Outcome],
    expected: Sequence[str],
    rules: GateRules,
    *,
    judge_agreement: float | None = None,
    critical_cases: Collection[str] = (),
    doubts: Sequence[str] = (),
    quarantine: Sequence[Held] = (),
) -> GateResult:
    """The verdict over the `expected` case ids; a case without an outcome counts as an error, never as absent.

    Of `critical_cases`, which have a critical criterion, every repeat must be judged, whatever the rate; none of them
    can be in `quarantine`. `doubts` say why the judge can't be trusted.
    """
    by_case: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_case[outcome.case_id].append(outcome)
    cases = tuple(_case(id_, by_case.get(id_, []), rules) for id_ in expected)
    held = tuple(item for item in quarantine if item.case_id in expected and item.case_id not in critical_cases)
    aside = {item.case_id for item in held}
    counted = [case for case in cases if case.id not in aside]
    counts = {
        state: sum(case.state == state for case in counted) for state in ("passed", "failed", "error", "unscored")
    }
    judged = counts["passed"] + counts["failed"]
    scores = [case.score for case in counted if case.score is not None]
    critical = tuple(f"{case.id}: {name}" for case in cases for name in case.critical_failed)
    rate = counts["passed"] / judged if judged else None
    verdict, reasons = _verdict(counts, len(counted), rate, critical, rules, judge_agreement, doubts)
    if verdict == "PASS" and (withheld := _withheld(cases, held, critical_cases, rules)):
        verdict, reasons = "INCONCLUSIVE", withheld
    return GateResult(
        verdict=verdict,
        reasons=(*reasons, *_held_words(held, {case.id: case.state for case in cases})),
        total=len(counted),
        passed=counts["passed"],
        failed=counts["failed"],
        errors=counts["error"],
        unscored=counts["unscored"],
        pass_rate=rate,
        interval=wilson(counts["passed"], judged),
        avg_score=sum(scores) / len(scores) if scores else None,
        critical_failures=critical,
        cases=cases,
        quarantine=held,
    )


def _withheld(
    cases: Sequence[CaseResult], held: Sequence[Held], critical_cases: Collection[str], rules: GateRules
) -> tuple[str, ...]:
    """Why a pass that the rate would give isn't given; () where it is."""
    open_ = [case.id for case in cases if case.id in critical_cases and _is_open(case, rules)]
    found = []
    if open_:
        words = "case was" if len(open_) == 1 else "cases were"
        found.append(f"{len(open_)} critical {words} not judged in full: {', '.join(open_[:5])}.")
    if len(held) > MAX_QUARANTINED * len(cases) + 1e-9:
        found.append(f"{len(held)} of {len(cases)} cases are in quarantine; at most {share(MAX_QUARANTINED)} may be.")
    return tuple(found)


def _held_words(held: Sequence[Held], states: Mapping[str, CaseState]) -> tuple[str, ...]:
    """A sentence for each case in quarantine, what it came to included: no quarantine is silent."""
    ended = {"passed": "passed", "failed": "failed", "error": "was not answered", "unscored": "was not scored"}
    return tuple(
        f"In quarantine until {item.until}, so not counted: {item.case_id}, which {ended[states[item.case_id]]} "
        f"(owner {item.owner}: {item.reason.rstrip('.')})."
        for item in held
    )


def _is_open(case: CaseResult, rules: GateRules) -> bool:
    judged = sum(outcome.state in {"passed", "failed"} for outcome in case.outcomes)
    return judged < rules.repeats


def _case(id_: str, outcomes: list[Outcome], rules: GateRules) -> CaseResult:
    outcomes.sort(key=lambda outcome: outcome.repeat)
    states = [outcome.state for outcome in outcomes]
    passed, needed = states.count("passed"), rules.needed
    open_ = rules.repeats - passed - states.count("failed")  # errors, unscored, never finished
    state: CaseState
    if passed >= needed:
        state = "passed"
    elif passed + open_ < needed:
        state = "failed"
    else:
        state = (
            "unscored"
            if states.count("unscored") and "error" not in states and len(states) == rules.repeats
            else "error"
        )
    scores = [score for o in outcomes if o.judged is not None and (score := o.judged.score) is not None]
    critical = {
        c.id for o in outcomes if o.judged is not None for c in o.judged.criteria if c.critical and c.passed is False
    }
    return CaseResult(
        id=id_,
        category=outcomes[0].category if outcomes else "",
        state=state,
        score=sum(scores) / len(scores) if scores else None,
        critical_failed=tuple(sorted(critical)),
        outcomes=tuple(outcomes),
    )


def _verdict(
    counts: Mapping[str, int],
    total: int,
    rate: float | None,
    critical: Sequence[str],
    rules: GateRules,
    agreement: float | None,
    doubts: Sequence[str],
) -> tuple[Verdict, tuple[str, ...]]:
    """A judge that can't be trusted decides nothing. What is measured false blocks; what is missing is inconclusive."""
    if total == 0:
        return "INCONCLUSIVE", ("There was no case to judge.",)
    if doubts:
        return "INCONCLUSIVE", tuple(doubts)
    if agreement is not None and agreement < MIN_AGREEMENT:
        return "INCONCLUSIVE", (
            f"The judge can't be trusted: it agrees with {share(agreement, MIN_AGREEMENT)} of the labelled answers; "
            f"{share(MIN_AGREEMENT)} are needed.",
        )
    judged = counts["passed"] + counts["failed"]
    blocks: list[str] = []
    if critical:
        blocks.append(f"A critical criterion failed in {len(critical)}: {', '.join(critical[:5])}.")
    best = (counts["passed"] + counts["error"] + counts["unscored"]) / total
    if best < rules.min_pass_rate - 1e-12:
        missing = total - judged
        blocks.append(_rate_words(counts["passed"], judged, rules))
        if missing:
            blocks.append(f"{missing} were not judged, which changes nothing: even had they passed, it were too few.")
    if blocks:
        return "BLOCK", tuple(blocks)
    part = judged / total
    if part < rules.min_judged_share - 1e-12 or rate is None:
        return "INCONCLUSIVE", (
            f"Only {judged} of {total} cases were judged ({counts['error']} errors, {counts['unscored']} unscored); "
            f"{share(rules.min_judged_share)} are needed.",
        )
    missing = total - judged
    if missing and counts["passed"] / total < rules.min_pass_rate - 1e-12:
        return "INCONCLUSIVE", (
            f"{counts['passed']} of {judged} judged cases passed, but {missing} were not judged: had they failed, "
            "the gate would block.",
        )
    return "PASS", (_rate_words(counts["passed"], judged, rules),)


def _rate_words(passed: int, judged: int, rules: GateRules) -> str:
    rate = share(passed / judged, rules.min_pass_rate)
    return f"{passed} of {judged} cases passed: {rate}; {share(rules.min_pass_rate)} are needed."


def own_error_rates(total: int, rules: GateRules) -> tuple[str, ...]:
    """In words: how often this gate, at this size, blocks a good agent and lets a worse one through."""
    gate, needed = rules.min_pass_rate, rules.needed

    def through(rate: float) -> float:
        return stats.gate_passes(stats.repeated_rate(rate, rules.repeats, needed), total, gate)

    good, bad = min(0.999, gate + 0.02), max(0.0, gate - 0.01)
    times = "" if rules.repeats == 1 else f" with {needed} of {rules.repeats} repeats to pass"
    note = " Repeats of a case are alike, so this is the best that can be hoped for." if rules.repeats > 1 else ""
    return (
        f"With {total} cases{times} and a gate at {share(gate)}: an agent that truly passes {share(good)} is blocked "
        f"{percent(1 - through(good))} of the time; one that truly passes {share(bad)} gets through "
        f"{percent(through(bad))} of the time.{note}",
    )
