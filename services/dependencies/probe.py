"""The probe of a declared dependency: runs its kind's check, evaluates its conditions, and says what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from services.dependencies.conditions import evaluate
from services.dependencies.http_client import rounded
from services.dependencies.kind import Context, Found, Kind
from services.dependencies.model import Check, Failure, Measure, Reading
from services.dependencies.tables import DeclaredTable

if TYPE_CHECKING:
    from services.store.heartbeats import Beat

CHECK = "dependency:"  # begins the name of the check that a declared dependency works
OWN_S = 0.25  # beyond its deadline: a check that has one of its own says more of what it waited for
UPTIME, LATENCY = "dependency_uptime:", "dependency_latency:"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredProbe:
    """One declared dependency of an environment."""

    kind: Kind
    table: DeclaredTable
    variables: Mapping[str, SecretStr] = field(default_factory=dict, repr=False)
    beats: Callable[[], Sequence[Beat]] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The dependency's own name."""
        return self.table.name

    @property
    def interval_s(self) -> float:
        """Seconds between two checks."""
        return self.table.interval_s

    @property
    def deadline_s(self) -> float:
        """Seconds within which a check ends."""
        return self.table.deadline_s

    async def run(self, previous: Mapping[str, Any]) -> Reading:
        """Run one check."""
        missing = next((name for name in self.table.variables() if name not in self.variables), None)
        if missing is not None:
            return self._reading("not_configured", {"variable": missing}, None, {})
        try:
            async with asyncio.timeout(self.table.deadline_s + OWN_S):
                context = Context(variables=self.variables, previous=previous, beats=self.beats)
                assert self.kind.run is not None  # noqa: S101 - a table is of a kind that can be declared
                found = await self.kind.run(self.table, context)
        except TimeoutError:  # a kind that has no phases of its own to distinguish
            found = Failure(code="timeout", detail=f"no answer within {self.table.deadline_s:g} s")
        if isinstance(found, Failure):
            detail = {"error": found.detail, "phase": found.phase, "timings": rounded(found.timings)}
            return self._reading(found.code, {}, found.timings.get("total"), detail)
        return self._judged(found)

    def _judged(self, found: Found) -> Reading:
        results = evaluate(self.table.expect, type(self.table).facts, found.facts)
        missed = next((result for result in results if not result.met), None)
        detail = dict(found.detail) | {"conditions": [result.as_row() for result in results]}
        words = dict(found.words)
        code = found.code
        if not code and missed is not None:
            code = "not_met"
            words |= {"condition": missed.condition, "actual": missed.actual}
        if not code:
            code = "slow" if found.latency_ms is not None and found.latency_ms > self.table.slow_ms else "ok"
        return self._reading(code, words, found.latency_ms, detail)

    def _reading(
        self, code: str, words: Mapping[str, Any], latency_ms: float | None, detail: Mapping[str, Any]
    ) -> Reading:
        outcome = self.kind.messages[f"{self.kind.name}.{code}"].outcome
        good = None if outcome == "unknown" else outcome != "down"
        label = self.table.label
        return Reading(
            code=f"{self.kind.name}.{code}",
            latency_ms=latency_ms,
            detail={"declared": {"kind": self.kind.name, "required": self.table.required, "label": label}}
            | dict(detail),
            words={
                "label": label[:1].upper() + label[1:],
                "latency": "?" if latency_ms is None else round(latency_ms),
                "limit": round(self.table.slow_ms),
            }
            | dict(words),
            measures=self._measures(latency_ms if good else None, good=good),
            checks=(
                Check(
                    name=CHECK + self.name,
                    outcome="unknown" if good is None else "pass" if good else "fail",
                    value=code,
                    threshold="; ".join(self.table.expect) or "ok",
                ),
            ),
        )

    def _measures(self, latency_ms: float | None, *, good: bool | None) -> tuple[Measure, ...]:
        uptime = Measure(sli=UPTIME + self.name, value=latency_ms, good=good)
        if not self.table.timed:
            return (uptime,)
        quick = None if latency_ms is None else latency_ms <= self.table.slow_ms
        return uptime, Measure(sli=LATENCY + self.name, value=latency_ms, good=quick)
