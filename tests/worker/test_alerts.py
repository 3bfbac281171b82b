"""The worker's parts that tell people, with real receivers: sends, retries, joins, and pings while all is at work."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from services import clock
from services.access import Person
from services.alerts import proof
from services.alerts.proof import NoProof
from services.alerts.setup import AlertSetup
from services.evidence import chain
from services.settings import load
from services.settings.model import Settings
from services.store import Store, alerts, outbox
from services.store.migrate import migrate
from services.store.outbox import Delivery
from services.verdict.model import Subject
from services.verdict.rules import RULES
from tests.patience import until
from tests.receivers import Answer, Receiver
from worker.alerts import Judge
from worker.sending import Sender
from worker.sign_of_life import DeadMan

NUMBERS = itertools.count()
ADA = Person(name="Ada", role="operator", verified=True, key="k")
CONFIG = """
[policy]
alerts = true
[alerts]
portal_url = "https://greenlight.example.org/portal/"
dead_man_url_variable = "DEAD_MAN"
[[alerts.channels]]
name = "team"
url_variable = "TEAM"
[[alerts.channels]]
name = "pager"
url_variable = "PAGER"
severities = ["page"]
[[environments]]
name = "e"
role = "production"
base_url = "http://127.0.0.1:9"
"""


@pytest.fixture
def slack() -> Iterator[Receiver]:
    made = Receiver("slack")
    yield made
    made.close()


@pytest.fixture
def pager() -> Iterator[Receiver]:
    made = Receiver("pagerduty")
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path, slack: Receiver, pager: Receiver) -> Settings:
    (tmp_path / "greenlight.toml").write_text(CONFIG)
    return load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path / "data"),
                 "TEAM": slack.url, "PAGER": pager.url, "DEAD_MAN": f"http://127.0.0.1:{slack.port}/ping"})  # fmt: skip


@pytest.fixture
def kept(settings: Settings) -> Iterator[Store]:
    opened = Store.open(settings.database_url.get_secret_value())
    migrate(opened)
    yield opened
    opened.close()


def put(store: Store, *, channel: str = "team", alert: str = "", kind: str = "opened", severity: str = "page",
        due_ms: int = 0) -> Delivery:  # fmt: skip
    now = clock.now_ms()
    number = next(NUMBERS)
    body = {"event": kind, "title": f"e: thing {number} is down", "what": "It refuses connections.", "fix": "Start it.",
            "also": [], "environment": "e", "cause": "c", "page": "dependency_health", "simulated": False, "at_ms": now}  # fmt: skip
    made = Delivery(key=f"key-{number}", alert_id=alert or f"a{number}", channel=channel, kind=kind, severity=severity,
                    made_ms=now, due_ms=due_ms or now, body=body)  # fmt: skip
    with store.write() as connection:
        outbox.put(connection, [made])
    return made


def row(store: Store, key: str) -> Delivery:
    with store.read() as connection:
        found = outbox.of_key(connection, key)
    assert found is not None
    return found


async def sending(store: Store, settings: Settings, done: object) -> None:
    sender = Sender(store, settings, owner="w")
    task = asyncio.create_task(sender.run())
    try:
        await until(done)  # type: ignore[arg-type]
        await until(lambda: not sender.busy)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def send_until(store: Store, settings: Settings, done: object) -> None:
    asyncio.run(sending(store, settings, done))


def test_what_waits_is_sent_and_marked(kept: Store, settings: Settings, slack: Receiver, pager: Receiver) -> None:
    first, second = put(kept), put(kept, channel="pager")
    send_until(kept, settings, lambda: slack.taken and pager.taken and row(kept, second.key).state == "sent")
    assert row(kept, first.key).state == "sent"
    text = slack.taken[0].raw.decode()
    assert "https://greenlight.example.org/portal/dependency_health?env=e" in text


def test_several_at_once_go_as_one_but_to_programs_one_by_one(
    kept: Store, settings: Settings, slack: Receiver, pager: Receiver
) -> None:
    rows = [put(kept) for _ in range(300)] + [put(kept, channel="pager") for _ in range(6)]
    send_until(kept, settings, lambda: all(row(kept, item.key).state == "sent" for item in rows))
    assert len(slack.taken) <= 7
    assert len(pager.taken) == 6


def test_a_channel_that_is_back_gets_what_waited_in_its_order(kept: Store, settings: Settings, slack: Receiver) -> None:
    slack.instead = Answer(500)
    item = put(kept, alert="a")
    send_until(kept, settings, lambda: row(kept, item.key).code == "fault")
    later = put(kept, alert="a", kind="resolved")
    found = row(kept, item.key)
    assert (found.state, found.tries) == ("waiting", 1)
    assert found.due_ms > clock.now_ms() - 1000
    slack.instead = None
    with kept.read() as connection:
        assert not outbox.any_due(connection, clock.now_ms()), "the end does not overtake the beginning"
    with kept.write() as connection:
        outbox.failed(connection, found.id, now_ms=clock.now_ms(), code="fault", status=500, due_ms=1)
    send_until(kept, settings, lambda: row(kept, later.key).state == "sent")
    titles = [taken.body["text"] for taken in slack.taken]
    assert titles == [item.body["title"], later.body["title"]]


def test_a_pause_that_the_service_asks_for_is_kept_for_all_of_its_channel(
    kept: Store, settings: Settings, slack: Receiver
) -> None:
    slack.instead = Answer(429, headers={"Retry-After": "3600"})
    first, second = put(kept), put(kept)
    send_until(kept, settings, lambda: row(kept, first.key).code == "limited")
    soonest = clock.now_ms() + 3_500_000
    assert row(kept, first.key).due_ms > soonest
    assert row(kept, second.key).due_ms > soonest
    assert slack.asked == 1


def test_a_channel_that_is_gone_is_a_dead_letter_and_an_alert_through_the_others(
    kept: Store, settings: Settings, slack: Receiver, pager: Receiver
) -> None:
    slack.instead = Answer(410)
    item = put(kept)
    send_until(kept, settings, lambda: row(kept, item.key).state == "dead")
    judge = Judge(kept, settings, AlertSetup.from_settings(settings), owner="w", holds=lambda _name: True)
    judge._own()
    with kept.read() as connection:
        (alert,) = alerts.open_ones(connection)
        told = {d.channel for d in outbox.of_alerts(connection, (alert.id,))}
    assert (alert.cause, alert.environment) == ("channel:team", "")
    assert "is gone (HTTP 410)" in alert.what
    assert told <= {"pager"}, "not through the channel itself"
    slack.instead = None
    with kept.write() as connection:
        outbox.send_again(connection, row(kept, item.key).id, now_ms=clock.now_ms())
    send_until(kept, settings, lambda: row(kept, item.key).state == "sent")
    judge._own()
    with kept.read() as connection:
        assert alerts.open_ones(connection)[0].well_ms is not None


def test_a_channel_that_the_settings_no_longer_list_is_given_up(kept: Store, settings: Settings) -> None:
    item = put(kept, channel="old")
    send_until(kept, settings, lambda: row(kept, item.key).state == "dead")
    assert row(kept, item.key).code == "not_configured"


def link_of(slack: Receiver) -> str:
    (button,) = [e for b in slack.taken[-1].body["blocks"] if b["type"] == "actions" for e in b["elements"]]
    return str(button["url"]).partition("proof=")[2]


def test_opening_the_link_of_a_test_is_evidence_once(kept: Store, settings: Settings, slack: Receiver) -> None:
    asked = proof.ask(kept, settings, "team", by=ADA, now_ms=clock.now_ms())
    send_until(kept, settings, lambda: row(kept, asked.key).state == "sent")
    given = link_of(slack)
    for wrong in (given[:-1] + ("0" if given[-1] != "0" else "1"), "1", "x.y", "", f"{10**16}.x"):
        with pytest.raises(NoProof):
            proof.opened(kept, settings, wrong, by=ADA, now_ms=clock.now_ms())
    proof.opened(kept, settings, given, by=ADA, now_ms=clock.now_ms())
    with pytest.raises(NoProof, match="opened before"):
        proof.opened(kept, settings, given, by=ADA, now_ms=clock.now_ms())
    with kept.read() as connection:
        found = chain.newest(connection, "e", "alerts.reach")
    assert found is not None
    assert (found.outcome, found.detail["by"], found.value) == ("pass", "Ada", "team")


def test_the_rule_asks_for_the_proof_and_the_proof_grows_old(kept: Store, settings: Settings, slack: Receiver) -> None:
    from services.verdict import view as verdicts

    def outcome(now_ms: int) -> str:
        found = verdicts.verdict(kept, settings, "e", now_ms)
        return next(r.outcome for r in found.results if r.rule == "alerts")

    now = clock.now_ms()
    assert outcome(now) == "unknown"
    asked = proof.ask(kept, settings, "team", by=ADA, now_ms=now)
    send_until(kept, settings, lambda: row(kept, asked.key).state == "sent")
    proof.opened(kept, settings, link_of(slack), by=ADA, now_ms=now)
    assert outcome(now) == "pass"
    assert outcome(now + 29 * clock.DAY_MS) == "pass"
    assert outcome(now + 31 * clock.DAY_MS) == "unknown"
    rule = next(rule for rule in RULES if rule.id == "alerts")
    assert not rule.applies(Subject(name="e"))


def test_a_sign_of_life_is_sent_only_while_all_is_at_work(kept: Store, settings: Settings, slack: Receiver) -> None:
    trouble, probed = "", itertools.count()
    sender = Sender(kept, settings, owner="w")
    made = DeadMan(
        kept, settings, sender=sender, trouble=lambda: trouble, probed=lambda: next(probed), holds=lambda _n: True
    )

    async def asked() -> str:
        sender.polled_at = asyncio.get_running_loop().time()
        return await made._why_not()

    assert asyncio.run(asked()) == ""
    asyncio.run(made._ping(f"http://127.0.0.1:{slack.port}/ping"))
    assert slack.asked == 1
    assert made.age_s() is not None
    trouble = "The disk is full."
    assert asyncio.run(asked()) == trouble
    trouble = ""
    put(kept, due_ms=clock.now_ms() - 400_000)
    assert "outbox" in asyncio.run(asked())
    still = DeadMan(kept, settings, sender=sender, trouble=lambda: "", probed=lambda: 7, holds=lambda _n: True)
    asyncio.run(still._why_not())

    async def again() -> str:
        sender.polled_at = asyncio.get_running_loop().time()
        return await still._why_not()

    asyncio.run(again())
    assert "collector" in asyncio.run(again())
    assert slack.asked == 1


def test_a_stored_message_that_this_version_can_not_read_holds_up_nobody(
    kept: Store, settings: Settings, slack: Receiver
) -> None:
    now = clock.now_ms()
    older = Delivery(key="older", alert_id="a", channel="team", kind="opened", severity="page", made_ms=now, due_ms=now,
                     body={"event": "opened", "title": "e: down"})  # fmt: skip
    with kept.write() as connection:
        outbox.put(connection, [older])
    item = put(kept)
    send_until(kept, settings, lambda: row(kept, item.key).state == "sent")
    assert (row(kept, "older").state, row(kept, "older").code) == ("dead", "unreadable")
    assert len(slack.taken) == 1


def test_store_trouble_that_lasts_is_sent_from_memory_once_and_so_is_its_end(
    kept: Store, settings: Settings, slack: Receiver, pager: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.sending.TROUBLE_LASTS_S", 0.2)
    trouble = ["The disk is full."]
    sender = Sender(kept, settings, owner="w", store_trouble=lambda: trouble[0])

    async def lived() -> None:
        await sender._tell_directly()
        assert slack.taken == [], "a moment's trouble is nobody's matter"
        await asyncio.sleep(0.3)
        await sender._tell_directly()
        await sender._tell_directly()
        trouble[0] = ""
        await sender._tell_directly()
        await sender._tell_directly()

    asyncio.run(lived())
    said = [taken.raw.decode() for taken in slack.taken]
    assert len(said) == 2
    assert "The disk is full." in said[0]
    assert "Resolved: Greenlight can store again" in said[1]
    assert len(pager.taken) == 2


def test_a_digest_that_no_worker_was_there_for_is_made_up_for(
    kept: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = AlertSetup.from_settings(settings)
    team = next(c for c in setup.channels if c.name == "team")
    setup = replace(setup, channels=(replace(team, digest_at=time(8, 0)),))
    eight = clock.to_ms(datetime(2027, 3, 1, 8, tzinfo=UTC))

    def digests_at(started_ms: int, now_ms: int) -> int:
        monkeypatch.setattr(clock, "now_ms", lambda: started_ms)
        judge = Judge(kept, settings, setup, owner="w", holds=lambda _name: True)
        monkeypatch.setattr(clock, "now_ms", lambda: now_ms)
        return judge._digests()

    assert digests_at(eight + 60_000, eight + 120_000) == 0, "set up after its hour"
    assert digests_at(eight, eight + clock.DAY_MS + 1000) == 1
    assert digests_at(eight, eight + clock.DAY_MS + 2000) == 0, "once"
    missed = eight + 2 * clock.DAY_MS
    assert digests_at(missed + 600_000, missed + 660_000) == 1
