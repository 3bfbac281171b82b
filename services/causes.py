"""What else somebody should know, gathered from where it is judged already: verdict, soak, SLOs, canary, deploys, own.

Each gatherer reads what is stored and says what fails and what is known to be well, as of a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from services import clock
from services.alerts import states, writing
from services.alerts.judge import Seen, Symptom
from services.alerts.rules import GREENLIGHT
from services.alerts.setup import AlertSetup
from services.channels import outcome
from services.channels.address import TITLES
from services.clock import DAY_MS, HOUR_MS, MINUTE_MS
from services.dependencies.model import dependency_of
from services.dependencies.registry import KINDS
from services.deploys import after, findings, history
from services.deploys.view import platform_of
from services.evidence import chain, decisions
from services.replay import canary
from services.settings.model import Environment, Settings
from services.slo import incidents, view, words
from services.slo.view import Row
from services.soak import reading as soaks
from services.soak.evaluate import CHECK as SOAK
from services.store import Store, alerts, conditions, outbox, replays, workers
from services.store.alerts import Alert
from services.store.workers import Worker
from services.units import seconds
from services.verdict import view as verdicts

SILENT_MS = 60_000  # a worker that gave no sign of life for so long
WAIVER_ENDS_MS = DAY_MS
BROKEN_ONCE_MS = 12 * HOUR_MS  # a soak that is broken over and over is one message
DEPLOY_LATELY_MS = DAY_MS
TRIES_OF_A_CHANNEL = 3
WRITTEN_MS = 10_000  # by then the samples of a minute are written
# Rules of the verdict about what runs now: where they fail, an alert about the very thing says more.
LIVE_RULES = frozenset({"readiness", "dependencies", "queues", *(rule.id for k in KINDS.values() for rule in k.rules)})


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One gatherer, and how often it is asked."""

    name: str
    every_s: float
    gather: Callable[[Connection, Settings, Environment, int], Seen]


