"""pass^k: how likely an agent does the same case right k times in a row, for each k up to the number of repeats. Pure.

Source of the estimate: tau-bench, Yao et al. 2024. The interval is Wilson's over the cases, with the mean of the cases'
estimates as its share: values between 0 and 1 vary at most as much as yes and no of the same mean (Bhatia and Davis
2000), so it is wide enough, and never a point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.counting import wilson
from services.replay.gate import CaseResult
from services.replay.stats import pass_hat_k
from services.units import share


@dataclass(frozen=True, kw_only=True, slots=True)
class PassHat:
    """pass^k over the cases that were judged at least k times."""

    k: int
    value: float
    low: float
    high: float
    cases: int


def pass_hat(cases: Sequence[CaseResult]) -> tuple[PassHat, ...]:
    """For each k that a case was judged so often; () where nothing was judged."""
    judged = [[o.state == "passed" for o in case.outcomes if o.state in {"passed", "failed"}] for case in cases]
    made = []
    for k in range(1, max(map(len, judged), default=0) + 1):
        each = [pass_hat_k(sum(tries), len(tries), k) for tries in judged if len(tries) >= k]
        low, high = wilson(sum(each), len(each))
        made.append(PassHat(k=k, value=sum(each) / len(each), low=low, high=high, cases=len(each)))
    return tuple(made)


def in_words(doc: Mapping[str, Any]) -> str:
    """pass^k of a run's document as a sentence; "" where no case was judged twice."""
    if len(doc["pass_hat"]) < 2:
        return ""
    parts = [f"pass^{k} {share(value)} ({' to '.join(map(share, doc['pass_hat_intervals'][k]))})"
             for k, value in doc["pass_hat"].items()]  # fmt: skip
    return f"Right k times in a row, with 95 % intervals: {', '.join(parts)}."


def fields(found: Sequence[PassHat]) -> dict[str, Any]:
    """For the run's document."""
    return {
        "pass_hat": {str(each.k): each.value for each in found},
        "pass_hat_intervals": {str(each.k): [each.low, each.high] for each in found},
    }
