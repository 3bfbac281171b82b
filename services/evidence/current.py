"""What evidence would be taken under now. The configuration's fingerprint and the deployed version, as last seen; for
replays also the golden set and the judges that there are; for drills the terms of a deploy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from services import deployed, units
from services.evidence import chain
from services.evidence.freshness import Context
from services.replay import identity
from services.store import conditions, quarantine, snapshots
from services.store.conditions import Condition

if TYPE_CHECKING:
    from services.settings.model import Settings

NOTHING = Context()
SILENT_AFTER_MS, SILENT_AFTER_LOOKS = 600_000, 3
FLAGS = ("redis.required", "inngest.required")


def complete(
    connection: Connection, settings: Settings, environment: str, now_ms: int, seen: Sequence[Condition]
) -> Context:
    """All that evidence of this environment must have been taken under to count; and whether anybody still measures.
    `seen` are its conditions."""
    from services.deploys.terms import terms  # a command line that replays has no use for what it needs

    found = next((e for e in settings.environments if e.name == environment and e.drill is not None), None)
    return replace(
        _context(connection, environment, seen), golden_sha256=identity.golden_now(settings),
        judges=identity.judges_now(settings), quarantine=_aside(connection, now_ms),
        silent=_silence(seen, now_ms),
        terms=None if found is None else terms(connection, settings, found, now_ms).as_detail(),
    )  # fmt: skip


def _aside(connection: Connection, now_ms: int) -> frozenset[str]:
    """The golden cases in quarantine, each as evidence names it."""
    entries = quarantine.open_ones(connection)
    return frozenset(f"{entry.golden_name}/{entry.case_id}" for entry in entries if now_ms < entry.until_ms)


def context(connection: Connection, environment: str) -> Context:
    """Its configuration and version alone: all that plays a part for what is measured of the environment itself."""
    return _context(connection, environment, conditions.load(connection, environment))


def _context(connection: Connection, environment: str, seen: Sequence[Condition]) -> Context:
    snapshot = snapshots.newest(connection, environment)
    readiness = next((c for c in seen if c.probe == "readiness"), None)
    return Context(
        fingerprint=None if snapshot is None else snapshot.fingerprint,
        version=None if readiness is None else deployed.named_by(readiness.detail),
    )


def _silence(seen: Sequence[Condition], now_ms: int) -> str:
    """That nothing was measured for long, in words; "" while somebody measures. A restart is no silence."""
    if not seen:
        return ""
    quiet_ms = now_ms - max(condition.at_ms for condition in seen)
    longest_ms = max(SILENT_AFTER_MS, round(SILENT_AFTER_LOOKS * 1000 * min(c.interval_s for c in seen)))
    return f"nothing was measured for {units.seconds(quiet_ms / 1000)}" if quiet_ms > longest_ms else ""


def policy(connection: Connection, environment: str) -> str | None:
    """What the running application enforces, as last measured: `strict`, `relaxed`; None where not all is known."""
    found = [chain.newest(connection, environment, flag) for flag in FLAGS]
    outcomes = {None if record is None else record.outcome for record in found}
    if "fail" in outcomes:
        return "relaxed"
    return "strict" if outcomes == {"pass"} else None
