"""What would evidence be taken under now? The configuration's fingerprint and the deployed version, as last seen."""

from __future__ import annotations

from sqlalchemy import Connection

from services.evidence.freshness import Under
from services.store import conditions, snapshots

NOTHING = Under()


def under(connection: Connection, environment: str) -> Under:
    """What evidence of this environment must have been taken under to count."""
    snapshot = snapshots.newest(connection, environment)
    readiness = next((c for c in conditions.load(connection, environment) if c.probe == "readiness"), None)
    body = readiness.detail.get("body") if readiness is not None else None
    version = body.get("version") if isinstance(body, dict) else None
    return Under(
        fingerprint=None if snapshot is None else snapshot.fingerprint,
        version=None if version is None else str(version)[:80],
    )
