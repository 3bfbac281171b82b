"""Traces what the agent does for a case, within the trace that it is asked in: the answer, and each tool call."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from runtime.envelope import Envelope, EnvelopeFile, input_hash

log = logging.getLogger(__name__)
_PARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context


def traced(
    line: Mapping[str, Any], given: str | None, traces: EnvelopeFile | None, environment: str, version: str,
    answer: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """Answer, and write down how; a trace that can't be written costs no answer."""
    begun = time.perf_counter()
    found = answer(line)
    if traces is None:
        return found
    took_ms, parent = (time.perf_counter() - begun) * 1000, _PARENT.fullmatch(given or "")
    shared: dict[str, Any] = {
        "at": datetime.now(UTC), "environment": environment, "version": version, "function": "answer-case",
        "trace_id": parent[1] if parent else secrets.token_hex(16),
    }  # fmt: skip
    own, usage = secrets.token_hex(8), found["usage"]
    made = [Envelope(tool="agent", action="invoke_agent", status="ok", duration_ms=took_ms, span_id=own,
                     input_tokens=usage["input_tokens"], output_tokens=usage["output_tokens"], **shared)]  # fmt: skip
    made += [
        Envelope(tool=call["tool"], action="execute_tool", status=call["status"],
                 duration_ms=took_ms / len(found["tool_calls"]), parent_id=own, step=f"call {number}",
                 input_sha256=input_hash(call["arguments"]), **shared)
        for number, call in enumerate(found["tool_calls"], 1)
    ]  # fmt: skip
    try:
        for envelope in made:
            traces.append(envelope)
    except OSError as error:
        log.warning("a trace envelope could not be written: %s", error.strerror)
    return found
