"""The deterministic judge: a criterion's score is the share of its expectations that were met, out of five."""

from __future__ import annotations

import hashlib
from pathlib import Path

from services.replay import expectations, toolcalls
from services.replay.expectations import Checked, check_all
from services.replay.model import MAX_SCORE, Answer, Criterion, CriterionScore, GoldenCase, Judged

NAME = "rubric"


def judge(case: GoldenCase, answer: Answer) -> Judged:
    """Score every criterion of a case by its expectations."""
    checked = check_all(case, answer)
    return Judged(criteria=tuple(_score(c, [x for x in checked if x.criterion == c.id]) for c in case.criteria))


def _score(criterion: Criterion, checked: list[Checked]) -> CriterionScore:
    """Each expectation weighs the same. A critical criterion has no half measures: one miss fails it."""
    missed = [item for item in checked if not item.met]
    score = MAX_SCORE * (len(checked) - len(missed)) / len(checked) if checked else None
    passed = None if score is None else score >= criterion.pass_at and not (criterion.critical and missed)
    reason = "; ".join(item.why for item in missed) if missed else "; ".join(item.why for item in checked)
    return CriterionScore(
        id=criterion.id,
        score=score,
        reason=reason or "no expectation checks this criterion, so only a model can score it",
        critical=criterion.critical,
        passed=passed,
    )


def identity() -> str:
    """SHA-256 of the judge: of the code that decides. Another judge's results aren't comparable."""
    digest = hashlib.sha256()
    for module in (expectations, toolcalls):
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()
