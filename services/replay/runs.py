"""How a run begins, ends, and answers questions. The verdict is made here, from what the store holds."""

from __future__ import annotations

import functools
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from services import access, clock
from services.access import Person
from services.errors import GreenlightError
from services.evidence import current
from services.evidence.freshness import Context
from services.replay import bodies, comparison, gate, golden, held, rubric, trust
from services.replay import sealed as sealing
from services.replay.comparison import Basis, Comparison
from services.replay.gate import GateResult, GateRules
from services.replay.model import Answer, GoldenCase, GoldenSet, Held, Judged, Outcome
from services.replay.patterns import PatternStopped
from services.replay.sealed import SealedWord
from services.store import Store, replays
from services.store.replays import Finished, Run

if TYPE_CHECKING:
    from sqlalchemy import Connection

CANARY = "canary"


class WrongRun(GreenlightError):
    """A run that can't be started or found; the message is a sentence with what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is to be run: everything that the verdict will depend on."""

    golden_path: Path
    agent: str
    agent_label: str
    judge_name: str
    judge_sha256: str
    rules: GateRules
    concurrency: int = 8
    timeout_s: float = 60.0
    subset: str = ""
    cases: tuple[str, ...] = ()
    environment: str = ""
    simulated: bool = False
    runner: str = "command"
    requested_by: str = "command line"
    min_judge_alpha: float = trust.MIN_ALPHA
    pair: str = ""  # of an A/A pair: what both of its runs are called
    agent_mark: str = ""  # tells another agent's specification from this one, where that may not be stored


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """A run that is in the store, with the golden set that it uses."""

    run: Run
    golden: GoldenSet


def begin(store: Store, plan: Plan) -> Begun:
    """Put a run into the store. Raises SettingsError for an unsound set, WrongRun for a choice without cases."""
    raw = golden.raw(plan.golden_path)
    found, kept = golden.parse_keeping(raw, str(plan.golden_path))
    chosen = _chosen(found, plan)
    wanted = frozenset(chosen)
    rules = plan.rules
    run = Run(
        id=f"{clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
        created_ms=clock.now_ms(),
        runner=plan.runner,
        requested_by=plan.requested_by,
        environment=plan.environment,
        simulated=plan.simulated,
        agent=plan.agent_label,
        subset=plan.subset or ("cases" if plan.cases else ""),
        options={
            "agent": plan.agent if plan.runner == "worker" else plan.agent_label,
            "judge": plan.judge_name,
            "repeats": rules.repeats,
            "per_case": rules.per_case,
            "min_pass_rate": rules.min_pass_rate,
            "concurrency": plan.concurrency,
            "timeout_s": plan.timeout_s,
            "golden_version": found.version,
            "cases": list(chosen),
            "critical": [case.id for case in found.cases if case.id in wanted and is_critical(case)],
            "agent_mark": plan.agent_mark,
            "min_judge_alpha": plan.min_judge_alpha,
            **({"aa": plan.pair} if plan.pair else {}),
        },
        golden_name=found.name,
        golden_sha256=found.sha256,
        judge_sha256=plan.judge_sha256,
        total=len(chosen) * rules.repeats,
        summary={},
    )
    pieces = [(case_id, repeat) for repeat in range(1, rules.repeats + 1) for case_id in chosen]
    with store.write() as connection:
        if run.environment:
            context = current.context(connection, run.environment)
            said = {"fingerprint": context.fingerprint, "version": context.version}
            run = replace(run, options=dict(run.options) | {"under": said})
        replays.create(connection, run, pieces, kept, found.version)
    return Begun(run=run, golden=found)


def is_critical(case: GoldenCase) -> bool:
    """Whether a case has a critical criterion: then it must be judged, whatever the rate."""
    return any(criterion.critical for criterion in case.criteria)


def critical_of(run: Run) -> tuple[str, ...]:
    """The run's cases with a critical criterion; () for a run of a version that did not note them."""
    return tuple(run.options.get("critical") or ())


def context_of(connection: Connection, run: Run) -> Context:
    """What a run was carried out under. Where something changed since it was begun, what held then: part of its cases,
    or all, speak of what runs no more."""
    begun = run.options.get("under")
    if not isinstance(begun, dict):  # begun before this was noted
        return current.context(connection, run.environment)
    return Context(fingerprint=begun.get("fingerprint"), version=begun.get("version"))


