"""Decisions: by name, with a note, for ever."""

from pathlib import Path

import pytest

from services.access import Forbidden, Person
from services.evidence import chain, decisions
from services.evidence.decisions import Refused
from services.settings import load
from services.settings.model import Environment
from services.store import Store

ADA, BOB = (Person(name=n, verified=True, role="engineer", key=f"i#{n}") for n in ("Ada", "Bob"))


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path).environment("local")


def newest(store: Store, kind: str) -> decisions.Decision | None:
    with store.read() as connection:
        return decisions.newest(connection, "local", kind)


@pytest.mark.parametrize(("name", "note"), [("", "x"), ("  ", "x"), ("Ada", ""), ("Ada", " \n")])
def test_without_a_name_or_a_note_nothing_is_decided(
    store: Store, environment: Environment, name: str, note: str
) -> None:
    with pytest.raises(Refused):
        decisions.decide(store, environment, "policy", Person(name=name, role="operator"), note=note)
    assert newest(store, "policy") is None


def test_what_was_said_stays_and_saying_otherwise_is_a_further_record(store: Store, environment: Environment) -> None:
    decisions.decide(store, environment, "policy", ADA, note="yes")
    said = newest(store, "policy")
    assert said is not None
    assert (said.by, said.verified, said.note) == ("Ada", True, "yes")
    decisions.decide(store, environment, "policy", BOB, note="no, wait", holds=False)
    assert newest(store, "policy") is None
    with store.read() as connection:
        assert [d.by for d in decisions.history(connection, "local", "policy")] == ["Bob", "Ada"]
        assert chain.verify(connection) is None


def test_a_waiver_has_a_name_a_reason_and_an_end(store: Store, environment: Environment) -> None:
    for days in (0, 31):
        with pytest.raises(Refused):
            decisions.waive_canaries(store, environment, ADA, note="no canary", days=days)
    decisions.waive_canaries(store, environment, ADA, note="no canary", days=2)
    said = newest(store, "waive_canaries")
    assert said is not None
    with store.read() as connection:
        assert decisions.waived_canaries(connection, "local", said.at_ms) == "Ada: no canary"
        assert decisions.waived_canaries(connection, "local", said.at_ms + 3 * decisions.DAY_MS) == ""


def test_whoever_may_only_look_decides_nothing(store: Store, environment: Environment) -> None:
    with pytest.raises(Forbidden, match="Your role is viewer; this needs operator"):
        decisions.decide(store, environment, "policy", Person(name="Vi"), note="x")
    with pytest.raises(Forbidden, match="needs engineer"):
        decisions.waive_canaries(store, environment, Person(name="Op", role="operator"), note="x", days=1)
    assert newest(store, "policy") is None


def test_the_second_of_two_tabs_is_told_who_confirmed_it(store: Store, environment: Environment) -> None:
    decisions.decide(store, environment, "policy", ADA, note="yes")
    with pytest.raises(decisions.Refused, match=r"^Ada .*confirmed this already, .* UTC\. To confirm it again"):
        decisions.decide(store, environment, "policy", BOB, note="yes, too")
    with store.read() as connection:
        assert len(decisions.history(connection, environment.name, "policy")) == 1
    with pytest.raises(Forbidden):
        decisions.decide(store, environment, "policy", Person(name="Vi"), note="a viewer learns of no decision")
    decisions.decide(store, environment, "policy", BOB, note="no, wait", holds=False)
    decisions.decide(store, environment, "policy", BOB, note="yes, after all")
