"""One line of a trace file as spans: the kit's envelope, an OTLP request, or one span as other exporters write it."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from services.traces import otlp
from services.traces.cleaning import Cleaner
from services.traces.conventions import kind_of
from services.traces.model import Span

LATEST_MS = 4_102_444_800_000  # the year 2100: a later time is a wrong unit
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAILED = re.compile(r"error|exception|timeout|refused|fail|denied|cancel|abort", re.IGNORECASE)
_decode = msgspec.json.Decoder().decode
_STATUSES = {"ok": "ok", "success": "ok", "error": "error", "failed": "error", "failure": "error", "timeout": "error"}


class WrongLine(ValueError):
    """The line can't be used; the message says why, without quoting it."""


def spans_of(line: bytes, cleaner: Cleaner, *, environment: str = "", simulated: bool = False) -> list[Span]:
    """The spans of a line, of that environment where they name none. Raises WrongLine."""
    try:
        value = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise WrongLine("it is no JSON") from None
    if not isinstance(value, dict):
        raise WrongLine("it is no JSON object")
    if "tool" in value and "at" in value:
        return [_envelope(value, cleaner, environment, simulated)]
    if "resourceSpans" in value or "resource_spans" in value:
        found = list(otlp.spans(value, cleaner, environment=environment, simulated=simulated))
        if not found:
            raise WrongLine("it holds no span that can be used")
        return [span for span, _ in found if span is not None] or _none()
    if "traceId" in value or "trace_id" in value or "context" in value:
        span, why = otlp.one(value, cleaner, environment=environment, simulated=simulated)
        if span is None:
            raise WrongLine(why)
        return [span]
    raise WrongLine("it is neither an envelope of the kit nor a span of OpenTelemetry")


def _none() -> list[Span]:
    raise WrongLine("it holds no span that can be used")


def _envelope(raw: dict[str, Any], cleaner: Cleaner, environment: str, simulated: bool) -> Span:
    """The kit's envelope; `at` is when the call ended, so it began its duration earlier."""
    try:
        moment = datetime.fromisoformat(raw["at"])
        ended = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) / timedelta(milliseconds=1)
    except (ValueError, TypeError, OverflowError):
        raise WrongLine("its time can't be read") from None
    if not 0 < ended < LATEST_MS:
        raise WrongLine("its time can't be right")
    took = number(raw.get("duration_ms"))
    trace_id, span_id = cleaner.identity(raw.get("trace_id")), cleaner.identity(raw.get("span_id"))
    if not trace_id or not span_id:
        raise WrongLine("it has no trace_id or no span_id")
    given = raw.get("attributes")
    attributes, content, size = cleaner.attributes(given if isinstance(given, dict) else {})
    tool, operation, model = (cleaner.name(raw.get(name)) for name in ("tool", "action", "model"))
    return Span(
        trace_id=trace_id, span_id=span_id, parent_id=cleaner.identity(raw.get("parent_id")),
        start_ms=round(ended - (took or 0)), duration_ms=took, kind="model" if model else kind_of(operation, tool, ""),
        tool=tool, operation=operation, status=status_of(raw.get("status")), error=error_of(raw.get("status"), cleaner),
        model=model, input_tokens=whole(raw.get("input_tokens")), output_tokens=whole(raw.get("output_tokens")),
        cost_usd=number(raw.get("cost_usd")), environment=cleaner.name(raw.get("environment")) or environment,
        version=cleaner.name(raw.get("version")), function=cleaner.name(raw.get("function")),
        run_id=cleaner.identity(raw.get("run_id")), step=cleaner.name(raw.get("step")),
        input_sha256=cleaner.identity(raw.get("input_sha256")),
        correlation_id=cleaner.identity(raw.get("correlation_id")), attributes=attributes, content=content,
        content_bytes=size, simulated=simulated,
    )  # fmt: skip


def status_of(value: Any) -> str:
    """How the kit's `status` ended: its words, or the name of an exception; anything else is not known."""
    word = str(value).casefold()
    return _STATUSES.get(word) or ("error" if isinstance(value, str) and _FAILED.search(value) else "unknown")


def error_of(value: Any, cleaner: Cleaner) -> str:
    """What the kit's `status` says of a failure; "" where there was none."""
    return "" if str(value).casefold() in {"ok", "success"} else cleaner.name(value)


def number(value: Any) -> float | None:
    """A finite number that is not negative; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        return None
    return float(value)


def whole(value: Any) -> int | None:
    """A count; None for anything else."""
    found = number(value)
    return None if found is None or found > 1e15 else int(found)
