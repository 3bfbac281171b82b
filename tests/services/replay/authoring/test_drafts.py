"""Drafts: scrubbed at once, never counted, agreed to by enough people, published as a new version, taken back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from services.access import Forbidden, Person, local_operator
from services.replay import golden
from services.replay.authoring import drafts, publish, release, starter
from services.replay.authoring.drafts import Draft, Material, NotDrafted
from services.replay.authoring.removal import Remover
from services.replay.authoring.suggestions import Call, in_words, suggestions
from services.settings import load
from services.settings.model import Settings
from services.store import Store

ADA = Person(name="Ada", role="engineer", verified=True, key="i#ada")
BOB = Person(name="Bob", role="operator", verified=True, key="i#bob")
TODAY = date(2026, 12, 1)
SECRET = "sk-proj-" + "a1B2" * 10
IBAN, CARD, PHONE, MAIL = "DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111", "+49 170 1234567", "jo.doe@corp.io"
EXPECTED = {"criterion": "expected", "kind": "tool_required", "tool": "refund"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "set.json").write_text(starter.files("2026-12-01")[starter.SET])
    return configured(tmp_path, "golden='set.json'\n")


def configured(folder: Path, replay: str) -> Settings:
    (folder / "greenlight.toml").write_text("[replay]\n" + replay)
    return load({"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder / "data")})


def material(**more: Any) -> Material:
    made = Material(
        title=f"Refund for {MAIL}", category="refunds", input={"text": f"I am {MAIL}, {PHONE}. Refund order 1003."},
        context={"order": {"id": "1003", "amount": 12.5}, "password": "hunter2!", "account": IBAN},
        answer=f"Refunded 12.5 to {MAIL} and {CARD} with {SECRET}.",
        calls=(Call(tool="get_order", arguments={"id": "1003"}, is_ok=True),
               Call(tool="refund", arguments={"order_id": "1003", "mail": MAIL}, is_ok=True)),
        origin={"source": "A trace of production", "trace": "ab" * 16, "run": "run-1"},
    )  # fmt: skip
    return replace(made, **more)


def proposed(store: Store, settings: Settings, **more: Any) -> Draft:
    found = drafts.get(store, settings, drafts.propose(store, settings, material(**more), ADA, why="It refunded twice"))
    assert found is not None
    return found


def written(store: Store, settings: Settings, draft: Draft, person: Person = ADA) -> Draft:
    return drafts.edit(store, settings, draft.id, draft.edition, person, case={"expectations": [EXPECTED]})


def test_a_draft_holds_no_credential_and_no_personal_data_and_says_what_was_taken_out(
    store: Store, settings: Settings
) -> None:
    found = proposed(store, settings)
    with store.read() as connection:
        kept = " ".join(str(row) for row in connection.execute(text("select body from golden_drafts")))
    for planted in (SECRET, IBAN, CARD, PHONE, MAIL, "hunter2!", "1234567"):
        assert planted not in kept
        assert planted not in str(found)
    assert found.case["input"]["text"] == "I am person1@example.com, +1 555 0101. Refund order 1003."
    assert found.case["context"]["order"] == {"id": "1003", "amount": 12.5}
    assert "person1@example.com" in found.answer, "the same person has the same stand-in everywhere"
    assert {each["what"] for each in found.removed} == {"e-mail address", "telephone number", "credential", "IBAN",
                                                        "card number"}  # fmt: skip
    assert {"path": "context.password", "what": "credential", "number": 1, "stand_in": "[removed]"} in found.removed


@pytest.mark.parametrize("harmless", ["order 1234567890123456", "2026-12-01 10:00", "v1.2.3.4", "+5 points", "a@b",
                                      "DE12 3456 7890 1234 5678 90", "12345678", "someone@example.com"])  # fmt: skip
def test_what_only_looks_like_personal_data_stays(harmless: str) -> None:
    remover = Remover()
    assert remover.of(harmless, "x") == harmless
    assert not remover.removed


def test_the_answer_is_no_expectation_and_suggestions_wait_for_a_person(store: Store, settings: Settings) -> None:
    found = proposed(store, settings)
    assert found.case["expectations"] == []
    assert not found.is_ready
    assert "Nothing is written yet" in found.problems[0]
    words = [each["words"] for each in found.suggestions]
    assert "It calls refund with these arguments" in words
    assert not any("get_order" in text for text in words), "reading changes nothing"
    assert "Its answer names 12.5" in words


def test_suggestions_are_sound_expectations() -> None:
    calls = (Call(tool="crm.update", arguments={"id": 1}, is_ok=True), Call(tool="mail.send", arguments={}, is_ok=True),
             Call(tool="pay", arguments={}, is_ok=False))  # fmt: skip
    made = suggestions(calls, "Done for Acme Ltd, 120 units.", {"lead": {"name": "Acme Ltd", "units": 120, "x": 12}})
    case = json.loads(starter.files("2026-12-01")[starter.SET])["cases"][0]
    case["criteria"][0]["id"] = "expected"
    case["criteria"] = case["criteria"][:1]
    case["expectations"] = [dict(each.expectation) for each in made]
    golden.parse({"name": "x", "version": "v1", "cases": [case]}, "x")
    words = [each.words for each in made]
    assert "It calls crm.update, then mail.send" in words
    assert "Its answer names Acme Ltd" in words
    assert "Its answer names 120" in words
    assert "Its answer names 12" not in words
    assert "It does not call pay, which failed here" in words


def test_a_draft_is_published_as_a_new_version_and_taken_back(store: Store, settings: Settings, tmp_path: Path) -> None:
    before = (tmp_path / "set.json").read_bytes()
    ready = written(store, settings, proposed(store, settings))
    assert ready.is_ready
    plan = release.plan(settings, [ready], today=TODAY)
    assert [(c.what, c.id) for c in plan.difference.cases] == [("added", ready.case["id"])]
    assert (tmp_path / "set.json").read_bytes() == before
    kept = release.write(store, [ready], plan, ADA)
    assert (tmp_path / kept).read_bytes() == before
    found = golden.read(tmp_path / "set.json")
    case = found.case(ready.case["id"])
    assert found.version == "v2"
    assert case.provenance == {"source": "A trace of production", "added": case.provenance["added"], "author": "Ada",
                               "why": "It refunded twice", "trace": "ab" * 16, "run": "run-1", "agreed": ["Ada"]}  # fmt: skip
    assert drafts.listed(store, settings) == ()
    (published,) = drafts.listed(store, settings, state="published")
    assert release.take_back(store, settings, published.id, ADA) == "v1"
    assert (tmp_path / "set.json").read_bytes() == before
    assert [d.id for d in drafts.listed(store, settings)] == [published.id]


def test_what_was_changed_after_a_publishing_is_not_taken_back(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    ready = written(store, settings, proposed(store, settings))
    release.write(store, [ready], release.plan(settings, [ready], today=TODAY), ADA)
    theirs = golden.raw(tmp_path / "set.json") | {"description": "changed by hand"}
    (tmp_path / "set.json").write_text(json.dumps(theirs))
    with pytest.raises(NotDrafted, match="was changed after it"):
        release.take_back(store, settings, ready.id, ADA)
    assert golden.raw(tmp_path / "set.json") == theirs


def test_two_people_have_to_agree_where_two_are_asked_for(store: Store, tmp_path: Path, settings: Settings) -> None:
    settings = configured(tmp_path, "golden='set.json'\nreview=2\n")
    mine = written(store, settings, proposed(store, settings))
    assert (mine.missing, mine.is_ready) == (1, False)
    with pytest.raises(NotDrafted, match="1 more people"):
        release.plan(settings, [mine], today=TODAY)
    with pytest.raises(NotDrafted, match="You stand behind this draft already"):
        drafts.agree(store, settings, mine.id, mine.edition, ADA)
    both = drafts.agree(store, settings, mine.id, mine.edition, BOB)
    assert both.is_ready
    changed = drafts.edit(store, settings, both.id, both.edition, BOB, case={"title": "Another title"})
    assert [a.by for a in changed.agreed] == ["Bob"], "another wording has to be agreed to again"


def test_names_alone_are_told_apart_but_marked(store: Store, tmp_path: Path, settings: Settings) -> None:
    settings = configured(tmp_path, "golden='set.json'\nreview=2\n")
    mine = written(store, settings, proposed(store, settings), local_operator("Ada"))
    with pytest.raises(NotDrafted, match="already"):
        drafts.agree(store, settings, mine.id, mine.edition, local_operator("ADA"))
    both = drafts.agree(store, settings, mine.id, mine.edition, local_operator("Bob"))
    assert [a.who for a in both.agreed] == ["Ada (unverified)", "Bob (unverified)"]


def test_nobody_writes_over_another_s_change(store: Store, settings: Settings) -> None:
    draft = proposed(store, settings)
    mine = written(store, settings, draft)
    with pytest.raises(NotDrafted, match="Somebody else has changed"):
        written(store, settings, draft, BOB)
    plan = release.plan(settings, [mine], today=TODAY)
    drafts.edit(store, settings, mine.id, mine.edition, BOB, case={"title": "Bob's"})
    with pytest.raises(NotDrafted, match="changed since the preview"):
        release.write(store, [mine], plan, ADA)
    assert golden.read(plan.file).version == "v1", "nothing was written"


def test_what_is_typed_is_scrubbed_too_and_an_unsound_case_is_named(store: Store, settings: Settings) -> None:
    draft = proposed(store, settings)
    changed = drafts.edit(store, settings, draft.id, draft.edition, ADA, case={
        "input": {"text": f"token={SECRET}"}, "expectations": [{"criterion": "nobody", "kind": "tool_required", "tool": "x"}],
    })  # fmt: skip
    assert SECRET not in str(changed)
    assert changed.problems == ("expectations[0].criterion: names no criterion of this case: 'nobody'.",)
    with pytest.raises(NotDrafted, match="nothing to agree to yet"):
        drafts.agree(store, settings, changed.id, changed.edition, BOB)


def test_roles_and_words_are_asked_for(store: Store, settings: Settings) -> None:
    viewer = Person(name="V", role="viewer")
    with pytest.raises(Forbidden):
        drafts.propose(store, settings, material(), viewer, why="x")
    with pytest.raises(NotDrafted, match="Write why"):
        drafts.propose(store, settings, material(), ADA, why=" ")
    with pytest.raises(NotDrafted, match="256 KiB"):
        drafts.propose(store, settings, material(input={"text": "x" * 300_000}), ADA, why="x")
    ready = written(store, settings, proposed(store, settings))
    with pytest.raises(Forbidden):
        release.write(store, [ready], release.plan(settings, [ready], today=TODAY), BOB)
    drafts.drop(store, settings, ready.id, ready.edition, BOB)
    assert drafts.listed(store, settings) == ()


def test_a_set_that_can_not_be_written_keeps_its_drafts(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = written(store, settings, proposed(store, settings))
    plan = release.plan(settings, [ready], today=TODAY)

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publish.os, "fsync", full)
    with pytest.raises(publish.NotPublished, match="No space left"):
        release.write(store, [ready], plan, ADA)
    assert [d.id for d in drafts.listed(store, settings)] == [ready.id]


def test_an_id_that_the_set_has_gets_a_number(store: Store, settings: Settings) -> None:
    found: Mapping[str, Any] = proposed(store, settings, title="Refund in time").case
    assert found["id"] == "refund-in-time-2"


@pytest.mark.parametrize(("expectation", "words"), [
    ({"kind": "tool_required", "tool": "pay"}, "It calls pay"),
    ({"kind": "tool_required", "tool": "pay", "arguments": {"n": 1}, "match": "subset"}, 'It calls pay with {"n": 1}'),
    ({"kind": "tool_required", "tool": "pay", "status": "error"}, ""),
    ({"kind": "text_contains", "all_of": ["a", "b"]}, "Its answer contains a, b"),
    ({"kind": "text_contains", "any_of": ["a"]}, ""),
    ({"kind": "text_forbidden", "any_of": ["sorry"]}, "Its answer does not contain sorry"),
    ({"kind": "refusal"}, "It refuses"),
    ({"kind": "tool_order", "tools": ["a", "b"]}, "It calls these in order: a, b"),
    ({"kind": "number_range", "path": "x", "min": 1}, ""),
])  # fmt: skip
def test_an_expectation_in_words_says_all_of_it_or_nothing(expectation: dict[str, Any], words: str) -> None:
    assert in_words({"criterion": "expected", **expectation}) == words
