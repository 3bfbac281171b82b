"""The values that a verdict is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from services.advice import Advice
from services.dependencies.tables import STRICT
from services.evidence.freshness import Context
from services.evidence.model import Evidence, Outcome
from services.settings.model import Soak as SoakRules

State = Literal["GO", "NO_GO", "INCONCLUSIVE"]
OUTCOMES: Mapping[State, Outcome] = {"GO": "pass", "NO_GO": "fail", "INCONCLUSIVE": "unknown"}
STATE_WORDS: Mapping[State, str] = {"GO": "Go", "NO_GO": "No-Go", "INCONCLUSIVE": "Not enough evidence"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What the verdict is about: an environment as far as the rules depend on it."""

    name: str
    role: str = "other"
    simulated: bool = False
    queues: tuple[str, ...] = ()
    required: tuple[str, ...] = ()  # declared dependencies that decide
    strict: tuple[str, ...] = STRICT  # what the running application must require
    staging: str | None = None  # whose soak counts for it; None where it needs none, or where there is none
    needs_soak: bool = False
    needs_drill: bool = False
    alerts: bool = False  # whether it must be proven that alerts reach somebody
    soak: SoakRules = field(default_factory=SoakRules)  # what a soak must stand


class Probed(NamedTuple):
    """A probe's last outcome, when that was (ms), and, while a failure is still being confirmed, that in words."""

    outcome: str
    at_ms: int
    confirming: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything that a verdict depends on: the newest record of each check, what it must have been taken under, time.

    `probed` is by probe; `leading` too, where conflicting signals say more than the probe's own finding. `soak` and
    `soak_context` are staging's.
    """

    subject: Subject
    now_ms: int
    context: Context = field(default_factory=Context)
    records: Mapping[str, Evidence] = field(default_factory=dict)
    probed: Mapping[str, Probed] = field(default_factory=dict)
    leading: Mapping[str, Advice] = field(default_factory=dict)
    soak: Evidence | None = None
    soak_context: Context = field(default_factory=Context)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """One check as it counts now. `advice` says why it does not pass and what to do, where the cause has a fix of its
    own; empty where it passes. `measured_ms`: when it was last measured to be so."""

    check: str
    outcome: Outcome
    advice: Advice
    measured_ms: int | None = None
    stale: bool = False  # it was measured, and what was found no longer counts
    record: Evidence | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleResult:
    """One rule as it stands: false as soon as one of its checks is, true only if all are."""

    rule: str
    title: str
    outcome: Outcome
    advice: Advice
    step: str  # of the checklist
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The verdict of an environment. `blocking` are the rules in its way, what to do first first."""

    environment: str
    simulated: bool
    state: State
    results: tuple[RuleResult, ...]
    as_of_ms: int

    @property
    def blocking(self) -> tuple[RuleResult, ...]:
        """Rules measured false, then rules that nobody can vouch for."""
        order = {"fail": 0, "unknown": 1}
        return tuple(sorted((f for f in self.results if f.outcome in order), key=lambda f: order[f.outcome]))

    @property
    def why(self) -> str:
        """The first reason, as a sentence; of a Go, on what it stands."""
        return self.blocking[0].advice.what if self.blocking else "Every rule is met, on fresh evidence."

    @property
    def next_step(self) -> str:
        """The one thing that would change this."""
        first = next(iter(self.blocking), None)
        return "" if first is None else first.advice.fix

    @property
    def words(self) -> str:
        """The state in words, marked where it is simulated."""
        return STATE_WORDS[self.state] + (" (simulated)" if self.simulated else "")