def _chosen(found: GoldenSet, plan: Plan) -> tuple[str, ...]:
    ids = tuple(case.id for case in found.cases)
    if plan.cases:
        unknown = [id_ for id_ in plan.cases if id_ not in ids]
        if unknown:
            raise WrongRun(f"The golden set has no case {unknown[0][:80]!r}. Its ids are in {plan.golden_path}.")
        return tuple(dict.fromkeys(plan.cases))
    if plan.subset:
        chosen = tuple(case.id for case in found.cases if plan.subset in case.tags)
        if not chosen:
            raise WrongRun(f"No case carries the tag {plan.subset[:40]!r}. Choose another subset, or none.")
        return chosen
    return ids


def resumed(store: Store, run_id: str) -> Begun:
    """A run to be taken up again, with the golden set as it was. Raises WrongRun."""
    with store.write() as connection:
        run = _taken_up(connection, run_id)
        body = replays.golden_body(connection, run.golden_sha256)
    if body is None:
        raise WrongRun(f"The golden set of run {run_id} is no longer in the store, so it can't go on.")
    return Begun(run=run, golden=golden.parse(json.loads(body), f"golden set of {run_id}"))


def started(store: Store, plan: Plan) -> Begun:
    """A new run, put into the store and taken up at once. Raises like `begin`."""
    begun = begin(store, plan)
    with store.write() as connection:
        return Begun(run=_taken_up(connection, begun.run.id), golden=begun.golden)


def _taken_up(connection: Connection, run_id: str) -> Run:
    run = replays.get(connection, run_id)
    if run is None:
        raise WrongRun(f"There is no run {run_id[:60]!r}. The page Replay harness lists them.")
    replays.start(connection, run_id, clock.now_ms())
    if run.runner == "command":
        replays.take_over(connection, run_id)
    current = replays.get(connection, run_id)
    assert current is not None  # noqa: S101 - it was there in this very transaction
    return current


def rules_of(run: Run) -> GateRules:
    """The gate that a run is held against."""
    return GateRules(
        min_pass_rate=run.options["min_pass_rate"], repeats=run.options["repeats"], per_case=run.options["per_case"]
    )


def outcomes(store: Store, run_id: str) -> tuple[Outcome, ...]:
    """The finished pieces of a run."""
    with store.read() as connection:
        return tuple(bodies.from_json(body) for _, body in replays.bodies(connection, run_id))


def result(store: Store, run: Run) -> GateResult:
    """The gate's result over what is finished so far; of a finished run, as it was decided."""
    summary = run.summary
    if "quarantine" in summary:
        aside: tuple[Held, ...] = tuple(Held(**item) for item in summary["quarantine"])
    else:
        with store.read() as connection:
            aside = held.in_force(connection, run.golden_name, run.created_ms, run.finished_ms or clock.now_ms())
    return gate.decide(
        outcomes(store, run.id), run.options["cases"], rules_of(run), judge_agreement=summary.get("judge_agreement"),
        critical_cases=critical_of(run), doubts=summary.get("judge_doubts", ()), quarantine=aside,
    )  # fmt: skip


def conclude(
    store: Store, run: Run, *, judge_agreement: float | None = None, judge_usage: Mapping[str, Any] | None = None,
    also: Callable[[Connection, Run, GateResult], None] | None = None, sealed: Sequence[SealedWord] = (),
) -> tuple[Run, GateResult]:  # fmt: skip
    """Write the verdict of a run of which everything is done; the first one does, and all get the same.

    `also` writes what belongs to the verdict: in its transaction, so once, and never a verdict without it. It is given
    the result by the measure of a Go, which may be stricter than what the run was asked with. `sealed` is what the
    judges say of the sealed answers; `judge_agreement` is taken from it where it isn't given.
    Raises WrongRun while pieces are open.
    """
    with store.read() as connection:
        if not replays.is_complete(connection, run.id):
            raise WrongRun(f"Run {run.id} is not finished: some answers are still missing. Resume it.")
        now = clock.now_ms()
        aside = held.in_force(connection, run.golden_name, run.created_ms, now)
        before = trust.earlier(connection, sealed, now)
    agreement = sealing.agreement(sealed) if judge_agreement is None else judge_agreement
    judged, rules, own = outcomes(store, run.id), rules_of(run), sealing.doubts(sealed, before)
    bare = functools.partial(
        gate.decide, expected=run.options["cases"], critical_cases=critical_of(run), quarantine=aside
    )

    def decided(by: GateRules) -> tuple[GateResult, Sequence[str]]:
        doubts = own or trust.panel_doubts(judged, _min_alpha(run), functools.partial(bare, rules=by))
        return bare(judged, rules=by, judge_agreement=agreement, doubts=doubts), doubts

    found, doubts = decided(rules)
    for_go = found if rules.for_go == rules else decided(rules.for_go)[0]
    summary = summarise(found) | {
        "judge_agreement": agreement, "judge_usage": dict(judge_usage or {}), "judge_doubts": list(doubts),
        "judges": sealing.described(sealed, before),
    }  # fmt: skip
    with store.write() as connection:
        is_first = replays.conclude(connection, run.id, found.verdict, summary, clock.now_ms())
        current = replays.get(connection, run.id)
        assert current is not None  # noqa: S101 - runs are never deleted
        if is_first:
            trust.keep(connection, run.id, sealed, now)
            if also is not None:
                also(connection, current, for_go)
    return current, found


