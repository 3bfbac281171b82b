"""A stretch of time as equal cells. Pure: spans in, cells out.

A cell takes the worst state seen in it. Where less than half of it was observed and nothing was wrong, it is
unknown: a gap is never shown as good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.store.spans import Span

_WORST: Mapping[str, int] = {"down": 3, "not_ready": 3, "slow": 1, "degraded": 1, "ok": 0, "ready": 0}
OBSERVED_ENOUGH = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One slice of time: its worst state, the cause of that state, and how much of it was observed (0–1)."""

    from_ms: int
    until_ms: int
    state: str
    code: str
    observed: float


def cells(spans: Iterable[Span], *, from_ms: int, until_ms: int, count: int) -> tuple[Cell, ...]:
    """`count` equal cells from oldest to newest."""
    width = (until_ms - from_ms) / count
    seen = [0.0] * count
    worst: list[tuple[int, str, str]] = [(-1, "unknown", "")] * count
    for span in spans:
        begin, end = max(span.from_ms, from_ms), min(span.until_ms, until_ms)
        if end < begin or span.state == "unknown":
            continue
        first, last = int((begin - from_ms) / width), min(int((end - from_ms) / width), count - 1)
        rank = _WORST.get(span.state, -1)
        for index in range(min(first, count - 1), last + 1):
            cell_from, cell_until = from_ms + index * width, from_ms + (index + 1) * width
            seen[index] += max(0.0, min(end, cell_until) - max(begin, cell_from))
            if rank > worst[index][0]:
                worst[index] = (rank, span.state, span.code)
    return tuple(
        _cell(int(from_ms + i * width), int(from_ms + (i + 1) * width), worst[i], min(1.0, seen[i] / width))
        for i in range(count)
    )


def _cell(from_ms: int, until_ms: int, worst: tuple[int, str, str], observed: float) -> Cell:
    rank, state, code = worst
    if rank <= 0 and observed < OBSERVED_ENOUGH:
        state, code = "unknown", ""
    return Cell(from_ms=from_ms, until_ms=until_ms, state=state, code=code, observed=observed)


def with_present(made: tuple[Cell, ...], state: str, code: str, *, stale: bool) -> tuple[Cell, ...]:
    """The cells with the last one showing at least the present state, which may be younger than half a cell."""
    if not made or stale:
        return made
    last = made[-1]
    if _WORST.get(state, -1) <= _WORST.get(last.state, -1):
        return made
    present = Cell(from_ms=last.from_ms, until_ms=last.until_ms, state=state, code=code, observed=last.observed)
    return (*made[:-1], present)
