"""Evidence of the settings that keep deploys from interrupting work: written on change and hourly, as probes do."""

from __future__ import annotations

from sqlalchemy import Connection

from services.clock import from_ms
from services.deploys import asked, forecast, history
from services.deploys.findings import UNSURE
from services.deploys.view import granted_s, is_named, platform_of, settings_findings
from services.evidence import chain, current
from services.evidence.model import Evidence, worth_writing
from services.settings.model import Environment, Settings
from services.store import Store

CHECK = "deploy.settings"


def keep(store: Store, settings: Settings, environment: Environment, now_ms: int, *, asked: bool = False) -> bool:
    """Write it where it says something new, or where somebody asks; whether it was written. Raises StoreError."""
    with store.write() as connection:
        found = _proof(connection, settings, environment, now_ms)
        if not asked and not worth_writing(found, chain.newest(connection, environment.name, CHECK)):
            return False
        chain.append(store, connection, [found])
        return True


def _proof(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Evidence:
    """Holds where no setting is wrong; not known where the platform isn't."""
    platform, now = platform_of(connection, settings, environment, now_ms), from_ms(now_ms)
    rate = history.a_month(history.read(connection, environment.name, now_ms), now_ms)
    runs, _, steps = forecast.load(connection, environment.name, now_ms)
    told = asked.load(connection, settings, environment.name)
    needed = forecast.needed(steps, runs)
    found = settings_findings(settings, environment, told, platform, rate, needed, now_ms)
    errors = [finding for finding in found if finding.severity == "error"]
    false = [finding for finding in errors if not UNSURE.match(finding.code)]
    wrong = false or errors
    known, context = is_named(settings, platform), current.context(connection, environment.name)
    cause = wrong[0].advice.as_detail() if wrong else {}
    return Evidence(
        environment=environment.name,
        check=CHECK,
        outcome="fail" if false else "unknown" if wrong or not known else "pass",
        at_ms=now_ms,
        value=granted_s(platform, now) if known else None,
        code=wrong[0].code if wrong else "",
        version=context.version,
        fingerprint=context.fingerprint,
        simulated=environment.simulated,
        detail=cause,
    )
