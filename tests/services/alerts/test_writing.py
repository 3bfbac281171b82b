"""Alerts and messages are written with the states that cause them: both or neither; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from services.access import Person
from services.alerts import acts, backoff, compose, view, writing
from services.alerts.acts import UnknownAlert, WrongAct
from services.alerts.rules import TABLE
from services.alerts.setup import AlertSetup, Channel, Watched
from services.clock import DAY_MS, HOUR_MS
from services.health import record as ledger
from services.store import Store, alerts, deploys, outbox
from services.store.outbox import Delivery
from tests.services.health.test_record import seen

DOWN = "readiness.refused"
BASE_S = 1_800_000_000
ADA = Person(name="Ada", role="operator", verified=True, key="k")
TEAM = Channel(name="team", service="slack", environments=frozenset({"e"}), severities=frozenset({"page", "notify"}))
PAGER = Channel(name="pager", service="pagerduty", environments=frozenset({"e"}), severities=frozenset({"page"}))
SETUP = AlertSetup(
    environments={"e": Watched(name="e", probes=frozenset({"readiness"}))}, channels=(TEAM, PAGER), resolved_after_ms=0
)


class Book:
    """A ledger that writes alerts too."""

    def __init__(self, store: Store, setup: AlertSetup = SETUP) -> None:
        self.store, self.memory, self.setup = store, ledger.Memory(), setup

    def at(self, second: float, code: str = "readiness.ok") -> None:
        ledger.record(self.store, [seen(BASE_S + second, code)], self.memory, partial(writing.of_states, self.setup))

    def fails(self) -> None:
        self.at(0)
        for second in (10, 20, 30):
            self.at(second, DOWN)

    @property
    def open(self) -> tuple[alerts.Alert, ...]:
        with self.store.read() as connection:
            return alerts.open_ones(connection)

    @property
    def messages(self) -> list[tuple[str, str]]:
        with self.store.read() as connection:
            return sorted((d.kind, d.channel) for d in outbox.newest(connection, since_ms=0))


def test_the_alert_is_there_with_the_state_that_confirms_it(store: Store) -> None:
    book = Book(store)
    book.at(0)
    book.at(10, DOWN)
    book.at(20, DOWN)
    assert book.open == ()
    book.at(30, DOWN)
    (alert,) = book.open
    assert (alert.environment, alert.cause, alert.severity, alert.opened_ms) == (
        "e",
        "readiness",
        "page",
        (BASE_S + 30) * 1000,
    )
    assert book.messages == [("opened", "pager"), ("opened", "team")]
    book.at(40, DOWN)
    assert len(book.messages) == 2


def test_nothing_of_a_batch_is_kept_where_its_alert_can_not_be(store: Store) -> None:
    book = Book(store)
    book.at(0)
    book.at(10, DOWN)
    book.at(20, DOWN)

    def fails(*_: object) -> None:
        raise RuntimeError("killed in between")

    with pytest.raises(RuntimeError):
        ledger.record(store, [seen(BASE_S + 30, DOWN)], book.memory, fails)
    assert book.open == ()
    book.at(30, DOWN)
    assert len(book.open) == 1


def test_its_end_goes_to_those_who_were_told_of_its_beginning(store: Store) -> None:
    book = Book(store)
    book.fails()
    book.at(40)
    book.at(50)
    assert book.open == ()
    assert book.messages == [("opened", "pager"), ("opened", "team"), ("resolved", "pager"), ("resolved", "team")]


def test_two_workers_open_one_alert(store: Store) -> None:
    book = Book(store)
    book.fails()
    (alert,) = book.open
    with store.write() as connection:
        assert not alerts.add(connection, replace(alert, id="another"))


def test_maintenance_mutes_what_begins_in_it(store: Store) -> None:
    with store.write() as connection:
        deploys.declare(connection, "e", from_ms=BASE_S * 1000, until_ms=(BASE_S + 60) * 1000, reason="new disk", by="Ada",
                        now_ms=0)  # fmt: skip
    book = Book(store)
    book.fails()
    assert book.messages == []
    assert "new disk (declared by Ada)" in book.open[0].muted
    book.at(70, DOWN)
    assert book.messages == [("opened", "pager"), ("opened", "team")]


def test_who_is_told_depends_on_environment_and_severity(store: Store) -> None:
    elsewhere = replace(TEAM, name="elsewhere", environments=frozenset({"other"}))
    digest = replace(TEAM, name="digest", severities=frozenset({"digest"}))
    book = Book(store, replace(SETUP, channels=(TEAM, elsewhere, digest)))
    book.fails()
    assert book.messages == [("opened", "team")]


def test_in_quiet_hours_a_page_goes_and_the_rest_waits() -> None:
    quiet = replace(TEAM, quiet=(time(22), time(7)), zone=ZoneInfo("Europe/Berlin"))
    night = 1_767_304_800_000  # 2026-01-01 23:00 in Berlin
    assert quiet.due_ms("page", night) == night
    assert quiet.due_ms("notify", night) == night + 8 * HOUR_MS
    assert quiet.due_ms("notify", night + 8 * HOUR_MS) == night + 8 * HOUR_MS
    by_day = replace(TEAM, quiet=(time(12), time(13)))
    noon = 1_767_268_800_000 + 30 * 60_000
    assert by_day.due_ms("notify", noon) == noon + 30 * 60_000


def test_taking_an_alert_ends_reminders_and_tells_the_pager_alone(store: Store) -> None:
    book = Book(store)
    book.fails()
    id_ = book.open[0].id
    acts.acknowledge(store, SETUP, id_, ADA, note="on it", now_ms=(BASE_S + 60) * 1000)
    assert [item for item in book.messages if item[0] == "acknowledged"] == [("acknowledged", "pager")]
    assert book.open[0].acknowledged_by == "Ada"
    with pytest.raises(WrongAct, match="Ada has taken it"):
        acts.acknowledge(store, SETUP, id_, ADA, note="", now_ms=1)
    with pytest.raises(UnknownAlert):
        acts.acknowledge(store, SETUP, "nothing", ADA, note="", now_ms=1)
    with pytest.raises(WrongAct, match="empty"):
        acts.add_note(store, id_, ADA, note=" \n", now_ms=1)
    acts.add_note(store, id_, ADA, note="the disk was full", now_ms=(BASE_S + 70) * 1000)
    with store.read() as connection:
        (found,) = view.incidents(connection, book.open)
    assert [(h.kind, h.by, h.note) for h in found.happened] == [
        ("opened", "", ""), ("acknowledged", "Ada", "on it"), ("note", "Ada", "the disk was full"),
    ]  # fmt: skip


def test_one_channel_s_messages_are_one_worker_s_and_in_order(store: Store) -> None:
    book = Book(store)
    book.fails()
    book.at(40)
    book.at(50)
    now = (BASE_S + 60) * 1000
    with store.write() as connection:
        first = outbox.claim(connection, "a", now_ms=now, lease_ms=1000, most=10)
        second = outbox.claim(connection, "b", now_ms=now, lease_ms=1000, most=10)
        third = outbox.claim(connection, "c", now_ms=now, lease_ms=1000, most=10)
    assert sorted([first[0].channel, second[0].channel]) == ["pager", "team"]
    assert [d.kind for d in first] == ["opened", "resolved"]
    assert third == ()
    with store.write() as connection:  # its worker was killed: the lease lapses
        again = outbox.claim(connection, "c", now_ms=now + 1001, lease_ms=1000, most=10)
    assert [d.key for d in again] == [d.key for d in (first if first[0].channel == again[0].channel else second)]


def test_what_fails_comes_again_later_and_is_given_up_after_a_day(store: Store) -> None:
    item = Delivery(key="k", alert_id="", channel="team", kind="opened", severity="page", made_ms=0, due_ms=0)
    pauses = [backoff.next_ms(replace(item, tries=n), 0, jitter=0.5) for n in range(12)]
    assert pauses[:4] == [5000, 10_000, 20_000, 40_000]
    assert pauses[-1] == 3_600_000
    assert backoff.next_ms(item, 0, jitter=0.0) == 2500
    assert backoff.next_ms(item, 0, jitter=0.0, after_s=60) == 60_000
    assert backoff.next_ms(item, DAY_MS, jitter=0.5) is None
    with store.write() as connection:
        outbox.put(connection, [item])
        outbox.put(connection, [item])
        (row,) = outbox.newest(connection, since_ms=0)
        outbox.failed(connection, row.id, now_ms=5, code="gone", status=410, due_ms=None)
        assert [d.code for d in outbox.dead(connection)] == ["gone"]
        state = outbox.states(connection, ["team"])["team"]
        assert (state.code, state.dead, state.waiting) == ("gone", 1, 0)
    acts.send_again(store, row.id, ADA, now_ms=9)
    with pytest.raises(WrongAct):
        acts.send_again(store, row.id, ADA, now_ms=9)


def test_several_at_once_become_one_with_a_key_that_stays() -> None:
    body = {"event": "opened", "title": "e: {} is down", "what": "w.", "fix": "f.", "environment": "e", "cause": "c",
            "page": "dependency_health", "simulated": False, "at_ms": 5}  # fmt: skip
    rows = [
        Delivery(id=n, key=f"k{n}", alert_id=f"a{n}", channel="team", kind="opened", severity="notify", made_ms=0,
                 due_ms=0, body=body | {"title": f"e: d{n} is down", "also": []}) for n in range(40)
    ]  # fmt: skip
    messages = [compose.message(row, "https://g.example", None) for row in rows]
    found = compose.joined(messages, "https://g.example")
    assert found.title.startswith("40 alerts at once: e: d0 is down")
    assert len(found.also) == 31
    assert found.also[-1] == "and 10 more"
    assert found.key == compose.joined(messages, "https://g.example").key
    assert found.link == "https://g.example/alerts"


def test_every_row_of_the_table_reads_well() -> None:
    for rule in TABLE:
        title = rule.title.format(environment="production", name="Redis")
        assert "{" not in title
        assert len(title.split()) <= 22
