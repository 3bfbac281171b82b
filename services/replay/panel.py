"""Several judges as one. Each judges every answer; per criterion the majority of all of them decides."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Protocol

from services.replay import agreement
from services.replay.model import Answer, CriterionScore, GoldenCase, Judged, Outcome, Word
from services.replay.sealed import SealedWord

NAME = "panel"
RULE = "panel 1: more than half of all judges"


class Member(Protocol):
    """A judge of the panel."""

    @property
    def label(self) -> str: ...

    @property
    def at_once(self) -> int: ...

    @property
    def sha256(self) -> str: ...

    async def judge(self, case: GoldenCase, answer: Answer) -> Judged: ...

    async def sealed(self) -> tuple[SealedWord, ...]: ...

    def usage(self) -> Mapping[str, Any]: ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class Panel:
    """The judges of `[[replay.judges]]`."""

    members: tuple[Member, ...]
    name: str = NAME

    @property
    def at_once(self) -> int:
        """How many answers it scores side by side: as many as the slowest of them."""
        return min(member.at_once for member in self.members)

    @property
    def sha256(self) -> str:
        """Hash of the members, in any order, and of the rule by which they decide."""
        return identity(member.sha256 for member in self.members)

    async def judge(self, case: GoldenCase, answer: Answer) -> Judged:
        """Score one answer by all of them."""
        found = await asyncio.gather(*(member.judge(case, answer) for member in self.members))
        return decided(case, {member.label: judged for member, judged in zip(self.members, found, strict=True)})

    async def sealed(self) -> tuple[SealedWord, ...]:
        """What each of them says of the sealed answers."""
        found = await asyncio.gather(*(member.sealed() for member in self.members))
        return tuple(word for words in found for word in words)

    def usage(self) -> Mapping[str, Any]:
        """Tokens and calls of all; the price where it is known of each."""
        each = {member.label: dict(member.usage()) for member in self.members}
        found: dict[str, Any] = {
            name: sum(usage[name] for usage in each.values()) for name in ("input_tokens", "output_tokens", "calls")
        }
        if all("cost" in usage for usage in each.values()):
            found["cost"] = sum(usage["cost"] for usage in each.values())
        return found | {"judges": each}

    async def close(self) -> None:
        """Close the connections of all."""
        await asyncio.gather(*(member.close() for member in self.members))


def identity(members: Any) -> str:
    """SHA-256 of a panel with members of these hashes."""
    return hashlib.sha256("\n".join([RULE, *sorted(members)]).encode()).hexdigest()


def decided(case: GoldenCase, said: Mapping[str, Judged]) -> Judged:
    """The panel's word: what more than half of all its judges say of a criterion, else that is unscored."""
    scores = {name: {c.id: c for c in judged.criteria} for name, judged in said.items()}
    words = tuple(
        Word(judge=name, criterion=c.id, score=found[c.id].score if c.id in found else None,
             passed=found[c.id].passed if c.id in found else None)
        for name, found in scores.items() for c in case.criteria
    )  # fmt: skip
    criteria = tuple(
        _criterion(c.id, c.critical, {name: found[c.id] for name, found in scores.items() if c.id in found}, len(said))
        for c in case.criteria
    )
    open_ = [c.reason for c in criteria if c.passed is None]
    silent = [f"{name}: {judged.unscored}" for name, judged in said.items() if judged.unscored]
    unscored = "; ".join([*open_, *silent]) if open_ else None
    return Judged(criteria=criteria, unscored=unscored, words=words)


def _criterion(id_: str, critical: bool, said: Mapping[str, CriterionScore], judges: int) -> CriterionScore:
    for passed in (True, False):
        majority = {name: c for name, c in said.items() if c.passed is passed}
        if 2 * len(majority) > judges:
            scores = [c.score for c in majority.values() if c.score is not None]
            first = next(iter(majority.values()))
            others = [f"{name} disagrees: {c.reason}" for name, c in said.items() if c.passed is (not passed)]
            reason = "; ".join([f"{len(majority)} of {judges} judges: {first.reason}", *others])
            return CriterionScore(
                id=id_, score=fmean(scores) if scores else None, reason=reason, critical=critical, passed=passed
            )
    votes = [c.passed for c in said.values()]
    reason = f"no majority on {id_}: {votes.count(True)} of {judges} judges pass it, {votes.count(False)} fail it"
    return CriterionScore(id=id_, score=None, reason=reason, critical=critical, passed=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreed:
    """How far a panel agreed on a criterion, or on all (`criterion` is "" then). An alpha of None is not known."""

    criterion: str
    alpha: float | None
    alpha_scores: float | None
    contested: int
    judged: int


def agreed(outcomes: Sequence[Outcome]) -> tuple[Agreed, ...]:
    """The agreement over a run: on all criteria first, then on each, the least agreed first; () without a panel."""
    units: dict[str, list[list[Word]]] = defaultdict(list)
    for outcome in outcomes:
        by_criterion: dict[str, list[Word]] = defaultdict(list)
        for word in outcome.judged.words if outcome.judged is not None else ():
            by_criterion[word.criterion].append(word)
        for criterion, words in by_criterion.items():
            units[criterion].append(words)
    if not units:
        return ()
    each = [_agreed(criterion, found) for criterion, found in units.items()]
    each.sort(key=lambda item: (item.alpha is None, item.alpha, item.criterion))
    return (_agreed("", [words for found in units.values() for words in found]), *each)


def _agreed(criterion: str, units: Sequence[Sequence[Word]]) -> Agreed:
    votes = [[None if word.passed is None else float(word.passed) for word in words] for words in units]
    scores = [[word.score for word in words] for words in units]
    return Agreed(
        criterion=criterion,
        alpha=agreement.alpha(votes),
        alpha_scores=agreement.alpha(scores, agreement.interval),
        contested=sum(len(set(unit) - {None}) > 1 for unit in votes),
        judged=len(units),
    )
