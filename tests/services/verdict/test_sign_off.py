"""The final Go: only under the verdict GO as it is in that moment, and never by anyone who asked for it."""

import threading
from pathlib import Path

import pytest

from services import clock
from services.access import Forbidden, Person, local_operator
from services.evidence import chain, decisions
from services.evidence.decisions import Refused
from services.fingerprint import Snapshot
from services.settings.model import Settings
from services.store import Store, snapshots
from services.verdict import sign_off as signing
from tests.services.checklist.test_view import CHECKS, confirm, prove, settings

ADA, BOB = (Person(name=n, verified=True, role="operator", key=f"i#{n}") for n in ("Ada", "Bob"))


@pytest.fixture
def wanted(tmp_path: Path) -> Settings:
    return settings(tmp_path)


def make_go(store: Store, wanted: Settings, **more: object) -> None:
    for name in ("stage", "prod"):
        confirm(store, wanted, name)
        prove(store, name, *CHECKS, **(more if name == "prod" else {}))
    prove(store, "stage", "soak", value="passed")


def signed(store: Store) -> decisions.Decision | None:
    with store.read() as connection:
        return decisions.newest(connection, "prod", "sign_off")


def test_it_is_refused_with_why_under_any_other_verdict_and_nothing_is_recorded(store: Store, wanted: Settings) -> None:
    for call in (signing.ask, signing.give):
        with pytest.raises(Refused, match=r"It is now: Not enough evidence\. Not measured yet"):
            call(store, wanted, "prod", ADA, note="x")
    make_go(store, wanted)
    prove(store, "prod", "readiness.ready", outcome="fail")
    for call in (signing.ask, signing.give):
        with pytest.raises(Refused, match=r"It is now: No-Go\. "):
            call(store, wanted, "prod", local_operator("Ada"), note="x")
    assert signed(store) is None
    with store.read() as connection:
        assert decisions.history(connection, "prod", "go_request") == ()


def test_it_keeps_what_it_was_given_on(store: Store, wanted: Settings) -> None:
    make_go(store, wanted)
    with store.read() as connection:
        head = chain.head(connection)
    signing.give(store, wanted, "prod", local_operator("Ada"), note="looked at it")
    given = signed(store)
    assert given is not None
    assert (given.detail["verdict"], given.detail["head"], given.verified) == ("GO", head, False)


def test_whoever_signed_in_needs_somebody_else_s_request(store: Store, wanted: Settings) -> None:
    make_go(store, wanted)
    with pytest.raises(Refused, match="has to ask for the Go first"):
        signing.give(store, wanted, "prod", BOB, note="x")
    signing.ask(store, wanted, "prod", ADA, note="please look")
    with pytest.raises(Refused, match="a second person"):
        signing.give(store, wanted, "prod", ADA, note="x")
    signing.give(store, wanted, "prod", BOB, note="x")
    assert signed(store) is not None
    with pytest.raises(Refused, match="has to ask for the Go first"):
        signing.give(store, wanted, "prod", BOB, note="x")  # one request, one Go


def test_a_request_is_about_the_variables_of_its_moment(store: Store, wanted: Settings) -> None:
    make_go(store, wanted)
    signing.ask(store, wanted, "prod", ADA, note="please look")
    now = clock.now_ms()
    with store.write() as connection:
        snapshots.note(connection, Snapshot(environment="prod", source="f", first_ms=now, last_ms=now,
                                            fingerprint="k-2", key_id="k", marks={}))  # fmt: skip
        assert signing.waiting(connection, "prod") is None
    make_go(store, wanted, fingerprint="k-2")
    with pytest.raises(Refused, match="under the variables and version of now"):
        signing.give(store, wanted, "prod", BOB, note="x")


def test_a_viewer_is_refused_before_anything_is_computed(store: Store, wanted: Settings) -> None:
    for call in (signing.ask, signing.give):
        with pytest.raises(Forbidden):
            call(store, wanted, "prod", Person(name="Vi"), note="x")


def test_of_two_who_answer_one_request_at_once_one_gives_the_go(store: Store, wanted: Settings) -> None:
    make_go(store, wanted)
    signing.ask(store, wanted, "prod", ADA, note="please look")
    others = [Person(name=f"P{n}", verified=True, role="operator", key=f"i#{n}") for n in range(6)]
    ready = threading.Barrier(len(others))
    refused: list[str] = []

    def answer(person: Person) -> None:
        ready.wait()
        try:
            signing.give(store, wanted, "prod", person, note="x")
        except Refused as error:
            refused.append(str(error))

    threads = [threading.Thread(target=answer, args=(person,)) for person in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == len(others) - 1
    with store.read() as connection:
        assert len(decisions.history(connection, "prod", "sign_off")) == 1
