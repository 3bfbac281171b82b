"""Deploys and maintenance: what is taken, what is refused and in which words, and deploys that are seen."""

from __future__ import annotations

import pytest

from services.access import Person
from services.health import record as ledger
from services.signature import sign, signed
from services.slo import changes
from services.slo.changes import WrongChange
from services.store import Store, deploys
from services.store.deploys import Deploy
from tests.services.health.test_record import seen

NOW = 1_771_632_000_000
HOUR, DAY = 3_600_000, 86_400_000


def declare(store: Store, low: int, high: int, reason: str = "move") -> int:
    return changes.declare(
        store,
        "production",
        from_ms=low,
        until_ms=high,
        reason=reason,
        by=Person(name="Ada", role="operator", verified=True),
        now_ms=NOW,
    )


@pytest.mark.parametrize(
    ("low", "high", "reason", "words"),
    [(NOW, NOW, "x", "ends before it begins"), (NOW, NOW - HOUR, "x", "ends before it begins"),
     (NOW, NOW + 8 * DAY, "x", "seven days at most"), (NOW + 91 * DAY, NOW + 91 * DAY + HOUR, "x", "90 days ahead"),
     (NOW, NOW + HOUR, "  ", "Say what the maintenance is for")],
)  # fmt: skip
def test_wrong_maintenance_is_refused_in_words(store: Store, low: int, high: int, reason: str, words: str) -> None:
    with pytest.raises(WrongChange, match=words):
        declare(store, low, high, reason)
    with store.read() as connection:
        assert deploys.declared(connection, "production", 0, NOW + 99 * DAY) == ()


def test_maintenance_is_kept_in_whole_minutes_with_who_declared_it(store: Store) -> None:
    number = declare(store, NOW + 5_000, NOW + HOUR + 1)
    with store.read() as connection:
        (found,) = deploys.declared(connection, "production", NOW, NOW + DAY)
    assert (found.id, found.from_ms, found.until_ms) == (number, NOW, NOW + HOUR + 60_000)
    assert (found.declared_by, found.reason, found.withdrawn_ms) == ("Ada", "move", None)


def test_withdrawing_twice_is_told(store: Store) -> None:
    number = declare(store, NOW, NOW + HOUR)
    changes.withdraw(store, number, by=Person(name="Bo", role="operator", verified=True), now_ms=NOW)
    with pytest.raises(WrongChange, match="withdrawn already"):
        changes.withdraw(store, number, by=Person(name="Bo", role="operator", verified=True), now_ms=NOW)


def test_a_signature_is_for_this_body_this_key_and_this_time() -> None:
    header = sign("key", b"body", 1000)
    assert signed("key", b"body", header, 1299)
    assert not signed("key", b"body", header, 1301)
    assert not signed("key", b"body", header, 699)
    assert not signed("key", b"Body", header, 1000)
    assert not signed("Key", b"body", header, 1000)
    assert not signed("key", b"body", None, 1000)
    assert not signed("key", b"body", header + "\n", 1000)


def test_a_changed_version_is_a_deploy_that_was_seen(store: Store) -> None:
    memory = ledger.Memory()
    for second, version in ((0, None), (30, "1.0"), (60, "1.0"), (90, None), (120, "1.1"), (150, "1.1")):
        ledger.record(store, [seen(NOW / 1000 + second, version=version, environment="production")], memory)
        memory.forget("production")  # another worker, or a restart

    with store.read() as connection:
        found = deploys.since(connection, "production", 0, NOW + DAY)
        assert deploys.newest(connection, "nowhere") is None
    assert [(d.version, d.source) for d in found] == [("1.1", "seen")]


def test_the_same_deploy_is_kept_once(store: Store) -> None:
    deploy = Deploy(environment="production", at_ms=NOW, version="2", source="told")
    assert changes.tell(store, deploy, once="one", now_ms=NOW)
    assert not changes.tell(store, deploy, once="two", now_ms=NOW)


def test_a_signed_request_that_is_sent_again_is_the_same_deploy(store: Store) -> None:
    """Without a moment of its own it would be another deploy each time, for as long as its signature is valid."""
    first = Deploy(environment="production", at_ms=NOW, version="1.1", source="told")
    later = Deploy(environment="production", at_ms=NOW + 60_000, version="1.1", source="told")
    assert changes.tell(store, first, once="t=1,v1=ab", now_ms=NOW)
    assert not changes.tell(store, later, once="t=1,v1=ab", now_ms=NOW + 60_000)
    with store.read() as connection:
        assert [deploy.at_ms for deploy in deploys.since(connection, "production", 0, NOW + DAY)] == [NOW]


def test_a_deploy_that_was_told_is_not_seen_once_more(store: Store) -> None:
    memory = ledger.Memory()
    ledger.record(store, [seen(NOW / 1000, version="1.0", environment="production")], memory)
    changes.tell(
        store,
        Deploy(environment="production", at_ms=NOW + 20_000, version="1.1", source="told"),
        once="one",
        now_ms=NOW,
    )
    ledger.record(store, [seen(NOW / 1000 + 30, version="1.1", environment="production")], memory)
    with store.read() as connection:
        found = deploys.since(connection, "production", 0, NOW + DAY)
    assert [(d.version, d.source) for d in found] == [("1.1", "told")]


@pytest.mark.parametrize(("version", "after_ms", "found"), [
    ("1.1", 14 * 60_000, [("1.1", "told")]), ("1.1", -14 * 60_000, [("1.1", "told")]),
    ("ab12cd3", 5 * 3_600_000, [("ab12cd3", "told")]), ("ab12cd3456", 0, [("ab12cd3456", "told")]),
    ("ab12", 5 * 3_600_000, [("ab12cd3456", "platform"), ("ab12", "told")]),
    ("1.1", 16 * 60_000, [("ab12cd3456", "platform"), ("1.1", "told")]),
])  # fmt: skip
def test_what_the_platform_told_before_the_pipeline_did_is_one_deploy(
    store: Store, version: str, after_ms: int, found: list[tuple[str, str]]
) -> None:
    detail = {"platform": {"id": "d1"}}
    with store.write() as connection:
        deploys.note(
            connection, Deploy(environment="p", at_ms=NOW, version="ab12cd3456", source=deploys.PLATFORM, detail=detail)
        )
    told = Deploy(environment="p", at_ms=NOW + after_ms, version=version, source="told", note="by CI")
    assert changes.tell(store, told, once="one", now_ms=NOW)
    with store.read() as connection:
        kept = deploys.since(connection, "p", NOW - DAY, NOW + DAY)
    assert [(d.version, d.source) for d in kept] == found
    if len(kept) == 1:
        assert (kept[0].at_ms, kept[0].note, dict(kept[0].detail)) == (NOW, "by CI", detail)
