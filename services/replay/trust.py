"""Whether the judges of a run can be trusted: with the labels, with their own earlier words, with each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

from sqlalchemy import Connection

from services.clock import DAY_MS
from services.replay import panel, sealed
from services.replay.gate import MIN_AGREEMENT, GateResult
from services.replay.model import Outcome
from services.replay.panel import Agreed
from services.replay.sealed import SealedWord
from services.store import sealed_words

MIN_ALPHA = 0.667  # the lowest for tentative conclusions; source: Krippendorff 2004, Content Analysis, chapter 11
EARLIER_DAYS = 90
Decide = Callable[[Sequence[Outcome]], GateResult]


def earlier(connection: Connection, words: Sequence[SealedWord], now_ms: int) -> Mapping[str, Sequence[SealedWord]]:
    """By judge, its words in the oldest run of the last 90 days in which it agreed with the labels.

    The oldest and not the last one: a judge that drifts a little each time would never differ from its last words.
    """
    found = {}
    for name, own in sealed.by_judge(words).items():
        sha256 = own[0].judge_sha256
        for run_id in sealed_words.runs_of(connection, sha256, now_ms - EARLIER_DAYS * DAY_MS):
            said = [SealedWord(**row) for row in sealed_words.of_run(connection, run_id, sha256)]
            if (sealed.agreement(said) or 0) >= MIN_AGREEMENT:
                found[name] = said
                break
    return found


def keep(connection: Connection, run_id: str, words: Sequence[SealedWord], now_ms: int) -> None:
    """Keep what the judges said in a run."""
    sealed_words.keep(connection, run_id, now_ms, [asdict(word) for word in words])


def panel_doubts(outcomes: Sequence[Outcome], minimum: float, decide: Decide) -> tuple[str, ...]:
    """A sentence for each criterion on which a panel agrees too little, where what it disagrees on can decide.

    Where nearly all passes, a single dissent takes alpha to 0. So it counts only where the verdict would be another,
    had all that is contested passed or failed.
    """
    weak = [item for item in panel.agreed(outcomes) if item.criterion and _is_weak(item, minimum)]
    if not weak:
        return ()
    names = {item.criterion for item in weak}
    turned = {decide([_turned(outcome, names, to) for outcome in outcomes]).verdict for to in (True, False)}
    if len(turned) == 1:
        return ()
    return tuple(
        f"The judges agree too little on {item.criterion}: Krippendorff's alpha is {item.alpha:.2f}, {minimum:g} is "
        f"needed. They differ on {item.contested} of {item.judged} answers, which decides the verdict."
        for item in weak
    )


def _is_weak(item: Agreed, minimum: float) -> bool:
    return item.alpha is not None and item.alpha < minimum


def _turned(outcome: Outcome, names: set[str], to: bool) -> Outcome:
    """The outcome had the panel's contested words all been this one."""
    if outcome.judged is None:
        return outcome
    contested = {
        name for name in names
        if len({word.passed for word in outcome.judged.words if word.criterion == name} - {None}) > 1
    }  # fmt: skip
    if not contested:
        return outcome
    criteria = tuple(replace(c, passed=to) if c.id in contested else c for c in outcome.judged.criteria)
    open_ = any(c.passed is None for c in criteria)
    unscored = outcome.judged.unscored if open_ else None
    return replace(outcome, judged=replace(outcome.judged, criteria=criteria, unscored=unscored))
