"""Spans of OpenTelemetry, as JSON or protobuf, as ours.

Source: opentelemetry-proto 1.x and *OTLP Specification*: ids in hex, 64-bit numbers as text or number, enums as number
or name, unknown fields ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from services.traces import conventions
from services.traces.cleaning import Cleaner
from services.traces.conventions import FIELDS, kind_of
from services.traces.model import Span

Found = tuple[Span | None, str]  # a span, or why there is none
_STATUS = {0: "unknown", 1: "ok", 2: "error", "STATUS_CODE_UNSET": "unknown", "STATUS_CODE_OK": "ok",
           "STATUS_CODE_ERROR": "error", "OK": "ok", "ERROR": "error", "UNSET": "unknown"}  # fmt: skip
_EARLIEST_NS, _LATEST_NS = 10**18, 41 * 10**17  # 2001 to 2099
_NO_ID = {"", "0" * 32, "0" * 16}


def spans(
    request: Mapping[str, Any], cleaner: Cleaner, *, environment: str = "", simulated: bool = False
) -> Iterator[Found]:
    """Each span of an ExportTraceServiceRequest in JSON, or why it can't be used."""
    for resource in _list(request.get("resourceSpans") or request.get("resource_spans")):
        inner = resource.get("resource")
        shared = attributes_of(inner.get("attributes") if isinstance(inner, Mapping) else None)
        for scope in _list(resource.get("scopeSpans") or resource.get("scope_spans")):
            for raw in _list(scope.get("spans")):
                yield one(raw, cleaner, environment=environment, simulated=simulated, shared=shared)


def one(
    raw: Mapping[str, Any], cleaner: Cleaner, *, environment: str = "", simulated: bool = False,
    shared: Mapping[str, Any] | None = None,
) -> Found:  # fmt: skip
    """One span; `shared` are attributes of its resource."""
    context = raw.get("context")
    ids = context if isinstance(context, Mapping) else raw
    trace_id, span_id = (_hex(ids.get(f"{name}Id") or ids.get(f"{name}_id")) for name in ("trace", "span"))
    if trace_id in _NO_ID or span_id in _NO_ID:
        return None, "it has no trace id or no span id"
    begun, ended = (_nanoseconds(raw, f"{name}TimeUnixNano", f"{name}_time_unix_nano", f"{name}_time")
                    for name in ("start", "end"))  # fmt: skip
    if begun is None:
        return None, "its time can't be read"
    own = attributes_of(raw.get("attributes"))
    known = {**(shared or {}), **own}
    status = raw.get("status")
    code = status.get("code", status.get("status_code", 0)) if isinstance(status, Mapping) else 0
    state = _STATUS.get(code if isinstance(code, (int, str)) else 0, "unknown")
    error = _first(known, "error", cleaner)
    if state == "unknown" and ended is not None:
        state = "error" if error else "ok"  # the specification: unset is for a call that ended without an error
    tool, operation, model = (_first(known, name, cleaner) for name in ("tool", "operation", "model"))
    attributes, content, size = cleaner.attributes(own)
    parent = _hex(raw.get("parentSpanId") or raw.get("parent_span_id") or raw.get("parent_id"))
    return Span(
        trace_id=trace_id, span_id=span_id, parent_id=parent, start_ms=begun // 1_000_000,
        duration_ms=None if ended is None or ended < begun else (ended - begun) / 1e6,
        kind=kind_of(operation, tool, model), tool=tool, operation=operation or cleaner.name(raw.get("name")),
        status=state,
        error=error, model=model, provider=_first(known, "provider", cleaner),
        input_tokens=_count(known, "input_tokens"), output_tokens=_count(known, "output_tokens"),
        cost_usd=_amount(known, "cost_usd"), environment=_first(known, "environment", cleaner) or environment,
        service=_first(known, "service", cleaner), version=_first(known, "version", cleaner),
        function=_first(known, "function", cleaner), run_id=_first(known, "run_id", cleaner),
        step=_first(known, "step", cleaner), input_sha256=_first(known, "input_sha256", cleaner),
        correlation_id=_first(known, "correlation_id", cleaner), attributes=attributes, content=content,
        content_bytes=size, simulated=simulated,
    ), ""  # fmt: skip


def attributes_of(raw: Any) -> dict[str, Any]:
    """OTLP's list of keys and typed values, or an object as some exporters write it, as an object."""
    if isinstance(raw, Mapping):
        return {str(name): value for name, value in raw.items()}
    found = {}
    for item in _list(raw):
        if isinstance(item.get("key"), str):
            found[item["key"]] = _value(item.get("value"), 0)
    return found


def _value(raw: Any, depth: int) -> Any:
    """An AnyValue; its one field names the type."""
    if not isinstance(raw, Mapping) or depth > 20:
        return None
    for name, value in raw.items():
        if name in {"stringValue", "string_value", "boolValue", "bool_value", "doubleValue", "double_value",
                    "bytesValue", "bytes_value"}:  # fmt: skip
            return value
        if name in {"intValue", "int_value"}:
            return _int(value)
        if name in {"arrayValue", "array_value"} and isinstance(value, Mapping):
            return [_value(item, depth + 1) for item in _list(value.get("values"))]
        if name in {"kvlistValue", "kvlist_value"} and isinstance(value, Mapping):
            return {str(i.get("key")): _value(i.get("value"), depth + 1) for i in _list(value.get("values"))}
    return None


def _list(raw: Any) -> list[Mapping[str, Any]]:
    return [item for item in raw if isinstance(item, Mapping)] if isinstance(raw, list) else []


def _int(value: Any) -> int | None:
    try:
        return int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    except ValueError:
        return None


def _hex(value: Any) -> str:
    """An id in lower-case hex; "" for anything else."""
    text = value.removeprefix("0x").lower() if isinstance(value, str) else ""
    return text if len(text) in {16, 32} and all(c in "0123456789abcdef" for c in text) else ""


def _nanoseconds(raw: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = raw.get(name)
        found = _int(value)
        if found is None and isinstance(value, str):
            from datetime import UTC, datetime

            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                continue
            found = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e9)
        if found is not None and _EARLIEST_NS <= found < _LATEST_NS:
            return found
    return None


def _first(known: Mapping[str, Any], field: str, cleaner: Cleaner) -> str:
    for name in FIELDS[field]:
        value = known.get(name)
        if isinstance(value, str) and value:
            return cleaner.name(value)
    return ""


def _count(known: Mapping[str, Any], field: str) -> int | None:
    found = (_int(known.get(name)) for name in conventions.FIELDS[field])
    return next((value for value in found if value is not None and 0 <= value < 10**15), None)


def _amount(known: Mapping[str, Any], field: str) -> float | None:
    for name in conventions.FIELDS[field]:
        value = known.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9:
            return float(value)
    return None
