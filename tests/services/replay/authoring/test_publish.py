"""A new version of a set: planned, shown, written whole, the old one kept; and what a difference says."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.errors import SettingsError
from services.replay import golden
from services.replay.authoring import difference, publish, starter

TODAY = date(2026, 12, 1)


def first() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(starter.files("2026-12-01")[starter.SET])
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "set.json"
    made.write_text(publish.text(first()))
    return made


def another(id_: str = "another") -> dict[str, Any]:
    case = deepcopy(first()["cases"][0])
    return case | {"id": id_, "input": {"text": "something else"}}


@pytest.mark.parametrize(("version", "following"), [
    ("v1", "v2"), ("1.2.9", "1.2.10"), ("2026-11-21", "2026-12-01"), ("2026-12-01", "2026-12-01.2"),
    ("2026-12-01.2", "2026-12-01.3"), ("draft", "draft.2"), ("v3-beta", "v4-beta"),
])  # fmt: skip
def test_the_next_version(version: str, following: str) -> None:
    assert publish.following(version, TODAY) == following


def test_a_case_is_added_as_the_next_version_and_the_old_one_is_kept(file: Path) -> None:
    before = file.read_bytes()
    plan = publish.plan(file, [another()], today=TODAY)
    assert file.read_bytes() == before, "a plan writes nothing"
    assert list(difference.lines(plan.difference)) == [
        'version: "v1" → "v2"',
        "+ another: A refund within 30 days is made",
    ]
    kept = publish.write(plan)
    assert kept is not None
    assert kept.read_bytes() == before
    assert [c.id for c in golden.read(file).cases] == ["refund-in-time", "refund-too-late", "another"]
    assert golden.read(file).version == "v2"


def test_a_case_of_the_same_id_is_not_written_over_unasked(file: Path) -> None:
    changed = another("refund-in-time")
    with pytest.raises(publish.NotPublished, match=r"nothing was written.*\n~ refund-in-time") as refused:
        publish.plan(file, [changed], today=TODAY)
    assert 'input.text: "Please refund' in str(refused.value)
    plan = publish.plan(file, [changed], today=TODAY, replacing=True)
    publish.write(plan)
    assert golden.read(file).case("refund-in-time").input == {"text": "something else"}


def test_a_file_that_changed_since_the_preview_is_left_alone(file: Path) -> None:
    plan = publish.plan(file, [another()], today=TODAY)
    theirs = first() | {"version": "v1-theirs"}
    file.write_text(publish.text(theirs))
    with pytest.raises(publish.NotPublished, match="has changed since the preview"):
        publish.write(plan)
    assert json.loads(file.read_text()) == theirs


def test_an_unsound_case_is_refused_with_its_place(file: Path) -> None:
    case = another()
    case["expectations"] = [{"criterion": "decision", "kind": "text_contains", "all_of": [" "]}]
    with pytest.raises(SettingsError, match=r"cases\[2\]"):
        publish.plan(file, [case], today=TODAY)


def test_a_folder_that_can_not_be_written_loses_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = publish.plan(file, [another()], today=TODAY)
    before = file.read_bytes()

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publish.os, "fsync", full)
    with pytest.raises(publish.NotPublished, match="No space left"):
        publish.write(plan)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_what_asks_for_less_is_named() -> None:
    new = first()
    new["cases"][0]["expectations"].pop()
    new["cases"][1]["criteria"][0].pop("critical")
    new["cases"][1]["criteria"][1]["pass_at"] = 3
    new["cases"][1]["title"] = "Another title"
    found = difference.between(first(), new)
    assert [case.is_weaker for case in found.cases] == [True, True]
    weaker = [change.path for case in found.cases for change in case.changes if change.is_weaker]
    assert weaker == ["expectations[1]", "criteria[0].critical", "criteria[1].pass_at"]
    gone = first()
    gone["cases"].pop()
    assert [(c.what, c.is_weaker) for c in difference.between(first(), gone).cases] == [("removed", True)]
    more = first()
    more["cases"].append(another())
    assert not any(c.is_weaker for c in difference.between(first(), more).cases)


def test_the_same_set_differs_in_nothing_whatever_its_order() -> None:
    assert difference.between(first(), first()).is_empty
    turned = first()
    turned["cases"].reverse()
    assert difference.between(first(), turned).is_empty