def _min_alpha(run: Run) -> float:
    """The agreement that a panel needs; of a run of an older version, the default."""
    return float(run.options.get("min_judge_alpha", trust.MIN_ALPHA))


def summarise(found: GateResult) -> dict[str, Any]:
    """The numbers of a result, for lists and trends."""
    return {
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "total": found.total,
        "passed": found.passed,
        "failed": found.failed,
        "errors": found.errors,
        "unscored": found.unscored,
        "pass_rate": found.pass_rate,
        "pass_rate_interval": list(found.interval),
        "avg_score": found.avg_score,
        "critical_failures": list(found.critical_failures),
        "quarantine": [asdict(item) for item in found.quarantine],
    }


def cancel(store: Store, run_id: str, *, by: Person) -> None:
    """Stop a run; what is finished stays, and the run can be resumed. Raises Forbidden."""
    access.require(by, "replay")
    with store.write() as connection:
        replays.cancel(connection, run_id, clock.now_ms())


def resume(store: Store, run_id: str, *, by: Person) -> None:
    """Let the workers go on with a run that was cancelled. Raises Forbidden."""
    access.require(by, "replay")
    with store.write() as connection:
        replays.start(connection, run_id, clock.now_ms())


def rescore(store: Store, run_id: str, *, by: Person) -> tuple[Run, GateResult]:
    """Judge a run's kept answers again with the rubric as it is now, without asking the agent.

    Raises Forbidden or WrongRun.
    """
    access.require(by, "rescore")
    begun = resumed_for_reading(store, run_id)
    run, cases = begun.run, {case.id: case for case in begun.golden.cases}
    if run.state in replays.OPEN:
        raise WrongRun(f"Run {run_id} is not finished yet. Wait for its end, or cancel it.")
    with store.read() as connection:
        kept = [(position, bodies.from_json(body)) for position, body in replays.bodies(connection, run_id)]
    fresh = []
    for position, outcome in kept:
        judged = None if outcome.answer is None else _judged_again(cases[outcome.case_id], outcome.answer)
        fresh.append((position, replace(outcome, judged=judged)))
    critical = [id_ for id_ in run.options["cases"] if is_critical(cases[id_])]
    aside = tuple(Held(**item) for item in run.summary.get("quarantine", ()))
    found = gate.decide(
        [o for _, o in fresh], run.options["cases"], rules_of(run), critical_cases=critical, quarantine=aside
    )
    done = [Finished(position=p, outcome=o.state, body=bodies.to_json(o)) for p, o in fresh]
    with store.write() as connection:
        now = clock.now_ms()
        before = {name: run.summary.get(name) for name in ("pass_rate", "passed", "total")}
        before |= {"verdict": run.verdict, "judge_sha256": run.judge_sha256, "until_ms": now}
        summary = summarise(found) | {"rescored_ms": now, "earlier": [*run.summary.get("earlier", ()), before]}
        replays.rescored(connection, run_id, done, rubric.identity(), found.verdict, summary)
        current = replays.get(connection, run_id)
    assert current is not None  # noqa: S101
    return current, found


def _judged_again(case: GoldenCase, answer: Answer) -> Judged:
    try:
        return rubric.judge(case, answer)
    except PatternStopped as error:
        return Judged(unscored=str(error))


