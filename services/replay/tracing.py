"""The trace that an agent is asked within, so that what it did for a case is found: W3C Trace Context, level 1."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

FIELD = "traceparent"  # of the line within this process; an agent over HTTP gets it as a header


def trace_id(run_id: str, case_id: str, repeat: int) -> str:
    """The same for the same try of the same run, 32 hexadecimal digits."""
    return hashlib.sha256(f"{run_id}\n{case_id}\n{repeat}".encode()).hexdigest()[:32]


def traceparent(run_id: str, case_id: str, repeat: int) -> str:
    """The header: version, trace, our span, and that it is recorded."""
    own = trace_id(run_id, case_id, repeat)
    return f"00-{own}-{own[:16]}-01"


def without(line: Mapping[str, Any]) -> dict[str, Any]:
    """The line as the agent reads it."""
    return {name: value for name, value in line.items() if name != FIELD}
