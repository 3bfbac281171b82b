"""Reads what the soak is computed from, and keeps it as evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection

from services import clock
from services.clock import HOUR_MS
from services.dependencies.registry import BREAKS
from services.evidence import chain, current, freshness
from services.evidence.decisions import waived_canaries
from services.evidence.freshness import why_stale
from services.evidence.model import Evidence, due_again
from services.settings.model import Environment, Settings
from services.soak.evaluate import (
    CHECK,
    DEPENDENCY,
    READINESS,
    RELAXED,
    STRICT,
    VARIABLES,
    VERSION,
    Event,
    ReadinessCheck,
    Soak,
    evaluate,
    meets,
)
from services.store import Store, deploys, samples, snapshots, spans
from services.units import share

SHOWN = 20


def soak(store: Store, settings: Settings, environment: Environment, now_ms: int) -> Soak:
    """Where an environment's soak stands. Raises StoreError."""
    with store.read() as connection:
        return read(connection, settings, environment, now_ms)


def read(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Soak:
    """The same inside a transaction. While a pass stands, it is told as it was when it was written down."""
    found, kept, stands = _computed(connection, settings, environment, now_ms)
    return _as_passed(found, kept) if kept is not None and stands else found


def _as_passed(found: Soak, kept: Evidence) -> Soak:
    told = kept.detail
    since = told.get("since")
    return replace(
        found, state="passed", passed_ms=kept.at_ms, left_ms=0,
        since_ms=found.since_ms if since is None else clock.to_ms(datetime.fromisoformat(since)),
        coverage=told.get("coverage", found.coverage), checks=told.get("looks", found.checks),
        canaries=told.get("canaries", found.canaries), waived=told.get("waived", found.waived),
    )  # fmt: skip


def _computed(
    connection: Connection, settings: Settings, environment: Environment, now_ms: int
) -> tuple[Soak, Evidence | None, bool]:
    """Where it stands now; what was written down last, and whether that is a pass that still stands."""
    length_ms = round(settings.soak.hours * HOUR_MS)
    since, counts_from = now_ms - 2 * length_ms, now_ms - length_ms - HOUR_MS
    name = environment.name
    series = (name, "readiness_uptime")
    raw = samples.of(connection, series, counts_from, now_ms + 1)
    checks = [
        ReadinessCheck(at_ms=at, good=bool(good), interval_s=every or 60)
        for at, _, good, every in raw
        if good is not None
    ]
    strict, changes = _strict(connection, name, now_ms)
    bad = samples.newest_bad(connection, series, since, now_ms + 1, limit=SHOWN)
    events = [
        *changes,
        *_bad_looks(bad),
        *_down(connection, environment, since),
        *_changed(connection, name, since, now_ms),
    ]
    proofs = chain.history(connection, name, check="replay.canary", limit=200)
    found = evaluate(
        name, settings.soak, strict=strict, events=events, checks=checks,
        canaries=[e.at_ms for _, _, e in proofs if e.outcome == "pass"],
        waived=waived_canaries(connection, name, now_ms), now_ms=now_ms,
    )  # fmt: skip
    kept = chain.newest(connection, name, CHECK)
    stands = kept is not None and kept.outcome == "pass" and _stands(connection, settings, kept, now_ms)
    return found, kept, stands


def _stands(connection: Connection, settings: Settings, kept: Evidence, now_ms: int) -> bool:
    stale = why_stale(kept, current.context(connection, kept.environment), now_ms)
    return stale is None and meets(kept.detail, settings.soak)


def _strict(connection: Connection, name: str, now_ms: int) -> tuple[bool | None, list[Event]]:
    """Whether the running application is strict, and the moment since when it is."""
    now = current.context(connection, name)
    states: list[bool | None] = []
    events = []
    for check in current.FLAGS:
        history = chain.history(connection, name, check=check, limit=500)
        newest = history[0][2] if history else None
        known = newest is not None and why_stale(newest, now, now_ms) in {None, *_BY_CHANGE}
        states.append(None if newest is None or not known else newest.outcome == "pass")
        if history and all(e.outcome == "pass" for _, _, e in history):
            first = history[-1][2]
            events.append(Event(at_ms=first.at_ms, kind=STRICT, why="First observed in strict mode"))
        relaxed = next((i for i, (_, _, e) in enumerate(history) if e.outcome != "pass"), None)
        if relaxed is not None:
            _, _, was = history[relaxed]
            after = history[relaxed - 1][2] if relaxed else None
            words = "was relaxed" if was.outcome == "fail" else "was not known to be strict"
            at_ms = now_ms if after is None else after.at_ms
            events.append(Event(at_ms=at_ms, kind=RELAXED if after is None else STRICT,
                                why=f"{check.split('.')[0].capitalize()} {words} until then"))  # fmt: skip
    if any(state is False for state in states):
        return False, events
    return (True if all(states) else None), events


# A change of variables or version is an event of its own; it does not make strictness unknown.
_BY_CHANGE = (freshness.VARIABLES, freshness.VERSION, freshness.BEFORE)


def _bad_looks(times: Iterable[int]) -> list[Event]:
    return [Event(at_ms=at, kind=READINESS, why="Readiness failed: the application was not ready") for at in times]


def _down(connection: Connection, environment: Environment, since: int) -> list[Event]:
    watched = dict(BREAKS) | {
        d.name: f"{d.label} did not answer as expected" for d in environment.dependencies if d.required
    }
    past = spans.load(connection, environment.name, since_ms=since)
    found = [span for span in past if span.state == "down" and span.probe in watched]
    newest = sorted(found, key=lambda span: -span.until_ms)[:SHOWN]
    return [Event(at_ms=span.until_ms, kind=DEPENDENCY, why=watched[span.probe]) for span in newest]


def _changed(connection: Connection, name: str, since: int, now_ms: int) -> list[Event]:
    """Changes of the variables and of the version; the first of either that was ever seen is none."""
    history = snapshots.history(connection, name, limit=SHOWN)
    events = [Event(at_ms=s.first_ms, kind=VARIABLES, why="Its variables changed") for s in history[:-1]]
    told = deploys.since(connection, name, since, now_ms + 1)
    return events + [Event(at_ms=d.at_ms, kind=VERSION, why=f"Version {d.version} was deployed") for d in told]


def keep(store: Store, settings: Settings, holds: Callable[[str], bool] = lambda _name: True) -> int:
    """Write what the soaks of environments that `holds` names have come to, as evidence; how many records were new.

    A soak that has passed stands while variables and version do (and for a week): a bad minute later does not undo a
    day that was proven; losing strict mode does.
    """
    written = 0
    for environment in settings.environments:
        if environment.role != "staging" or not holds(environment.name):
            continue
        now = clock.now_ms()
        with store.read() as connection:
            found, before, stands = _computed(connection, settings, environment, now)
            context = current.context(connection, environment.name)
        proof = _proof(environment, found, context.fingerprint, context.version, now, hours=settings.soak.hours)
        if not _says_more(proof, before, stands=stands):
            continue
        with store.write() as connection:
            chain.append(store, connection, [proof])
        written += 1
    return written


def _says_more(proof: Evidence, before: Evidence | None, *, stands: bool) -> bool:
    if before is None:
        return True
    if before.outcome == "pass" and stands and proof.outcome == "unknown":
        return False
    said = (proof.outcome, proof.value, proof.fingerprint, proof.version, proof.detail["since"])
    changed = said != (before.outcome, before.value, before.fingerprint, before.version, before.detail.get("since"))
    return changed or due_again(proof.at_ms, before.at_ms)


def _proof(
    environment: Environment, found: Soak, fingerprint: str | None, version: str | None, now_ms: int, *, hours: float
) -> Evidence:
    relaxed = found.state == "not_begun" and any(e.kind == RELAXED for e in found.events)
    return Evidence(
        environment=environment.name,
        check=CHECK,
        outcome="pass" if found.state == "passed" else "fail" if relaxed else "unknown",
        at_ms=now_ms,
        value=found.state,
        threshold="passed",
        code=f"soak.{found.state}",
        version=version,
        fingerprint=fingerprint,
        simulated=environment.simulated,
        detail={
            "why": why(found),
            "fix": fix(found),
            "hours": hours,
            "since": None if found.since_ms is None else clock.iso(found.since_ms),
            "coverage": found.coverage,
            "looks": found.checks,
            "canaries": found.canaries,
            "waived": found.waived,
            "certifies": found.certifies,
        },
    )


def why(found: Soak) -> str:
    """Why it has not passed, in a sentence; "" where it has."""
    if found.state == "passed":
        return ""
    if found.state == "not_begun":
        relaxed = any(e.kind == RELAXED for e in found.events)
        return f"{found.environment} is not strict" if relaxed else f"{found.environment} was not seen strict yet"
    if found.state == "running":
        ends = datetime.fromtimestamp((found.as_of_ms + found.left_ms) / 1000, UTC)
        return f"it runs until {ends:%d %b %Y, %H:%M} UTC if nothing breaks it"
    if found.canaries < found.canaries_wanted and not found.waived:
        return f"{found.canaries} of {found.canaries_wanted} canary runs passed inside"
    return f"only {share(found.coverage)} of the time was observed"


def fix(found: Soak) -> str:
    """What to do so that it passes; "" where it has."""
    name = found.environment
    if found.state == "passed":
        return ""
    if found.state == "not_begun":
        return f"Make {name} strict, and leave it alone until its soak has passed."
    if found.state == "running":
        return f"Leave {name} unchanged until its soak has passed."
    if found.canaries < found.canaries_wanted and not found.waived:
        return "Replay harness shows the canary runs and why one failed; an engineer may waive them in the checklist."
    return "Keep Greenlight's worker running: what it did not see does not count. The rest comes by itself."
