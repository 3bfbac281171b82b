"""Whether a judge is still the one that it was. What it says of the sealed, labelled answers, now and before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.replay import stats
from services.replay.gate import MIN_AGREEMENT
from services.units import share

CHANCE = 0.05  # a change less likely than this is none of chance's


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedWord:
    """What one judge says of one criterion of one sealed answer; `passed` is None where it said nothing usable."""

    judge: str
    judge_sha256: str
    answer: str
    criterion: str
    label: bool
    passed: bool | None
    score: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """A judge beside its own earlier words: how many turned to a fail, how many to a pass, and how likely by chance."""

    stricter: int
    milder: int
    both: int
    p_value: float

    @property
    def is_real(self) -> bool:
        """Whether that is more than chance explains."""
        return self.p_value < CHANCE


def agreement(words: Sequence[SealedWord]) -> float | None:
    """The share of the labels that a judge sees alike; None without labels. What it left unscored agrees with none.

    Of several judges it is the share that their majority sees alike.
    """
    found: dict[tuple[str, str], list[SealedWord]] = defaultdict(list)
    for word in words:
        found[word.answer, word.criterion].append(word)
    judges = len({word.judge for word in words})
    alike = [2 * sum(word.passed is word.label for word in group) > judges for group in found.values()]
    return sum(alike) / len(alike) if alike else None


def by_judge(words: Sequence[SealedWord]) -> Mapping[str, tuple[SealedWord, ...]]:
    """The words of each judge."""
    found: dict[str, list[SealedWord]] = defaultdict(list)
    for word in words:
        found[word.judge].append(word)
    return {name: tuple(own) for name, own in found.items()}


def changed(now: Sequence[SealedWord], before: Sequence[SealedWord]) -> Changed:
    """One judge's words beside its earlier ones, by McNemar's exact test; only what was scored both times counts."""
    earlier = {(word.answer, word.criterion): word.passed for word in before}
    pairs = [(earlier.get((word.answer, word.criterion)), word.passed) for word in now]
    stricter, milder = pairs.count((True, False)), pairs.count((False, True))
    both = sum(old is not None and new is not None for old, new in pairs)
    return Changed(stricter=stricter, milder=milder, both=both, p_value=stats.mcnemar_exact(stricter, milder))


def described(now: Sequence[SealedWord], before: Mapping[str, Sequence[SealedWord]]) -> list[dict[str, Any]]:
    """Each judge as JSON: its agreement with the labels, and beside its own earlier words (None: there are none)."""
    found = []
    for name, own in by_judge(now).items():
        change = changed(own, before.get(name, ()))
        found.append({
            "judge": name, "agreement": agreement(own), "judge_sha256": own[0].judge_sha256,
            "since_before": None if not change.both else {
                "stricter": change.stricter, "milder": change.milder, "of": change.both, "p_value": change.p_value,
            },
        })  # fmt: skip
    return found


def doubts(now: Sequence[SealedWord], before: Mapping[str, Sequence[SealedWord]]) -> tuple[str, ...]:
    """Why a verdict can't rest on these judges, a sentence each; () where nothing speaks against them.

    `before` holds, by judge, its words of an earlier run in which it could be trusted.
    """
    found = []
    for name, own in by_judge(now).items():
        agreed = agreement(own)
        if agreed is not None and agreed < MIN_AGREEMENT:
            found.append(
                f"Judge {name} can't be trusted: it agrees with {share(agreed, MIN_AGREEMENT)} of the labelled "
                f"answers; {share(MIN_AGREEMENT)} are needed."
            )
        change = changed(own, before.get(name, ()))
        if change.is_real:
            direction = "stricter" if change.stricter > change.milder else "milder"
            found.append(
                f"Judge {name} became {direction} on the sealed answers. Of {change.both} criteria it now fails "
                f"{change.stricter} that it passed before, and passes {change.milder} that it failed "
                f"(p = {change.p_value:.3f}). A change of the score may be the judge's, not the agent's."
            )
    return tuple(found)
