"""The golden set is sound, and what is unsound is refused with file and path."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from services.errors import SettingsError
from services.replay import golden

CATEGORIES = {
    "lead_qualification", "ghosted_deal_recovery", "meeting_preparation", "reply_drafting", "routing_and_handover",
    "approval_before_sending", "rate_and_budget_limits", "unsubscribe_and_privacy", "prompt_injection",
    "tool_failure_and_retry", "ambiguous_input", "another_language",
}  # fmt: skip


def test_the_shipped_set_has_fifty_cases_of_every_kind_and_twelve_canaries() -> None:
    found = golden.read(golden.DEFAULT)
    assert len(found.cases) == 50
    assert {case.category for case in found.cases} == CATEGORIES
    assert sum("canary" in case.tags for case in found.cases) == 12
    assert sum(any(c.critical for c in case.criteria) for case in found.cases) >= 15


@pytest.fixture
def raw() -> Any:
    return copy.deepcopy(golden.raw(golden.DEFAULT))


def problem(raw: Any) -> str:
    with pytest.raises(SettingsError) as refused:
        golden.parse(raw, "set.json")
    return str(refused.value)


def test_what_is_unsound_is_refused_with_its_path(raw: Any) -> None:
    def changed(change: Any) -> str:
        work = copy.deepcopy(raw)
        change(work)
        return problem(work)

    assert "$.cases[3].id: the id" in changed(lambda r: r["cases"][3].update(id=r["cases"][0]["id"]))
    assert "set.json: $.cases" in changed(lambda r: r.update(cases=[]))
    assert "$.cases[0].criteria[0].anchors: lacks the anchor for 5" in changed(
        lambda r: r["cases"][0]["criteria"][0]["anchors"].pop("5")
    )
    assert "$.cases[1]: Additional properties" in changed(lambda r: r["cases"][1].update(colour="red"))
    assert "$.cases[2].expectations[0].criterion: names no criterion" in changed(
        lambda r: r["cases"][2]["expectations"][0].update(criterion="nope")
    )
    assert "$.cases[2].expectations[0].kind" in changed(lambda r: r["cases"][2]["expectations"][0].update(kind="nope"))
    assert "is not a regular expression" in changed(
        lambda r: r["cases"][0]["expectations"].append({"criterion": "decision", "kind": "text_contains", "regex": "("})
    )
    assert "same input and context" in changed(
        lambda r: r["cases"][5].update(input=r["cases"][6]["input"], context=r["cases"][6]["context"])
    )
    assert "criteria" in changed(lambda r: r["cases"][0].update(criteria=[]))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": "x", "version": "1", "cases": []}', "[" * 50_000])
def test_a_file_that_is_no_golden_set(tmp_path: Path, text: str) -> None:
    path = tmp_path / "g.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"g\.json"):
        golden.read(path)


def test_the_hash_is_of_the_content_not_of_the_layout(raw: Any) -> None:
    again = json.loads(json.dumps(raw, indent=7))
    assert golden.parse(again, "again").sha256 == golden.read(golden.DEFAULT).sha256
    again["cases"][0]["title"] += "!"
    assert golden.parse(again, "again").sha256 != golden.read(golden.DEFAULT).sha256
