"""From what fails now to what happened; alerts and time in, changes out."""

from __future__ import annotations

import itertools

from services.alerts.judge import MOST_CHANGES, REMIND_MS, SETTLED_MS, Seen, Symptom, judge
from services.clock import HOUR_MS, MINUTE_MS
from services.store.alerts import Alert

RESOLVED_AFTER_MS = 2 * MINUTE_MS
WELL = Seen(well=frozenset({("e", "redis"), ("e", "readiness")}))


def symptom(cause: str = "redis", event: str = "required_down", **more: object) -> Symptom:
    return Symptom(environment="e", cause=cause, event=event, name=cause, what=f"{cause} refuses connections.", **more)  # type: ignore[arg-type]


class Desk:
    """What is known, as the store would keep it."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self.spoken: list[str] = []
        self.ids = (f"a{n}" for n in itertools.count())

    def at(self, now_ms: int, seen: Seen) -> list[str]:
        found = judge(
            [a for a in self.alerts.values() if a.state == "open" or (a.ended_ms or 0) > now_ms - HOUR_MS], seen,
            now_ms, source="health", resolved_after_ms=RESOLVED_AFTER_MS, make_id=lambda: next(self.ids),
        )  # fmt: skip
        for change in found:
            self.alerts[change.alert.id] = change.alert
            if change.spoken:
                self.spoken.append(change.kind)
        return [change.kind for change in found]

    @property
    def open(self) -> list[Alert]:
        return [a for a in self.alerts.values() if a.state == "open"]


def down(*symptoms: Symptom) -> Seen:
    return Seen(symptoms=symptoms)


def test_an_alert_is_opened_once_and_resolved_when_all_was_well_for_a_while() -> None:
    desk = Desk()
    assert desk.at(0, down(symptom())) == ["opened"]
    assert desk.at(1000, down(symptom())) == []
    assert desk.at(60_000, WELL) == ["well"]
    assert desk.at(60_000 + RESOLVED_AFTER_MS - 1, WELL) == []
    assert desk.at(60_000 + RESOLVED_AFTER_MS, WELL) == ["resolved"]
    assert desk.spoken == ["opened", "resolved"]


def test_what_is_unknown_ends_nothing() -> None:
    desk = Desk()
    desk.at(0, down(symptom()))
    assert desk.at(HOUR_MS, Seen()) == []
    assert len(desk.open) == 1


def test_a_failure_after_a_moment_of_rest_is_the_same_alert() -> None:
    desk = Desk()
    desk.at(0, down(symptom()))
    desk.at(60_000, WELL)
    assert desk.at(90_000, down(symptom())) == ["again"]
    assert desk.spoken == ["opened"]


def test_more_than_six_changes_an_hour_are_flapping_and_then_it_is_quiet_until_it_settles() -> None:
    desk = Desk()
    for step in range(40):
        desk.at(step * MINUTE_MS, down(symptom()) if step % 2 == 0 else WELL)
    assert desk.spoken == ["opened", "flapping"]
    (alert,) = desk.open
    assert len([at for at in alert.changes if at > 40 * MINUTE_MS - HOUR_MS]) > MOST_CHANGES
    begin = 40 * MINUTE_MS
    desk.at(begin, WELL)
    assert desk.at(begin + SETTLED_MS - 2 * MINUTE_MS, WELL) == []
    assert desk.at(begin + SETTLED_MS, WELL) == ["resolved"]
    assert desk.spoken == ["opened", "flapping", "resolved"]


def test_one_that_comes_back_as_an_alert_of_its_own_counts_for_flapping_too() -> None:
    desk = Desk()
    for step in range(5):  # each is over before the next begins
        begin = step * 8 * MINUTE_MS
        desk.at(begin, down(symptom()))
        desk.at(begin + MINUTE_MS, WELL)
        desk.at(begin + MINUTE_MS + RESOLVED_AFTER_MS, WELL)
    assert desk.spoken.count("flapping") == 1
    assert desk.spoken.count("opened") == 3


def test_it_gets_worse_once() -> None:
    desk = Desk()
    desk.at(0, down(symptom(event="optional_down")))
    assert desk.at(1000, down(symptom())) == ["worse"]
    assert desk.at(2000, down(symptom(event="optional_down"))) == []
    (alert,) = desk.open
    assert alert.severity == "page"


def test_a_reminder_comes_after_four_hours_unless_somebody_has_taken_it() -> None:
    desk = Desk()
    desk.at(0, down(symptom()))
    assert desk.at(REMIND_MS - 1, down(symptom())) == []
    assert desk.at(REMIND_MS, down(symptom())) == ["reminder"]
    assert desk.at(REMIND_MS + 1, down(symptom())) == []
    assert desk.at(2 * REMIND_MS, down(symptom())) == ["reminder"]
    (alert,) = desk.open
    from dataclasses import replace

    desk.alerts[alert.id] = replace(alert, acknowledged_ms=2 * REMIND_MS)
    assert desk.at(4 * REMIND_MS, down(symptom())) == []


def test_maintenance_mutes_visibly_and_what_still_fails_afterwards_is_sent() -> None:
    desk = Desk()
    muted = {"e": "Maintenance: a new disk (declared by Ada)"}
    assert desk.at(0, Seen(symptoms=(symptom(),), muted=muted)) == ["opened"]
    assert desk.spoken == []
    assert desk.open[0].muted == muted["e"]
    assert desk.at(MINUTE_MS, down(symptom())) == ["opened"]
    assert desk.spoken == ["opened"]
    assert len(desk.alerts) == 1


def test_what_began_and_ended_in_maintenance_is_not_sent() -> None:
    desk = Desk()
    desk.at(0, Seen(symptoms=(symptom(),), muted={"e": "Maintenance"}))
    desk.at(1, WELL)
    assert desk.at(1 + RESOLVED_AFTER_MS, WELL) == ["resolved"]
    assert desk.spoken == []


def test_an_effect_that_was_seen_first_goes_on_under_its_cause() -> None:
    """One cause, one message: readiness fails first, then Redis is found to be why."""
    desk = Desk()
    desk.at(0, down(symptom("readiness", "not_ready")))
    cause = symptom(takes_in=frozenset({"readiness"}), also=("the application",))
    assert desk.at(1000, down(cause)) == ["cause"]
    assert desk.spoken == ["opened"]
    assert [(a.cause, a.also) for a in desk.open] == [("redis", ("the application",))]


def test_effects_with_alerts_of_their_own_end_in_that_of_the_cause_without_a_message() -> None:
    desk = Desk()
    desk.at(0, down(symptom("queue:a", "queue_late"), symptom("queue:b", "queue_late")))
    cause = symptom(takes_in=frozenset({"queue:a", "queue:b"}))
    assert sorted(desk.at(1000, down(cause))) == ["merged", "worse"]
    assert len(desk.open) == 1


def test_what_is_no_longer_in_the_settings_ends_without_a_message() -> None:
    desk = Desk()
    desk.at(0, down(symptom()))
    assert desk.at(1, Seen(gone=frozenset({("e", "redis")}))) == ["resolved"]
    assert desk.spoken == ["opened"]


def test_a_moment_is_told_once_and_is_not_open() -> None:
    desk = Desk()
    assert desk.at(0, down(symptom("soak:1", "soak_passed"))) == ["opened"]
    assert desk.open == []


def test_a_text_from_outside_is_one_line_without_a_known_credential() -> None:
    desk = Desk()
    evil = "line one\nSubject: x\x1b[31m \u202eabc token=abcdefgh12345678 " + "y" * 3000
    desk.at(0, down(Symptom(environment="e", cause="c", event="required_down", name="a\r\nb", what=evil)))
    (alert,) = desk.open
    assert "\n" not in alert.what
    assert "\u202e" not in alert.what
    assert "abcdefgh12345678" not in alert.what
    assert len(alert.what) <= 1500
    assert alert.title == "e: a b is down"


def test_what_says_nothing_now_keeps_what_was_said() -> None:
    desk = Desk()
    desk.at(0, down(symptom()))
    assert desk.at(1, down(Symptom(environment="e", cause="redis", event="required_down", name="redis", what=""))) == []
    assert desk.open[0].what == "redis refuses connections."
