"""The deterministic judge: a criterion's score is the share of its expectations that were met, out of five.

How it passes is stated in the golden set: `passes` is "all" (the default), "share" or "weighted".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from services.replay import (
    assignment,
    code,
    conversation,
    expectations,
    limits,
    matching,
    numbers,
    patterns,
    reading,
    state,
    toolcalls,
)
from services.replay.expectations import Checked, check_all
from services.replay.model import MAX_SCORE, Answer, Criterion, CriterionScore, GoldenCase, Judged

NAME = "rubric"
DECIDES = (expectations, assignment, code, conversation, limits, matching, numbers, patterns, reading, state, toolcalls)


def judge(case: GoldenCase, answer: Answer) -> Judged:
    """Score every criterion of a case by its expectations."""
    checked = check_all(case, answer)
    return Judged(criteria=tuple(_score(c, [x for x in checked if x.criterion == c.id]) for c in case.criteria))


def _score(criterion: Criterion, checked: list[Checked]) -> CriterionScore:
    missed = [item for item in checked if not item.met]
    score, passed = by_checks(criterion, checked)
    reason = "; ".join(item.why for item in missed) if missed else "; ".join(item.why for item in checked)
    return CriterionScore(
        id=criterion.id,
        score=score,
        reason=reason or "no expectation checks this criterion, so only a model can score it",
        critical=criterion.critical,
        passed=passed,
        asked="; ".join(item.asked for item in missed),
    )


def by_checks(criterion: Criterion, checked: Sequence[Checked]) -> tuple[float | None, bool | None]:
    """A criterion's score and whether it passes, by its expectations alone; (None, None) where it has none.

    The score is the share of them that were met, out of five. With `passes` at "all", and for a critical criterion
    always, one miss fails it and its score stays below `pass_at`; with "share" it passes where the score reaches that,
    and with "weighted" each counts with its weight.
    """
    if not checked:
        return None, None
    missed = sum(not item.met for item in checked)
    weights = [item.weight if criterion.passes == "weighted" else 1.0 for item in checked]
    score = MAX_SCORE * sum(w for w, item in zip(weights, checked, strict=True) if item.met) / sum(weights)
    if missed and (criterion.critical or criterion.passes == "all"):
        return min(score, max(0.0, criterion.pass_at - 1)), False
    return score, score >= criterion.pass_at


def identity() -> str:
    """SHA-256 of the judge: of the code that decides. Another judge's results aren't comparable."""
    digest = hashlib.sha256()
    for module in DECIDES:
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()
