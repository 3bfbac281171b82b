"""A span as it is kept: what was called, how it ended, what it took. Values only."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(kw_only=True, slots=True)
class Span:
    """One call. Empty text and None: not reported. `attributes` and `content` are JSON; `content` only where it is
    asked for. Not frozen: a million are made a minute."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    start_ms: int
    duration_ms: float | None = None
    kind: str = ""  # tool, model, agent, or empty
    tool: str = ""
    operation: str = ""
    status: str = "unknown"  # ok, error, unknown
    error: str = ""
    model: str = ""
    provider: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    environment: str = ""
    service: str = ""
    version: str = ""
    function: str = ""
    run_id: str = ""
    step: str = ""
    input_sha256: str = ""
    correlation_id: str = ""
    attributes: str = "{}"
    content: str = ""
    content_bytes: int = 0
    simulated: bool = False


COLUMNS = tuple(field.name for field in fields(Span))


@dataclass(frozen=True, kw_only=True, slots=True)
class Wrong:
    """A line or span that can't be used: where it stands, and why; never what it holds."""

    place: str
    why: str
