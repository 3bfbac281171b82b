"""Gathers the verdict's facts. One reading, the same for every page, route, metric and report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from services import clock
from services.evidence import chain, current, decisions, exports
from services.evidence.decisions import Decision
from services.evidence.exports import Export
from services.evidence.model import Evidence, worth_writing
from services.health.contradictions import leading
from services.health.evaluate import conflicts
from services.health.hysteresis import confirming, is_confirming
from services.settings.model import Environment, Settings
from services.soak.evaluate import CHECK as SOAK
from services.store import Store, conditions
from services.store.conditions import Condition
from services.verdict.evaluate import evaluate
from services.verdict.model import OUTCOMES, Facts, Probed, Subject, Verdict

CHECK = "verdict"


def verdict(store: Store, settings: Settings, name: str, now_ms: int) -> Verdict:
    """The verdict of an environment. Raises UnknownEnvironment or StoreError."""
    environment = settings.environment(name)
    with store.read() as connection:
        return evaluate(facts(connection, settings, environment, now_ms))


def verdicts(store: Store, settings: Settings, now_ms: int) -> tuple[Verdict, ...]:
    """The verdict of every environment, as of one moment."""
    with store.read() as connection:
        return tuple(evaluate(facts(connection, settings, e, now_ms)) for e in settings.environments)


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedGo:
    """The Go that was signed last. `changed`: what is no longer as it was then, each in words; () while it covers what
    runs."""

    decision: Decision
    changed: tuple[str, ...]

    @property
    def covering(self) -> Decision | None:
        """The decision, where it covers what runs now."""
        return None if self.changed else self.decision

    @property
    def drift(self) -> str:
        """Why it no longer covers what runs; "" while it does."""
        if not self.changed:
            return ""
        changed, name = " and ".join(self.changed), self.decision.environment
        return f"The Go that {self.decision.who} signed no longer covers {name}: {changed}."


@dataclass(frozen=True, kw_only=True, slots=True)
class VerdictSummary:
    """A verdict with since when it has been so, and what became of the last signed Go."""

    verdict: Verdict
    since_ms: int | None
    go: SignedGo | None
    report: Export | None  # the one taken last


def summaries(store: Store, settings: Settings, now_ms: int, names: Sequence[str]) -> tuple[VerdictSummary, ...]:
    """The verdicts of these environments, for those who look once a day: production's first, as all of it is for that;
    then what needs attention most."""
    with store.read() as connection:
        found = [_summary(connection, settings, settings.environment(name), now_ms) for name in names]
    rank = {"NO_GO": 0, "INCONCLUSIVE": 1, "GO": 2}
    order = {e.name: ("production", "staging", "other").index(e.role) for e in settings.environments}

    def place(item: VerdictSummary) -> tuple[bool, int, int]:
        role = order[item.verdict.environment]
        return role > 0, rank[item.verdict.state], role

    return tuple(sorted(found, key=place))


def _summary(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> VerdictSummary:
    current = evaluate(facts(connection, settings, environment, now_ms))
    last = chain.newest(connection, environment.name, CHECK)
    since = last.detail.get("since_ms") if last is not None and last.value == current.state else None
    return VerdictSummary(verdict=current, since_ms=since, go=signed_go(connection, environment.name),
                report=exports.newest(connection, environment.name))  # fmt: skip


def signed_go(connection: Connection, name: str) -> SignedGo | None:
    """The Go that was signed last; None where none was, or it was taken back."""
    given = decisions.newest(connection, name, "sign_off")
    return None if given is None else SignedGo(decision=given, changed=decisions.changed_since(connection, given))


def keep(store: Store, settings: Settings, holds: Callable[[str], bool] = lambda _name: True) -> int:
    """Write each verdict as evidence when it changes, and hourly; how many records were new."""
    written = 0
    for environment in settings.environments:
        if not holds(environment.name):
            continue
        now = clock.now_ms()
        with store.read() as connection:
            found = evaluate(facts(connection, settings, environment, now))
            context = current.context(connection, environment.name)
            last = chain.newest(connection, environment.name, CHECK)
        since = last.detail.get("since_ms", last.at_ms) if last is not None and last.value == found.state else now
        since = min(since, now)  # a clock may have been set back
        proof = Evidence(
            environment=environment.name, check=CHECK, outcome=OUTCOMES[found.state], at_ms=now, value=found.state,
            threshold="GO", code=f"verdict.{found.state.lower()}", version=context.version,
            fingerprint=context.fingerprint, simulated=environment.simulated,
            detail={
                "why": next((r.advice.what for r in found.blocking), ""),
                "blocking": [r.rule for r in found.blocking],
                "since_ms": since,
            },
        )  # fmt: skip
        if worth_writing(proof, last):
            with store.write() as connection:
                chain.append(store, connection, [proof])
            written += 1
    return written


def facts(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Facts:
    """Everything that the verdict depends on. Raises StoreCorrupt where evidence was altered."""
    chain.refuse_misfiled(connection)
    staging = staging_of(settings, environment)
    seen = conditions.load(connection, environment.name)
    records = {record.check: record for record in chain.latest(connection, environment.name)}
    soak = None if staging is None else chain.newest(connection, staging.name, SOAK)
    return Facts(
        subject=subject(settings, environment),
        now_ms=now_ms,
        context=current.complete(connection, settings, environment.name, now_ms, seen),
        records=records,
        probed={c.probe: _probed(c) for c in seen},
        leading=leading(conflicts(seen, now_ms)),
        soak=soak,
        soak_context=current.context(connection, staging.name) if staging is not None else current.NOTHING,
    )


def _probed(found: Condition) -> Probed:
    unsure = confirming(found.failures) if is_confirming(found.outcome, found.state) else ""
    return Probed(found.outcome, found.at_ms, unsure)


def subject(settings: Settings, environment: Environment) -> Subject:
    """What the rules need to know of an environment."""
    staging = staging_of(settings, environment)
    return Subject(
        name=environment.name,
        role=environment.role,
        simulated=environment.simulated,
        queues=tuple(queue.name for queue in environment.queues),
        required=tuple(item.name for item in environment.dependencies if item.required),
        strict=environment.strict,
        staging=None if staging is None else staging.name,
        needs_soak=environment.role == "production",
        needs_drill=settings.policy.drill and environment.role == "staging",
        alerts=settings.policy.alerts,
        soak=settings.soak,
    )


def staging_of(settings: Settings, environment: Environment) -> Environment | None:
    """The environment whose soak counts for a production one; of the same kind, real or simulated."""
    if environment.role != "production":
        return None
    alike = (e for e in settings.environments if e.role == "staging" and e.simulated == environment.simulated)
    return next(alike, None)
