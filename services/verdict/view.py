"""From where does the verdict get its facts? One reading, the same for every page, route, metric and report."""

from __future__ import annotations

from sqlalchemy import Connection

from services import currency
from services.settings.model import Environment, Settings
from services.store import Store
from services.store import evidence as evidence_store
from services.verdict.model import Facts, Subject, Verdict
from services.verdict.reckon import reckon
from services.verdict.rules import SOAK


def verdict(store: Store, settings: Settings, name: str, now_ms: int) -> Verdict:
    """The verdict of an environment. Raises UnknownEnvironment or StoreError."""
    environment = settings.environment(name)
    with store.read() as connection:
        return reckon(facts(connection, settings, environment, now_ms))


def verdicts(store: Store, settings: Settings, now_ms: int) -> tuple[Verdict, ...]:
    """The verdict of every environment, as of one moment."""
    with store.read() as connection:
        return tuple(reckon(facts(connection, settings, e, now_ms)) for e in settings.environments)


def facts(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Facts:
    """Everything that the verdict depends on."""
    staging = staging_of(settings, environment)
    records = {record.check: record for record in evidence_store.latest(connection, environment.name)}
    soak = None
    if staging is not None:
        found = evidence_store.history(connection, staging.name, check=SOAK, limit=1)
        soak = found[0][2] if found else None
    return Facts(
        subject=subject(settings, environment),
        now_ms=now_ms,
        under=currency.under(connection, environment.name),
        records=records,
        soak=soak,
        soak_under=currency.under(connection, staging.name) if staging is not None else currency.NOTHING,
    )


def subject(settings: Settings, environment: Environment) -> Subject:
    """What the rules need to know of an environment."""
    staging = staging_of(settings, environment)
    return Subject(
        name=environment.name,
        role=environment.role,
        simulated=environment.simulated,
        queues=tuple(queue.name for queue in environment.queues),
        staging=None if staging is None else staging.name,
        needs_soak=environment.role == "production",
    )


def staging_of(settings: Settings, environment: Environment) -> Environment | None:
    """The environment whose soak counts for a production one; of the same kind, real or simulated."""
    if environment.role != "production":
        return None
    alike = (e for e in settings.environments if e.role == "staging" and e.simulated == environment.simulated)
    return next(alike, None)
