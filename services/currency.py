"""What would evidence be taken under now? The configuration's fingerprint and the deployed version, as last seen; for
replays also the golden set and the judges that there are."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from services.evidence.freshness import Under
from services.replay import identity
from services.settings.model import Settings
from services.store import conditions, snapshots
from services.store import evidence as evidence_store

NOTHING = Under()
FLAGS = ("redis.required", "inngest.required")


def complete(connection: Connection, settings: Settings, environment: str) -> Under:
    """All that evidence of this environment must have been taken under to count."""
    found = under(connection, environment)
    return replace(found, golden_sha256=identity.golden_now(settings), judges=identity.judges_now(settings))


def under(connection: Connection, environment: str) -> Under:
    """Its configuration and version alone: all that plays a part for what is measured of the environment itself."""
    snapshot = snapshots.newest(connection, environment)
    readiness = next((c for c in conditions.load(connection, environment) if c.probe == "readiness"), None)
    body = readiness.detail.get("body") if readiness is not None else None
    version = body.get("version") if isinstance(body, dict) else None
    return Under(
        fingerprint=None if snapshot is None else snapshot.fingerprint,
        version=None if version is None else str(version)[:80],
    )


def policy(connection: Connection, environment: str) -> str | None:
    """What the running application enforces, as last measured: `strict`, `relaxed`; None where not all is known."""
    found = [evidence_store.newest(connection, environment, flag) for flag in FLAGS]
    outcomes = {None if record is None else record.outcome for record in found}
    if "fail" in outcomes:
        return "relaxed"
    return "strict" if outcomes == {"pass"} else None
