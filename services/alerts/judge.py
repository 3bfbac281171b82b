"""From what fails now to what happened: opened, worse, resolved, flapping, a reminder. Pure: alerts and time in,
changes out.

It goes by levels, not by edges: whatever was missed, as by a kill, is seen at the next call.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from services.alerts.rules import RANK, RULES
from services.channels.message import plain
from services.clock import HOUR_MS, MINUTE_MS
from services.store.alerts import MERGED, OPEN, RESOLVED, Alert

Kind = Literal["opened", "again", "worse", "resolved", "reminder", "flapping", "cause", "merged", "well", "changed"]
SPOKEN: frozenset[str] = frozenset({"opened", "worse", "resolved", "reminder", "flapping"})  # kinds that are sent
MOST_CHANGES = 6  # in an hour; more is flapping
SETTLED_MS = 30 * MINUTE_MS  # without a change, what flapped has settled
REMIND_MS = 4 * HOUR_MS
LOOKED_BACK_MS = HOUR_MS  # alerts that ended lately still count for flapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Symptom:
    """Something that fails now. `cause` is its name in its environment; `also` what is down with it, as people call it.

    `takes_in` are causes that are part of it now; alerts that were open for them go into its alert.
    """

    environment: str
    cause: str
    event: str
    name: str = ""  # in the title
    what: str  # "" where the newest finding says nothing of the cause
    fix: str = ""
    also: tuple[str, ...] = ()
    takes_in: frozenset[str] = frozenset()
    simulated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What was judged: what fails, which causes are known to be well, and which are no longer measured at all.

    What is in none of them is unknown, which ends nothing: absence is never success. `muted`: why an environment's
    alerts are not sent now, by environment.
    """

    symptoms: tuple[Symptom, ...] = ()
    well: frozenset[tuple[str, str]] = frozenset()  # environment, cause
    gone: frozenset[tuple[str, str]] = frozenset()
    muted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What happened to an alert, and the alert after it. `spoken`: whether anybody is told."""

    kind: Kind
    alert: Alert
    is_new: bool = False
    spoken: bool = False
    note: str = ""


def new_id() -> str:
    """A name for an alert."""
    return secrets.token_hex(8)


def judge(
    known: Sequence[Alert], seen: Seen, now_ms: int, *, source: str, resolved_after_ms: int,
    make_id: Callable[[], str] = new_id,
) -> tuple[Change, ...]:  # fmt: skip
    """The changes that follow. `known`: open alerts of this source, and those that ended in the last hour."""
    judged = _Judged(known, seen, now_ms, source, resolved_after_ms, make_id)
    for symptom in seen.symptoms:
        judged.fails(symptom)
    judged.rest()
    return tuple(judged.changes)


class _Judged:
    def __init__(
        self, known: Sequence[Alert], seen: Seen, now_ms: int, source: str, resolved_after_ms: int,
        make_id: Callable[[], str],
    ) -> None:  # fmt: skip
        self._seen, self._now, self._source, self._make_id = seen, now_ms, source, make_id
        self._resolved_after_ms = resolved_after_ms
        self._open = {(a.environment, a.cause): a for a in known if a.state == OPEN}
        self._past = {(a.environment, a.cause): a for a in known if a.state != OPEN}
        self._dealt: set[str] = set()
        self.changes: list[Change] = []

    def fails(self, symptom: Symptom) -> None:
        """What follows of something that fails now."""
        place = (symptom.environment, symptom.cause)
        found = self._open.get(place)
        taken = [self._open[symptom.environment, cause] for cause in sorted(symptom.takes_in)
                 if (symptom.environment, cause) in self._open]  # fmt: skip
        if found is None and taken:
            found, taken = taken[0], taken[1:]
            found = self._renamed(found, symptom)
        elif found is None:
            self._opened(symptom)
        else:
            self._still(found, symptom)
        for alert in taken:
            self._merged(alert, symptom)
        for cause in symptom.takes_in:
            self._open.pop((symptom.environment, cause), None)

    def rest(self) -> None:
        """What follows for alerts whose cause doesn't fail now."""
        for place, alert in self._open.items():
            if alert.id in self._dealt:
                continue
            if place in self._seen.gone:
                ended = replace(alert, state=RESOLVED, ended_ms=self._now, changed_ms=self._now)
                self._add("resolved", ended, note="It is no longer in the settings.")
            elif place in self._seen.well:
                self._well(alert)

    def _opened(self, symptom: Symptom) -> None:
        rule, muted = RULES[symptom.event], self._seen.muted.get(symptom.environment, "")
        before = self._past.get((symptom.environment, symptom.cause))
        changes = self._lately(() if before is None else before.changes)
        alert = Alert(
            id=self._make_id(), environment=symptom.environment, cause=symptom.cause, source=self._source,
            event=symptom.event, severity=rule.severity, state=RESOLVED if rule.moment else OPEN,
            simulated=symptom.simulated, opened_ms=self._now, changed_ms=self._now, muted=muted,
            ended_ms=self._now if rule.moment else None, told_ms=None if muted else self._now,
            changes=changes, flapping=len(changes) > MOST_CHANGES, page=rule.page, **_texts(symptom, None),
        )  # fmt: skip
        self._add("flapping" if alert.flapping else "opened", alert, is_new=True, spoken=not muted)

    def _still(self, alert: Alert, symptom: Symptom) -> None:
        after = replace(alert, **_texts(symptom, alert))
        if RANK[RULES[symptom.event].severity] > RANK[alert.severity]:
            after = replace(after, event=symptom.event, severity=RULES[symptom.event].severity, changed_ms=self._now)
            self._settled(after, "worse", spoken=alert.told_ms is not None and not alert.flapping)
        elif alert.well_ms is not None:
            self._again(after)
        else:
            self._goes_on(alert, after)

    def _goes_on(self, alert: Alert, after: Alert) -> None:
        muted = self._seen.muted.get(alert.environment, "")
        if alert.told_ms is None and not muted:
            told = replace(after, told_ms=self._now, muted="")
            self._add("opened", told, spoken=True, note="It is no longer muted." if alert.muted else "")
            return
        if alert.told_ms is None:
            after = replace(after, muted=muted)
        since = max(at for at in (alert.told_ms, alert.reminded_ms, alert.opened_ms) if at is not None)
        due = alert.acknowledged_ms is None and self._now - since >= REMIND_MS
        if due and after.told_ms is not None and not muted and not alert.flapping and alert.severity != "digest":
            self._add("reminder", replace(after, reminded_ms=self._now), spoken=True)
            return
        self._dealt.add(alert.id)
        if after != alert:
            self._add("changed", after)

    def _again(self, alert: Alert) -> None:
        """It failed again before its end was said."""
        changes = self._lately(alert.changes)
        after = replace(alert, well_ms=None, changed_ms=self._now, changes=changes)
        self._settled(after, "again")

    def _settled(self, alert: Alert, kind: Kind, *, spoken: bool = False) -> None:
        """A change of an alert that goes on; one too many, and it is flapping."""
        if len(alert.changes) > MOST_CHANGES and not alert.flapping:
            self._add("flapping", replace(alert, flapping=True), spoken=alert.told_ms is not None)
            return
        self._add(kind, replace(alert, well_ms=None) if kind == "worse" else alert, spoken=spoken)

    def _well(self, alert: Alert) -> None:
        if alert.well_ms is None:
            changes = self._lately(alert.changes)
            after = replace(alert, well_ms=self._now, changed_ms=self._now, changes=changes)
            if len(changes) > MOST_CHANGES and not alert.flapping:
                self._add("flapping", replace(after, flapping=True), spoken=alert.told_ms is not None)
                return
            self._add("well", after)
            alert = after
        lasts = SETTLED_MS if alert.flapping else self._resolved_after_ms
        if alert.well_ms is not None and self._now - alert.well_ms >= lasts:
            ended = replace(alert, state=RESOLVED, ended_ms=self._now, changed_ms=self._now)
            self._add("resolved", ended, spoken=alert.told_ms is not None)

    def _renamed(self, alert: Alert, symptom: Symptom) -> Alert:
        """The cause is found: what was known as something below it goes on under its name."""
        rule = RULES[symptom.event]
        after = replace(alert, cause=symptom.cause, event=symptom.event, page=rule.page, well_ms=None,
                        changed_ms=self._now, **_texts(symptom, alert))  # fmt: skip
        worse = RANK[rule.severity] > RANK[alert.severity]
        if worse:
            after = replace(after, severity=rule.severity)
        spoken = worse and alert.told_ms is not None and not alert.flapping
        self._add("worse" if worse else "cause", after, spoken=spoken)
        return after

    def _merged(self, alert: Alert, symptom: Symptom) -> None:
        after = replace(alert, state=MERGED, ended_ms=self._now, changed_ms=self._now)
        self._add("merged", after, note=f"It is part of: {symptom.cause}.")

    def _lately(self, changes: Collection[int]) -> tuple[int, ...]:
        return (*(at for at in changes if at > self._now - HOUR_MS), self._now)

    def _add(self, kind: Kind, alert: Alert, *, is_new: bool = False, spoken: bool = False, note: str = "") -> None:
        self._dealt.add(alert.id)
        self.changes.append(Change(kind=kind, alert=alert, is_new=is_new, spoken=spoken, note=note))


def _texts(symptom: Symptom, before: Alert | None) -> dict[str, Any]:
    """What people read, cleaned: a part of it comes from outside. What says nothing now keeps what was said before."""
    mark = " (simulated)" if symptom.simulated else ""
    title = RULES[symptom.event].title.format(environment=symptom.environment, name=symptom.name)
    what, fix = plain(symptom.what), plain(symptom.fix)
    if not what:
        what, fix = ("It failed its last checks.", "") if before is None else (before.what, before.fix)
    return {
        "title": plain(title + mark, 200), "what": what, "fix": fix,
        "also": tuple(plain(name, 80) for name in symptom.also),
    }  # fmt: skip
