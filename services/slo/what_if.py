"""When readiness would have been 503, had strict mode been on. Computed from the states that were measured. Pure.

Strict means that the application reports not ready while a dependency that strict mode is about is down. So every time
in which one of them was measured down counts, beside the times in which it reported not ready anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from services.clock import DAY_MS
from services.dependencies.registry import strict_probes
from services.dependencies.tables import STRICT
from services.health.ribbon import Cell, cells
from services.slo.reading import united
from services.slo.window import Range
from services.store.spans import Span
from services.units import seconds

READINESS = "readiness"
CELLS = 90


@dataclass(frozen=True, kw_only=True, slots=True)
class WhatIf:
    """What strict would have meant over a time. Stretches in ms; `cause` is the probe that was down first in it."""

    days: int
    observed_ms: int
    would: tuple[tuple[int, int, str], ...]
    was: tuple[Range, ...]
    ribbon: tuple[Cell, ...]
    sentence: str

    @property
    def would_ms(self) -> int:
        """How long readiness would have been 503."""
        return sum(high - low for low, high, _ in self.would)


def probes_of(strict: Sequence[str]) -> tuple[str, ...]:
    """The probes that strict mode rests on, readiness included."""
    return (*(probe for name in strict for probe in strict_probes(name)), READINESS)


def what_if(spans: Iterable[Span], *, from_ms: int, until_ms: int, strict: Sequence[str] = STRICT) -> WhatIf:
    """From the spans of the probes that strict mode rests on."""
    probes = probes_of(strict)
    kept = [span for span in spans if span.probe in probes and span.until_ms > from_ms]
    inside = [_clipped(span, from_ms, until_ms) for span in kept if span.from_ms < until_ms]
    down = sorted((s for s in inside if s.state == "down" and s.until_ms > s.from_ms), key=lambda s: s.from_ms)
    stretches = united((span.from_ms, span.until_ms) for span in down)
    would = tuple((low, high, _cause(down, low, high)) for low, high in stretches)
    was = tuple(united((s.from_ms, s.until_ms) for s in down if s.probe == READINESS))
    observed = united((s.from_ms, s.until_ms) for s in inside if s.state != "unknown" and s.until_ms > s.from_ms)
    observed_ms = sum(high - low for low, high in observed)
    days = round((until_ms - from_ms) / DAY_MS)
    shown = [
        Span(environment="", probe="", state="ready", code="", from_ms=low, until_ms=high) for low, high in observed
    ]
    shown += [Span(environment="", probe="", state="not_ready", code=c, from_ms=a, until_ms=b) for a, b, c in would]
    return WhatIf(
        days=days, observed_ms=observed_ms, would=would, was=was,
        ribbon=cells(shown, from_ms=from_ms, until_ms=until_ms, count=CELLS),
        sentence=_sentence(days, observed_ms, until_ms - from_ms, would, was),
    )  # fmt: skip


def _clipped(span: Span, low: int, high: int) -> Span:
    return replace(span, from_ms=max(span.from_ms, low), until_ms=min(span.until_ms, high))


def _cause(down: list[Span], low: int, high: int) -> str:
    return next(span.probe for span in down if low <= span.from_ms <= high)


def _sentence(
    days: int, observed_ms: int, window_ms: int, would: tuple[tuple[int, int, str], ...], was: tuple[Range, ...]
) -> str:
    """One sentence, which never says more than what was observed."""
    if not observed_ms:
        return f"Nothing was measured in the last {days} days, so nothing can be said about strict mode."
    over = f"the last {days} days" if observed_ms > 0.99 * window_ms else (
        f"the {seconds(observed_ms / 1000)} that were observed in the last {days} days"
    )  # fmt: skip
    if not would:
        return f"Had strict mode been on in {over}, readiness would never have been 503."
    total = sum(high - low for low, high, _ in would) / 1000
    real = sum(high - low for low, high in was) / 1000
    times = "in one stretch" if len(would) == 1 else f"in {len(would)} stretches"
    beside = f"it really was for {seconds(real)}" if was else "it really never was"
    return (
        f"Had strict mode been on in {over}, readiness would have been 503 {times}, {seconds(total)} in all; {beside}."
    )
