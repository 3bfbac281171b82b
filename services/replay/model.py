"""Golden cases, answers, scores, results. Values only: no IO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["PASS", "BLOCK", "INCONCLUSIVE"]
MAX_SCORE = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """One thing that a case is judged by; it passes at `pass_at` of 5. Failing a critical one blocks the build.

    `passes` says what its expectations must do: `all` of them be met, or the `share` of them, or the `weighted` share,
    reach `pass_at`.
    """

    id: str
    title: str
    anchors: Mapping[str, str]
    critical: bool = False
    weight: float = 1.0
    pass_at: float = 4.0
    passes: str = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class GoldenCase:
    """One case. `expectations` are checked without a model, each for the criterion that it names."""

    id: str
    title: str
    category: str
    input: Mapping[str, Any]
    context: Mapping[str, Any]
    expectations: tuple[Mapping[str, Any], ...]
    criteria: tuple[Criterion, ...]
    turns: tuple[Mapping[str, Any], ...] = ()  # what the user says after the first answer, a turn each
    files: Mapping[str, str] = field(default_factory=dict)  # code of its checks, by name
    tags: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class GoldenSet:
    """A versioned set of cases; `sha256` is over its content, so that a changed set is another set."""

    name: str
    version: str
    sha256: str
    cases: tuple[GoldenCase, ...]

    def case(self, id_: str) -> GoldenCase:
        """The case of that id; raises KeyError."""
        for case in self.cases:
            if case.id == id_:
                return case
        raise KeyError(id_)


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolCall:
    """A tool that the agent called; `status` is `ok` or `error`."""

    tool: str
    arguments: Mapping[str, Any]
    status: str = "ok"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What an agent said to a case. `state` is what it reports of its world, as `before` and `after`; `ended` how it
    came to its end; both None where it reports nothing. `turns` are the answers of a conversation, in their order:
    the output is the last one's then, and the tool calls are all of them."""

    output: Any
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] | None = None
    ended: str | None = None
    duration_ms: float | None = None  # as the harness measured it
    turns: tuple[Answer, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Why there is no answer: our infrastructure's or the transport's fault, never a wrong answer."""

    code: str  # timeout, crashed, transport, bad_reply, too_large, not_recorded
    detail: str
    retryable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CriterionScore:
    """A criterion's score from 0 to 5 with the reason; None where the judge could not score it. `asked` is what was
    asked where that was not met, as the set writes it."""

    id: str
    score: float | None
    reason: str
    critical: bool
    passed: bool | None
    asked: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """What one judge of a panel said of one criterion; None where it said nothing usable."""

    judge: str
    criterion: str
    score: float | None
    passed: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A judge's word on one answer. `unscored` says why there is none; `words` are those of a panel's judges."""

    criteria: tuple[CriterionScore, ...] = ()
    unscored: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    words: tuple[Word, ...] = ()

    @property
    def score(self) -> float | None:
        """The mean of the criteria, 0 to 5; None where one is unscored."""
        known = [c.score for c in self.criteria if c.score is not None]
        if self.unscored is not None or not known or len(known) < len(self.criteria):
            return None
        return sum(known) / len(known)

    @property
    def passed(self) -> bool | None:
        """Whether every criterion passed; None where one is unscored."""
        if self.unscored is not None or any(c.passed is None for c in self.criteria) or not self.criteria:
            return None
        return all(c.passed for c in self.criteria)

    @property
    def critical_failed(self) -> bool:
        """Whether a critical criterion failed."""
        return any(c.critical and c.passed is False for c in self.criteria)


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A case in quarantine: it runs and is shown, and counts for nothing until that day (ISO date)."""

    case_id: str
    owner: str
    reason: str
    until: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One repeat of one case, finished: judged, or in error, or unscored; exactly one of the three."""

    case_id: str
    repeat: int
    category: str
    judged: Judged | None
    answer: Answer | None
    trouble: Trouble | None
    duration_ms: float
    attempts: int

    @property
    def state(self) -> Literal["passed", "failed", "error", "unscored"]:
        """Which of the four it is."""
        if self.trouble is not None or self.judged is None:
            return "error"
        passed = self.judged.passed
        return "unscored" if passed is None else "passed" if passed else "failed"
