"""A/A: the same agent twice. How many cases flip although nothing changed, beside what the gate's arithmetic states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from services.counting import wilson
from services.replay import runs, stats
from services.replay.gate import GateResult, GateRules
from services.store import Store, replays
from services.store.replays import Run
from services.units import percent, share

NEWEST = 200  # runs of an agent that are searched for pairs


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """One A/A pair. `stated_rate` is the share of flips if each case passed by the same chance, drawn afresh."""

    runs: tuple[str, str]
    verdicts: tuple[str, str]
    flipped: tuple[str, ...]
    judged: int
    flip_rate: float | None
    interval: tuple[float, float]
    stated_rate: float | None
    stated_verdicts: float | None  # how often the gate gives two verdicts on such a pair


def compare(first: GateResult, second: GateResult, rules: GateRules, ids: tuple[str, str]) -> Pair:
    """Case by case; only cases judged in both runs count.

    With the pass rate p of both runs, 2p(1 - p) of the cases flip if each passes with p: the most that a mixture of
    cases of this mean can flip. With the gate's chance q to pass at p, two verdicts differ 2q(1 - q) of the time.
    """
    before = {case.id: case.state for case in first.cases}
    both = [(case.id, before[case.id], case.state) for case in second.cases
            if case.id in before and {case.state, before[case.id]} <= {"passed", "failed"}]  # fmt: skip
    flipped = tuple(id_ for id_, old, new in both if old != new)
    stated = stated_verdicts = None
    if both:
        rate = sum((old == "passed") + (new == "passed") for _, old, new in both) / (2 * len(both))
        stated = 2 * rate * (1 - rate)
        through = stats.gate_passes(rate, len(both), rules.min_pass_rate)
        stated_verdicts = 2 * through * (1 - through)
    return Pair(
        runs=ids,
        verdicts=(first.verdict, second.verdict),
        flipped=flipped,
        judged=len(both),
        flip_rate=len(flipped) / len(both) if both else None,
        interval=wilson(len(flipped), len(both)),
        stated_rate=stated,
        stated_verdicts=stated_verdicts,
    )


def of_run(store: Store, run: Run) -> Pair | None:
    """The pair that a run belongs to; None for another run, and while one of the two is not finished."""
    if not run.options.get("aa"):
        return None
    with store.read() as connection:
        found = replays.newest(connection, limit=NEWEST, agent=run.agent, state="done")
    both = [other for other in found if other.options.get("aa") == run.options["aa"]]
    return _pair(store, both[1], both[0]) if len(both) == 2 else None


def pairs(store: Store, agent: str, limit: int = 10) -> tuple[Pair, ...]:
    """An agent's newest finished pairs, the newest first."""
    with store.read() as connection:
        found = replays.newest(connection, limit=NEWEST, agent=agent, state="done")
    by_name: dict[str, list[Run]] = {}
    for run in found:
        if name := run.options.get("aa"):
            by_name.setdefault(str(name), []).append(run)
    whole = [group for group in by_name.values() if len(group) == 2]
    return tuple(_pair(store, group[1], group[0]) for group in whole[:limit])


def _pair(store: Store, first: Run, second: Run) -> Pair:
    results = (runs.result(store, first), runs.result(store, second))
    return compare(*results, runs.rules_of(second), (first.id, second.id))


def document(pair: Pair | None) -> dict[str, Any] | None:
    """A pair as JSON."""
    return None if pair is None else asdict(pair) | {"in_words": in_words(pair)}


def in_words(pair: Pair) -> str:
    """What a pair measured, beside what is stated."""
    if pair.flip_rate is None or pair.stated_rate is None:
        return "No case was judged in both runs, so nothing was measured."
    low, high = pair.interval
    return (
        f"{len(pair.flipped)} of {pair.judged} cases flipped: {share(pair.flip_rate)}, 95 % interval {share(low)} to "
        f"{share(high)}. If each case passed by chance alone, {percent(pair.stated_rate)} would flip."
    )


def verdicts_in_words(found: Sequence[Pair]) -> str:
    """How often the verdicts of an agent's pairs differ, beside how often the gate's arithmetic says."""
    known = [pair for pair in found if {*pair.verdicts} <= {"PASS", "BLOCK"} and pair.stated_verdicts is not None]
    if not known:
        return ""
    differ = sum(pair.verdicts[0] != pair.verdicts[1] for pair in known)
    low, high = wilson(differ, len(known))
    stated = sum(pair.stated_verdicts or 0 for pair in known) / len(known)
    return (
        f"The verdicts differed in {differ} of {len(known)} pairs (95 % interval {share(low)} to {share(high)}); "
        f"the gate's own arithmetic states {percent(stated)}."
    )
