"""Draft cases, driven through Streamlit: written by hand, what must hold chosen by a person, published, taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services.access import local_operator
from services.replay import golden
from services.replay.authoring import drafts, release, starter
from services.settings import load
from services.store import Store
from tests.services.replay.authoring.test_drafts import TODAY, material
from tests.ui.driver import configured, open_page, press, text_of

ADA = local_operator("Ada")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    (tmp_path / "set.json").write_text(starter.files("2026-12-01")[starter.SET])
    with configured(tmp_path, monkeypatch, "[replay]\ngolden='set.json'\n") as opened:
        yield opened


def page(**query: str) -> AppTest:
    return open_page("replay_harness", **query)


def fill(shell: AppTest, label: str, value: str) -> None:
    next(w for w in (*shell.text_input, *shell.text_area) if w.label == label).set_value(value)


def test_without_a_draft_the_page_says_where_one_comes_from(store: Store) -> None:
    text = text_of(page(view="drafts"))
    assert "No draft case waits." in text
    assert "Draft a case from a trace, or write one below" in text


def test_a_draft_is_written_by_hand_and_opened(store: Store) -> None:
    shell = page(view="drafts")
    for label, value in (("Title", "A refund is made once"), ("What the agent is asked", "Refund order 7, jo@corp.io"),
                         ("What it knows, as JSON", '{"order": {"id": "7"}}'), ("Why this should be a case", "Twice"),
                         ("Your name", "Ada")):  # fmt: skip
        fill(shell, label, value)
    text = text_of(press(shell, "Make the draft"))
    assert "A refund is made once: not written yet." in text
    assert "1 × e-mail address" in text
    assert "jo@corp.io" not in text
    (draft,) = drafts.listed(store, load())
    assert draft.case["context"] == {"order": {"id": "7"}}


def test_what_is_wrong_in_the_form_is_said(store: Store) -> None:
    shell = page(view="drafts")
    for label, value in (("Title", "x"), ("What the agent is asked", "y"), ("What it knows, as JSON", "[")):
        fill(shell, label, value)
    assert "What it knows is no JSON object" in text_of(press(shell, "Make the draft"))
    assert drafts.listed(store, load()) == ()


def test_suggestions_are_chosen_and_the_case_is_ready(store: Store) -> None:
    id_ = drafts.propose(store, load(), material(), ADA, why="It refunded twice")
    shell = page(draft=id_)
    text = text_of(shell)
    assert "not written yet" in text
    assert "ab" * 16 in text, "its trace is named"
    boxes = [box for box in shell.checkbox if "refund" in box.label and "at most" in box.label]
    assert [box.value for box in boxes] == [False], "nothing is chosen before a person chooses it"
    boxes[0].check()
    next(s for s in shell.selectbox if s.label == "Or in your words").set_value("lacks")
    fill(shell, "Text or tool", "sorry")
    fill(shell, "Your name", "Ada")
    assert ": ready." in text_of(press(shell, "Save"))
    (draft,) = drafts.listed(store, load())
    assert [e["kind"] for e in draft.case["expectations"]] == ["tool_at_most", "text_forbidden"]
    text = text_of(page(view="drafts"))
    assert "1 draft: 1 ready to be published." in text
    assert "becomes version v2" in text


def test_a_publishing_is_taken_back(store: Store, tmp_path: Path) -> None:
    settings = load()
    id_ = drafts.propose(store, settings, material(), ADA, why="x")
    expectation = {"criterion": "expected", "kind": "tool_at_most", "tool": "refund", "n": 1}
    ready = drafts.edit(store, settings, id_, 1, ADA, case={"expectations": [expectation]})
    release.write(store, [ready], release.plan(settings, [ready], today=TODAY), ADA)
    shell = page(view="drafts")
    assert "Published last" in text_of(shell)
    assert "The golden set is version v1 again." in text_of(press(shell, "Take it back"))
    assert golden.read(tmp_path / "set.json").version == "v1"


def test_a_draft_that_is_not_there_says_so(store: Store) -> None:
    assert "There is no such draft." in text_of(page(draft="nothing"))
