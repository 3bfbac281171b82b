"""What traces say for SLOs, a minute at a time: how often tools fail, what a run costs, how many tokens it takes."""

from __future__ import annotations

from collections.abc import Mapping

from services.clock import DAY_MS, MINUTE_MS
from services.traces.query import Traces, Wanted

TOOL_ERRORS, COST, TOKENS = "tool_error_rate", "cost_per_run", "tokens_per_run"
SLIS = (TOOL_ERRORS, COST, TOKENS)
SETTLED_MS = 10 * MINUTE_MS  # a run without a call for so long has ended; by then late lines have come, too


def measured(traces: Traces, environment: str, minute_ms: int) -> dict[str, float]:
    """The values of a minute that is at least `SETTLED_MS` ago; an SLI of which nothing is known is left out.

    Errors are a percentage of the minute's tool calls with a known outcome. A run's cost and tokens count in the minute
    of its last call; calls without a run are one by their trace.
    """
    wanted = Wanted(
        from_ms=minute_ms, until_ms=minute_ms + MINUTE_MS, equal={"environment": environment, "kind": "tool"}
    )
    found: dict[str, float] = {}
    total = traces.total(wanted)
    if total is not None and total.error_rate is not None:
        found[TOOL_ERRORS] = 100 * total.error_rate
    ended = traces.ended(environment, from_ms=minute_ms - DAY_MS, minute_ms=minute_ms,
                         until_ms=minute_ms + MINUTE_MS + SETTLED_MS)  # fmt: skip
    found |= {name: value for name, value in zip((COST, TOKENS), ended, strict=True) if value is not None}
    return found


def good(found: Mapping[str, float], thresholds: Mapping[str, float | None]) -> dict[str, bool | None]:
    """Whether each value is at most what its objective asks; None where it asks for nothing."""
    limits = ((name, value, thresholds.get(name)) for name, value in found.items())
    return {name: None if most is None else value <= most for name, value, most in limits}
