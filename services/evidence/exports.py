"""The reports that were taken from here. Each file is in the chain of evidence: what it said, its hash, who took it.

So a file that turns up later can be traced, and leadership sees when a report was last made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection

from services.evidence import chain

PREFIX = "report."
KINDS = ("completion", "leadership")
MOST_READ = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """One file as it was taken. `state`: the verdict that it states."""

    kind: str
    state: str
    format: str
    at_ms: int
    by: str
    verified: bool
    sha256: str


def newest(connection: Connection, environment: str, *kinds: str) -> Export | None:
    """The report that was taken last, of these kinds or of any; None before there was one."""
    found = [e for kind in kinds or KINDS for e in _of(connection, environment, kind, limit=1)]
    return max(found, key=lambda export: export.at_ms, default=None)


def traced(connection: Connection, environment: str, kind: str, content: bytes) -> Export | None:
    """When and by whom this very file was taken; None where that was not noted."""
    sha256 = hashlib.sha256(content).hexdigest()
    return next((e for e in _of(connection, environment, kind, limit=MOST_READ) if e.sha256 == sha256), None)


def _of(connection: Connection, environment: str, kind: str, *, limit: int) -> list[Export]:
    rows = chain.history(connection, environment, check=PREFIX + kind, limit=limit)
    return [
        Export(
            kind=kind, state=str(r.value), format=str(r.detail.get("format", "")), at_ms=r.at_ms,
            by=str(r.detail.get("by", "")), verified=r.detail.get("verified") is True,
            sha256=str(r.detail.get("sha256", "")),
        )
        for _, _, r in rows
    ]  # fmt: skip