def of_verdict(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Seen:
    """A signed Go that no longer stands: something changed under it, or the verdict is no longer Go."""
    del settings, now_ms
    name, cause = environment.name, "go"
    signed, kept = verdicts.signed_go(connection, name), chain.newest(connection, name, verdicts.CHECK)
    if signed is None or kept is None:
        return Seen(well=frozenset({(name, cause)}))
    lost = kept.value != "GO" and not _told_otherwise(connection, environment, kept.detail)
    if not signed.changed and not lost:
        well = frozenset({(name, cause)}) if kept.value == "GO" else frozenset()
        return Seen(well=well)
    what = signed.drift or f"The verdict is {_verdict(kept.value)}. {kept.detail.get('why') or ''}".rstrip()
    fix = "Open the checklist: it names what to confirm or measure again, and who may give the Go."
    return Seen(symptoms=(_symptom(environment, cause, "go_lost", what, fix),))


def _verdict(value: object) -> str:
    return {"NO_GO": "No-Go", "INCONCLUSIVE": "not enough evidence"}.get(str(value), "not known")


def _told_otherwise(connection: Connection, environment: Environment, detail: Mapping[str, Any]) -> bool:
    """Whether the verdict fails only by what an alert of its own is about."""
    found = alerts.open_ones(connection, (environment.name,))
    return any(a.source == states.SOURCE for a in found) and set(detail.get("blocking") or ()) <= LIVE_RULES


def of_soak(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Seen:
    """A soak that passed, or was broken after it had run. Both are moments."""
    if environment.role != "staging":
        return Seen()
    records = chain.history(connection, environment.name, check=SOAK, limit=50)
    if not records:
        return Seen()
    newest = records[0][2]
    if newest.value == "passed":
        cause = f"soak:passed:{newest.detail.get('since')}"
        fix = "Open the checklist: production may be made strict now."
        return _moment(connection, environment, cause, "soak_passed", "Nothing failed and nothing was changed.", fix)
    found = soaks.read(connection, settings, environment, now_ms)
    event = found.begun_by
    ran = event is not None and any(e.at_ms < event.at_ms and e.value in {"running", "waiting"} for _, _, e in records)
    if event is None or not ran or now_ms - event.at_ms > HOUR_MS or _soak_told(connection, environment, now_ms):
        return Seen()
    fix = "Fix the cause; the soak counts again from then on by itself."
    cause = f"soak:broken:{event.at_ms}"
    return _moment(connection, environment, cause, "soak_broken", f"{event.why}.", fix)


def _soak_told(connection: Connection, environment: Environment, now_ms: int) -> bool:
    """Whether the same was said lately, or an alert about what broke it is open."""
    known = alerts.known(connection, (environment.name,), ("soak", states.SOURCE), since_ms=now_ms - BROKEN_ONCE_MS)
    return any(a.event == "soak_broken" or (a.source == states.SOURCE and a.state == alerts.OPEN) for a in known)


def _moment(connection: Connection, environment: Environment, cause: str, event: str, what: str, fix: str) -> Seen:
    if alerts.of_cause(connection, environment.name, cause) is not None:
        return Seen()
    return Seen(symptoms=(_symptom(environment, cause, event, what, fix),))


def of_waiver(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Seen:
    """A waiver that ends within a day."""
    del settings
    cause = "waiver"
    found = decisions.newest(connection, environment.name, "waive_canaries")
    until = 0 if found is None else int(found.detail.get("until_ms", 0))
    if found is None or not now_ms < until < now_ms + WAIVER_ENDS_MS:
        return Seen(well=frozenset({(environment.name, cause)}))
    what = f"The waiver of canary runs by {found.who} ends in {seconds((until - now_ms) / 1000)}."
    fix = "Let canary runs pass until then, or have an engineer waive them again in the checklist."
    return Seen(symptoms=(_symptom(environment, cause, "waiver_ends", what, fix),))


def of_slos(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Seen:
    """Budgets that burn too fast, unless an alert about the very thing says why."""
    minute_days = settings.retention.minute_days
    found = view.computed(connection, environment, now_ms, days=None, minute_days=minute_days)
    symptoms, well = [], set()
    for row in found.rows:
        cause = f"burn:{row.slo.sli}"
        firing = [burn for burn in row.status.burns if burn.firing]
        if not firing:
            well |= {(environment.name, cause)} if row.status.state != "no_data" else set()
            continue
        shortest = min(burn.rule.short_s for burn in firing)
        if not _explained(connection, environment, row, now_ms - (shortest * 1000 + 10 * MINUTE_MS)):
            symptoms.append(_burning(environment, cause, row, page=any(b.rule.severity == "page" for b in firing)))
    return Seen(symptoms=tuple(symptoms), well=frozenset(well))


def _explained(connection: Connection, environment: Environment, row: Row, since_ms: int) -> bool:
    known = alerts.known(connection, (environment.name,), (states.SOURCE,), since_ms=since_ms)
    return any(_concerns(alert, row) for alert in known)


def _concerns(alert: Alert, row: Row) -> bool:
    """Whether an alert is about what this SLO measures; readiness suffers with whatever is required."""
    if row.slo.probe is None:
        return False
    of_row = dependency_of(row.slo.probe)
    return alert.cause == of_row or alert.cause.startswith("host:") or (
        of_row == "readiness" and alert.event in {"not_ready", "required_down", "host_down"}
    )  # fmt: skip


def _burning(environment: Environment, cause: str, row: Row, *, page: bool) -> Symptom:
    fix = "Open SLO trends: it shows when the budget was spent, and by what."
    made = _symptom(environment, cause, "burn_page" if page else "burn_ticket", words.sentence(row), fix)
    return replace(made, name=words.title(row.slo.sli))


def of_canary(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Seen:
    """The canary in alarm: two failing runs in a row, or one critical failure."""
    del now_ms
    own = [agent.name for agent in settings.replay.agents if agent.environment == environment.name]
    symptoms, well = [], set()
    for name in own:
        runs = replays.newest(connection, limit=10, agent=name, subset="canary")
        alarm = canary.alarm(runs)
        cause = f"canary:{name}"
        if not alarm.on:
            well |= {(environment.name, cause)} if any(run.verdict == "PASS" for run in runs[:1]) else set()
            continue
        said = next((run for run in runs if run.verdict in {"PASS", "BLOCK"}), None)
        critical = said is not None and bool(said.summary.get("critical_failures"))
        event = "canary_critical" if critical else "canary"
        symptoms.append(_symptom(environment, cause, event, alarm.advice.what, alarm.advice.fix))
    return Seen(symptoms=tuple(symptoms), well=frozenset(well))


def of_deploys(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Seen:
    """The newest deploy was not seen healthy in time, and no alert about the very thing is open."""
    del settings
    name, cause = environment.name, "deploy"
    newest = next(iter(history.read(connection, name, now_ms)), None)
    if newest is None or newest.is_confirmed is not False or now_ms - newest.deploy.at_ms > DEPLOY_LATELY_MS:
        sure = newest is None or newest.is_confirmed is not None
        return Seen(well=frozenset({(name, cause)} if sure else ()))
    known = alerts.open_ones(connection, (name,))
    if any(a.source == states.SOURCE and a.event in {"not_ready", "required_down", "host_down"} for a in known):
        return Seen()
    wrong = findings.unconfirmed(newest.deploy.version, after.missing(newest.check)).advice
    return Seen(symptoms=(_symptom(environment, cause, "deploy_unconfirmed", wrong.what, wrong.fix),))


def of_platform(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Seen:
    """Settings that stand in a file alone which the platform stops reading."""
    cause = "settings_file"
    if not settings.deploys.files:
        return Seen(well=frozenset({(environment.name, cause)}))
    found = findings.findings(
        platform_of(connection, settings, environment, now_ms), clock.from_ms(now_ms), deploys_a_month=None
    )
    wrong = next((f for f in found if f.code in {"only_in_file_soon", "only_in_file"}), None)
    if wrong is None:
        return Seen(well=frozenset({(environment.name, cause)}))
    return Seen(symptoms=(_symptom(environment, cause, "settings_unread", wrong.advice.what, wrong.advice.fix),))


def _symptom(environment: Environment, cause: str, event: str, what: str, fix: str) -> Symptom:
    return Symptom(
        environment=environment.name, cause=cause, event=event, name=environment.name, what=what, fix=fix,
        simulated=environment.simulated,
    )  # fmt: skip


SOURCES: tuple[Source, ...] = (
    Source(name="verdict", every_s=5, gather=of_verdict),
    Source(name="canary", every_s=5, gather=of_canary),
    Source(name="soak", every_s=30, gather=of_soak),
    Source(name="slo", every_s=60, gather=of_slos),
    Source(name="deploys", every_s=60, gather=of_deploys),
    Source(name="waiver", every_s=300, gather=of_waiver),
    Source(name="platform", every_s=300, gather=of_platform),
)
OWN = "greenlight"  # the source of alerts about Greenlight itself


def judge_source(store: Store, settings: Settings, setup: AlertSetup, source: Source, name: str, now_ms: int) -> int:
    """Gather one source of an environment and write what follows; how many changes. Raises StoreError.

    What is gathered is read first: an environment in which nothing is the matter costs no write lock.
    """
    environment = settings.environment(name)
    with store.read() as connection:
        seen = source.gather(connection, settings, environment, now_ms)
        known = alerts.known(connection, (name,), (source.name,), since_ms=now_ms - HOUR_MS)
    if not seen.symptoms and not any(alert.state == alerts.OPEN for alert in known):
        return 0
    with store.write() as connection:
        return writing.write(connection, setup, seen, (name,), now_ms, source=source.name)


def judge_states(store: Store, setup: AlertSetup, name: str, now_ms: int) -> int:
    """What time alone changes: an end that has lasted, a reminder, maintenance that is over, probes that are gone."""
    with store.read() as connection:
        known = alerts.known(connection, (name,), (states.SOURCE,), since_ms=now_ms)
        if not known:
            return 0
    with store.write() as connection:
        found = conditions.load(connection, name)
        seen = states.seen(setup.environments[name], found, now_ms)
        seen = replace(seen, gone=_gone(setup, name, known))
        return writing.write(connection, setup, seen, (name,), now_ms, source=states.SOURCE)


def _gone(setup: AlertSetup, name: str, known: Collection[Alert]) -> frozenset[tuple[str, str]]:
    """Causes that the settings no longer name."""
    watched = setup.environments[name]
    there = {dependency_of(probe) for probe in watched.probes} | set(watched.probes)
    there |= {f"host:{host}" for host in watched.targets.values()}
    return frozenset(
        (name, a.cause)
        for a in known
        if a.cause not in there and a.cause.rpartition(":")[0] not in there and a.cause.partition(":")[2] not in there
    )


def judge_own(store: Store, settings: Settings, setup: AlertSetup, now_ms: int, *, troubles: Mapping[str, str]) -> int:
    """What concerns Greenlight itself: its network, its workers, channels, and environments that are no longer in the
    settings. `troubles` is what workers report, by worker, as far as it has lasted. How many changes; raises
    StoreError."""
    with store.read() as connection:
        seen = _own(connection, settings, setup, now_ms, troubles)
        known = alerts.known(connection, (GREENLIGHT,), (OWN,), since_ms=now_ms - HOUR_MS)
        lost = [a for a in alerts.open_ones(connection) if a.environment not in {GREENLIGHT, *settings.names}]
    if not seen.symptoms and not any(a.state == alerts.OPEN for a in known) and not lost:
        return 0
    with store.write() as connection:
        number = writing.write(connection, setup, seen, (GREENLIGHT,), now_ms, source=OWN)
        for alert in lost:
            gone = Seen(gone=frozenset({(alert.environment, alert.cause)}))
            number += writing.write(connection, setup, gone, (alert.environment,), now_ms, source=alert.source)
        return number


def _own(
    connection: Connection, settings: Settings, setup: AlertSetup, now_ms: int, troubles: Mapping[str, str]
) -> Seen:
    places = states.own_network(conditions.load(connection))
    parts = [
        _own_network(settings, places), _silent(workers.load(connection), now_ms), _trouble(troubles),
        *(_channel(connection, setup, state) for state in outbox.states(connection, _names(setup)).values()),
    ]  # fmt: skip
    gone = {a.cause for a in alerts.open_ones(connection, (GREENLIGHT,)) if a.cause.startswith("channel:")}
    gone -= {writing.channel_cause(name) for name in _names(setup)}
    symptoms = tuple(part for part in parts if isinstance(part, Symptom))
    well = frozenset((GREENLIGHT, part) for part in parts if isinstance(part, str) and part)
    return Seen(symptoms=symptoms, well=well, gone=frozenset((GREENLIGHT, cause) for cause in gone))


def _names(setup: AlertSetup) -> tuple[str, ...]:
    return tuple(channel.name for channel in setup.channels)


def _own_network(settings: Settings, places: tuple[str, ...]) -> Symptom | str:
    here = tuple(name for name in places if name in settings.names)
    if not here:
        return "own_network"
    return Symptom(
        environment=GREENLIGHT, cause="own_network", event="own_network", also=here,
        what="Nothing outside this machine is reached, so the environments outside are not measured.",
        fix="Check this machine's network and name servers; measuring goes on by itself.",
    )  # fmt: skip


def _silent(found: Collection[Worker], now_ms: int) -> Symptom | str:
    """Workers that ended without leaving and that no later one stands in for."""
    lost = [
        w for w in found
        if now_ms - w.seen_ms > SILENT_MS and not any(o.started_ms >= w.seen_ms for o in found)
    ]  # fmt: skip
    if not lost:
        return "worker"
    since = seconds((now_ms - max(w.seen_ms for w in lost)) / 1000)
    return Symptom(
        environment=GREENLIGHT, cause="worker", event="worker_silent", also=tuple(w.id for w in lost),
        what=f"It gave no sign of life for {since}. The others have taken over what it collected.",
        fix="Look at that worker's machine and log, and start it again.",
    )  # fmt: skip


def _trouble(troubles: Mapping[str, str]) -> Symptom | str:
    if not troubles:
        return "trouble"
    return Symptom(environment=GREENLIGHT, cause="trouble", event="worker_trouble", also=tuple(sorted(troubles)),
                   what=" ".join(dict.fromkeys(troubles.values())),
                   fix="Read the worker's log, then restart the worker.")  # fmt: skip


def _channel(connection: Connection, setup: AlertSetup, state: outbox.ChannelState) -> Symptom | str:
    """A channel that takes no messages; "" where it isn't known."""
    cause = writing.channel_cause(state.channel)
    if not state.code:
        return cause if state.tried_ms is not None else ""
    final = not outcome.Outcome(code=state.code).again if state.code in outcome.CODES else True
    if not final and outbox.failing_tries(connection, state.channel) < TRIES_OF_A_CHANNEL and not state.dead:
        return ""
    service = next(channel.service for channel in setup.channels if channel.name == state.channel)
    said = outcome.advice(state.code, TITLES[service], state.status)
    return Symptom(environment=GREENLIGHT, cause=cause, event="channel_failed", name=f"the channel {state.channel}",
                   what=said.what, fix=said.fix)  # fmt: skip


def write_records(store: Store, settings: Settings, now_ms: int) -> int:
    """Complete what has ended: what it cost of which budget, once its last minute is over and written."""
    minute = (now_ms - WRITTEN_MS) - (now_ms - WRITTEN_MS) % MINUTE_MS
    with store.read() as connection:
        found = alerts.ended(connection, since_ms=now_ms - DAY_MS)
    waiting = [a for a in found if not a.record and a.ended_ms is not None and a.ended_ms <= minute]
    for alert in waiting:
        with store.write() as connection:
            newest = alerts.get(connection, alert.id)
            if newest is not None:
                record = {"spent": _spent(connection, settings, newest, now_ms), "written_ms": now_ms}
                alerts.save(connection, replace(newest, record=record))
    return len(waiting)


def _spent(connection: Connection, settings: Settings, alert: Alert, now_ms: int) -> list[dict[str, Any]]:
    """Bad events and the share of each budget that the alert's time took, of the SLOs that it concerns."""
    if alert.source != states.SOURCE or alert.environment not in settings.names:
        return []
    environment = settings.environment(alert.environment)
    minute_days = settings.retention.minute_days
    found = view.computed(connection, environment, now_ms, days=None, minute_days=minute_days)
    low, high = alert.opened_ms - 10 * MINUTE_MS, alert.well_ms or alert.ended_ms or now_ms
    made = []
    for row in found.rows:
        if not _concerns(alert, row):
            continue
        parts = [i for i in incidents.incidents(connection, environment.name, row, found.as_of_ms, found.maintenance)
                 if i.from_ms < high and i.until_ms > low]  # fmt: skip
        bad, shares = sum(i.bad for i in parts), [i.spent for i in parts if i.spent is not None]
        if bad:
            made.append({"sli": row.slo.sli, "bad": bad, "spent": sum(shares) if shares else None})
    return made