def resumed_for_reading(store: Store, run_id: str) -> Begun:
    """A run with its golden set, untouched. Raises WrongRun."""
    with store.read() as connection:
        run = replays.get(connection, run_id)
        body = None if run is None else replays.golden_body(connection, run.golden_sha256)
    if run is None or body is None:
        raise WrongRun(f"There is no run {run_id[:60]!r}. The page Replay harness lists them.")
    return Begun(run=run, golden=golden.parse(json.loads(body), f"golden set of {run_id}"))


def compared(store: Store, run: Run, found: GateResult, against: str | None = None) -> Comparison | None:
    """A run beside another, by default its baseline; None where there is none. Raises WrongRun."""
    with store.read() as connection:
        other_id = against or replays.baseline(connection, run.golden_name, run.agent)
        other = None if other_id is None or other_id == run.id else replays.get(connection, other_id)
    if other is None:
        if against is not None and against != run.id:
            raise WrongRun(f"There is no run {against[:60]!r} to compare with.")
        return None
    earlier = gate.decide(
        outcomes(store, other.id), other.options["cases"], rules_of(other), critical_cases=critical_of(other)
    )
    return comparison.compare(found.cases, earlier.cases, basis_of(run), basis_of(other))


def basis_of(run: Run) -> Basis:
    """What a run's numbers rest on."""
    return Basis(run_id=run.id, golden_sha256=run.golden_sha256, judge_sha256=run.judge_sha256)


def promote(store: Store, run_id: str, *, by: Person) -> None:
    """Make a finished run the baseline of its golden set and agent, a decision by name. Raises Forbidden, WrongRun."""
    from services.dependencies.tables import INSTALLATION  # here alone: a command that replays has no use for them
    from services.evidence import decisions

    access.require(by, "baseline")
    with store.write() as connection:
        run = replays.get(connection, run_id)
        if run is None or run.state != "done":
            raise WrongRun(f"Only a finished run can be a baseline; {run_id[:60]!r} is none.")
        replays.promote(connection, run, by=str(by), now_ms=clock.now_ms())
        decisions.write(
            store, connection, run.environment or INSTALLATION, "baseline", by, simulated=run.simulated,
            note=f"Run {run.id} is the one that others of {run.golden_name} against {run.agent} are compared with.",
            more={"run_id": run.id},
        )  # fmt: skip


def take_back_baseline(store: Store, golden_name: str, agent: str, *, by: Person) -> str | None:
    """Make the baseline before the present one the baseline again, by name; its id, None where there was none before.
    Raises Forbidden, WrongRun."""
    with store.read() as connection:
        chosen = replays.baselines(connection, golden_name, agent)
    before = next((id_ for id_ in chosen if id_ != chosen[0]), None)
    if before is not None:
        promote(store, before, by=by)
    return before


def from_document(document: Any) -> Sequence[gate.CaseResult]:
    """The case results of an exported run (the JSON of the command line), to compare with. Raises WrongRun."""
    try:
        return tuple(_from_case(case) for case in document["cases"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WrongRun("The file is not the JSON of a run. Write one with --json.") from error


def _from_case(case: Mapping[str, Any]) -> gate.CaseResult:
    from services.replay.model import CriterionScore

    def number(value: Any) -> float | None:
        if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            return value
        raise ValueError("a score is no number")

    def text(value: Any) -> str:
        if isinstance(value, str):
            return value
        raise ValueError("an id is no text")

    criteria = tuple(
        CriterionScore(
            id=text(c["id"]), score=number(c["score"]), reason="", critical=c.get("critical") is True,
            passed={True: True, False: False}.get(c.get("passed")),
        )
        for c in case.get("criteria") or ()
    )  # fmt: skip
    passed = case.get("passed")
    state = (
        "error" if case.get("error") else "passed" if passed is True else "failed" if passed is False else "unscored"
    )
    outcome = Outcome(
        case_id=text(case["id"]), repeat=1, category=text(case.get("category", "")), judged=Judged(criteria=criteria),
        answer=None, trouble=None, duration_ms=0, attempts=1,
    )  # fmt: skip
    return gate.CaseResult(
        id=outcome.case_id, category=outcome.category, state=state,  # type: ignore[arg-type]
        score=number(case.get("score")), critical_failed=tuple(map(text, case.get("critical_failed") or ())),
        outcomes=(outcome,),
    )  # fmt: skip
