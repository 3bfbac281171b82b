"""Whether a configuration passes. Findings from the file, its neighbours and reality, and one result. Pure.

RELAXED is a result of its own: where nothing is enforced, nothing was proven. INCONCLUSIVE stands for a check that
was asked for and couldn't be made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.env_files.document import Document
from services.envs.catalogue import Catalogue
from services.envs.findings import Mode, check_document, digest, ordered, policy_of
from services.envs.relations import Side, against_others
from services.envs.rules import Finding

Result = Literal["PASS", "FAIL", "RELAXED", "INCONCLUSIVE"]
MISSING = frozenset({"missing_required", "empty_required"})
RECOMMENDED = frozenset({"missing_recommended", "missing_for_strict", "unset_platform_default"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation:
    """One configuration, judged. `connections` is None where none was asked for."""

    result: Result
    mode: str
    env_file: str
    policy: str
    findings: tuple[Finding, ...]
    simulated: bool = False
    connections: Mapping[str, Mapping[str, Any]] | None = None

    @property
    def missing_required(self) -> tuple[str, ...]:
        """Required keys that are absent or empty."""
        empty = ("empty_signing_key",) if self.policy != "relaxed" else ()
        return tuple(f.key for f in self.findings if f.key and f.rule in {*MISSING, *empty})

    @property
    def missing_recommended(self) -> tuple[str, ...]:
        """Recommended keys that are absent."""
        return tuple(f.key for f in self.findings if f.key and f.rule in RECOMMENDED)

    @property
    def digest(self) -> str:
        """Changes when the findings do."""
        return digest(self.findings)

    def count(self, severity: str) -> int:
        """How many findings are that grave."""
        return sum(f.severity == severity for f in self.findings)

    def document(self) -> dict[str, Any]:
        """The validation as JSON: names, rules and words, never a value."""
        return {
            "result": self.result,
            "mode": self.mode,
            "simulated": self.simulated,
            "env_file": self.env_file,
            "policy": self.policy,
            "findings": [finding_fields(f) for f in self.findings],
            "missing_required": list(self.missing_required),
            "missing_recommended": list(self.missing_recommended),
            "connections": None if self.connections is None else {n: dict(c) for n, c in self.connections.items()},
        }


def finding_fields(found: Finding) -> dict[str, Any]:
    """A finding as JSON."""
    return {
        "key": found.key,
        "rule": found.rule,
        "severity": found.severity,
        "message": found.advice.what,
        "fix": found.advice.fix,
        "line": found.line,
    }


def validate(
    document: Document,
    catalogue: Catalogue,
    mode: Mode,
    *,
    others: Sequence[Side] = (),
    more: Iterable[Finding] = (),
    connections: Mapping[str, Mapping[str, Any]] | None = None,
    could_not_run: bool = False,
    strict: bool = False,
    env_file: str | None = None,
) -> Validation:
    """Judge a configuration. `more` are findings from outside the text: the file itself, reality, connections."""
    side = Side(name=mode.name, role=mode.role, document=document)
    beside = () if document.encoding else against_others(side, others, catalogue)
    found = ordered([*check_document(document, catalogue, mode), *beside, *more])
    policy = policy_of(document)
    return Validation(
        result=_result(found, policy, strict=strict, could_not_run=could_not_run),
        mode=mode.name,
        env_file=env_file if env_file is not None else document.name,
        policy=policy,
        findings=found,
        simulated=mode.simulated,
        connections=connections,
    )


def _result(found: Sequence[Finding], policy: str, *, strict: bool, could_not_run: bool) -> Result:
    grave = {"error", "warning"} if strict else {"error"}
    if any(f.severity in grave for f in found) or (strict and policy != "strict"):
        return "FAIL"
    if could_not_run:
        return "INCONCLUSIVE"
    return "RELAXED" if policy == "relaxed" else "PASS"
