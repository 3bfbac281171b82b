"""Alerts, driven through Streamlit: what is open, taking one, a test and its link, what was given up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from services import clock
from services.access import Person
from services.alerts import acts, writing
from services.alerts.compose import proof_of
from services.alerts.setup import AlertSetup
from services.evidence import chain
from services.fingerprint import installation_key
from services.health import record as ledger
from services.settings import load
from services.store import Store, alerts, outbox
from tests.services.health.test_record import seen
from tests.ui.driver import configured, open_page, press, text_of
from tests.ui.test_pages import forget_cached

PLANTED = "planted-secret-4711"
CONFIG = (
    '[[alerts.channels]]\nname="team"\nurl_variable="TEAM_URL"\nquiet="22:00-07:00"\ndigest_at="08:00"\n'
    '[[environments]]\nname="e"\nrole="production"\nbase_url="http://127.0.0.1:9"\n'
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("TEAM_URL", f"https://hooks.slack.com/services/{PLANTED}")
    with configured(tmp_path, monkeypatch, CONFIG) as opened:
        yield opened


def fails(store: Store) -> alerts.Alert:
    now, memory = clock.now_ms() / 1000, ledger.Memory()
    setup = AlertSetup.from_settings(load())
    for age in (40, 30, 20, 10):
        code = "readiness.ok" if age == 40 else "readiness.refused"
        ledger.record(store, [seen(now - age, code)], memory, partial(writing.of_states, setup))
    forget_cached()
    with store.read() as connection:
        (alert,) = alerts.open_ones(connection)
    return alert


def test_while_nothing_is_open_it_says_so_and_what_is_not_proven(store: Store) -> None:
    text = text_of(open_page("alerts"))
    assert "Nothing is open." in text
    assert "Nobody has proven lately that messages are seen on team" in text
    assert "No open alert" in text
    assert "quiet 22:00–07:00, digest 08:00 (UTC)" in text
    assert "Nobody is told when Greenlight itself is gone" in text


def test_without_channels_it_says_how_to_get_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with configured(tmp_path, monkeypatch, '[[environments]]\nname="e"\nbase_url="http://127.0.0.1:9"\n'):
        text = text_of(open_page("alerts"))
    assert "nobody is told. Add [[alerts.channels]]" in text


def test_an_open_alert_is_named_and_can_be_taken(store: Store) -> None:
    alert = fails(store)
    shell = open_page("alerts")
    text = text_of(shell)
    assert "One alert is open. e is not ready" in text
    assert "Nobody has taken it yet." in text
    assert "1 open alert" in text
    assert "Waiting: team" in text
    assert PLANTED not in text
    press(shell, "Take it")
    assert [t.label for t in shell.text_input if t.label == "Your name"], "by name; the rest is tried in a browser"
    ada = Person(name="Ada", role="operator")
    acts.acknowledge(store, AlertSetup(), alert.id, ada, note="looking at the balancer", now_ms=clock.now_ms())
    forget_cached()
    shell = open_page("alerts")
    text = text_of(shell)
    assert "Ada (unverified)" in text
    assert "looking at the balancer" in text
    assert next(b for b in shell.button if b.label == "Take it").disabled


def test_the_overview_names_what_is_open(store: Store) -> None:
    fails(store)
    text = text_of(open_page("overview"))
    assert "Open alerts" in text
    assert "e is not ready" in text
    assert "nobody has taken it" in text


def test_a_test_is_asked_for_and_its_link_is_the_proof(store: Store, tmp_path: Path) -> None:
    press(open_page("alerts"), "Send a test")
    with store.read() as connection:
        (row,) = outbox.newest(connection, since_ms=0)
    assert (row.kind, row.channel) == ("test", "team")
    given = proof_of(installation_key(tmp_path), row)
    text = text_of(open_page("alerts", proof=given))
    assert "It is proven that alerts on the channel team reach local operator (unverified)." in text
    with store.read() as connection:
        found = chain.newest(connection, "e", "alerts.reach")
    assert found is not None
    assert found.outcome == "pass"
    assert "proven" in text_of(open_page("alerts"))
    assert "opened before" in text_of(open_page("alerts", proof=given))
    assert "it is not whole" in text_of(open_page("alerts", proof="<script>"))


def test_a_message_that_was_given_up_can_be_sent_again(store: Store) -> None:
    fails(store)
    with store.write() as connection:
        (row,) = outbox.newest(connection, since_ms=0)
        outbox.failed(connection, row.id, now_ms=clock.now_ms(), code="gone", status=410, due_ms=None)
    forget_cached()
    shell = open_page("alerts")
    text = text_of(shell)
    assert "Messages that were given up" in text
    assert "says that this address is gone (HTTP 410)" in text
    press(shell, "Send again")
    with store.read() as connection:
        assert outbox.newest(connection, since_ms=0)[0].state == "waiting"


def test_what_is_over_says_how_long_and_who_was_told(store: Store) -> None:
    alert = fails(store)
    with store.write() as connection:
        (row,) = outbox.newest(connection, since_ms=0)
        outbox.accepted(connection, [row.id], now_ms=alert.opened_ms + 1400, status=200)
        record = {"spent": [{"sli": "readiness_uptime", "bad": 3, "spent": 0.021}]}
        alerts.save(connection, replace(alert, state="resolved", ended_ms=alert.opened_ms + 720_000,
                                        well_ms=alert.opened_ms + 600_000, record=record))  # fmt: skip
    forget_cached()
    text = text_of(open_page("alerts"))
    assert "10 min" in text
    assert "team after 1.4 s" in text
    assert "Readiness uptime: 2.1 % of the budget" in text


def test_text_from_outside_is_text(store: Store) -> None:
    alert = fails(store)
    with store.write() as connection:
        alerts.save(connection, replace(alert, title="<img src=x onerror=1>", what="<script>x</script>", also=("<b>",)))
    forget_cached()
    for page in ("alerts", "overview"):
        text = text_of(open_page(page))
        assert "<img" not in text
        assert "<script>x" not in text
