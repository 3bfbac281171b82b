"""An expectation that can't fail, has a field of another kind or a wrong pattern is refused where the set is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import SettingsError
from services.replay import golden, rubric
from services.replay.model import Answer, ToolCall
from services.replay.patterns import PatternStopped
from tests.fuzzing import fuzz
from tests.services.replay.test_runs import make_set

CONTEXT = {"lead": {"email": "ada@example.org", "phones": ["+49 30 1234567"], "empty": "", "none": None}}


def a_set(folder: Path, expectations: list[dict[str, Any]], **criterion: Any) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(make_set(folder, 1).read_text())
    case = raw["cases"][0]
    case["context"] = CONTEXT
    case["expectations"] = [{"criterion": "done"} | e for e in expectations]
    case["criteria"][0] |= criterion
    return raw


@pytest.mark.parametrize(
    ("expectation", "where", "words"),
    [
        ({"kind": "no_personal_data", "paths": ["lead.emial"]}, "paths[0]", "names nothing"),
        ({"kind": "no_personal_data", "paths": ["lead.empty"]}, "paths[0]", "names nothing"),
        ({"kind": "no_personal_data", "paths": ["lead.none"]}, "paths[0]", "names nothing"),
        ({"kind": "no_personal_data", "paths": ["lead"]}, "paths[0]", "no text or number"),
        ({"kind": "number_range", "path": "a"}, "expectations[0]", "neither min nor max"),
        ({"kind": "number_range", "path": "a", "min": 3, "max": 1}, "min", "no answer can pass"),
        ({"kind": "length"}, "expectations[0]", "can't fail"),
        ({"kind": "length", "min_words": 0}, "expectations[0]", "can't fail"),
        ({"kind": "length", "min_words": 9, "max_words": 1}, "min_words", "no answer can pass"),
        ({"kind": "text_contains", "regex": "("}, "regex", "no" ),
        ({"kind": "text_contains", "regex": ".*"}, "regex", "can't fail"),
        ({"kind": "text_contains", "regex": "x?"}, "regex", "can't fail"),
        ({"kind": "text_contains", "all_of": [" "]}, "all_of[0]", "can't fail"),
        ({"kind": "text_forbidden", "regex": "x*"}, "regex", "no answer can pass"),
        ({"kind": "text_forbidden", "all_of": ["x"], "any_of": ["y"]}, "all_of", "no field of text_forbidden"),
        ({"kind": "text_contains", "any_of": ["y"], "min": 3}, "min", "no field of text_contains"),
        ({"kind": "refusal", "tool": "x"}, "tool", "no field of refusal"),
        ({"kind": "json_schema", "schema": {}}, "schema", "can't fail"),
        ({"kind": "json_schema", "schema": {"description": "x"}}, "schema", "can't fail"),
        ({"kind": "json_schema", "schema": {"type": "nonsense"}}, "schema", "not a JSON Schema"),
        ({"kind": "json_schema", "schema": {"properties": 3}}, "schema", "not a JSON Schema"),
        ({"kind": "json_schema", "schema": {"pattern": "("}}, "schema", "not a JSON Schema"),
        ({"kind": "tool_required", "tool": "t", "arguments": {"a": "("}, "match": "regex"}, "arguments.a", "regular"),
        ({"kind": "tool_required", "tool": "t", "arguments": {"a": 1}, "ignore": ["a"]}, "ignore", "can't fail"),
        ({"kind": "tool_required", "tool": "t", "match": "equal"}, "match", "there are none"),
        ({"kind": "tool_required", "tool": ""}, "tool", ""),
        ({"kind": "final_writes", "writes": [{"tool": "t", "arguments": {"a": "["}, "match": "regex"}]}, "writes[0]", ""),
        ({"kind": "unheard_of"}, "kind", ""),
    ],
)  # fmt: skip
def test_it_is_refused_with_its_place(tmp_path: Path, expectation: dict[str, Any], where: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        golden.parse(a_set(tmp_path, [expectation]), "set.json")
    problem = caught.value.problems[0]
    assert problem.key.startswith("$.cases[0].expectations[0]")
    assert where in problem.key
    assert words in problem.advice.what


def test_a_pattern_that_backtracks_for_ever_is_stopped(tmp_path: Path) -> None:
    raw = a_set(tmp_path, [{"kind": "text_contains", "regex": "^(a|a|aa)+$"}])
    case = golden.parse(raw, "set.json").cases[0]
    with pytest.raises(PatternStopped):
        rubric.judge(case, Answer(output="a" * 5000 + "!"))
    raw = a_set(tmp_path, [{"kind": "tool_required", "tool": "t", "arguments": {"a": "^(a|a|aa)+$"}, "match": "regex"}])
    case = golden.parse(raw, "set.json").cases[0]
    with pytest.raises(PatternStopped):
        rubric.judge(case, Answer(output="", tool_calls=(ToolCall(tool="t", arguments={"a": "a" * 5000 + "!"}),)))


FIVE = [{"kind": "text_contains", "all_of": [word]} for word in ("one", "two", "three", "four", "five")]


@pytest.mark.parametrize(
    ("set_rule", "criterion", "passed"),
    [(None, {}, False), ("all", {}, False), ("share", {}, True), ("share", {"passes": "all"}, False),
     (None, {"passes": "share"}, True), ("share", {"critical": True}, False)],
)  # fmt: skip
def test_how_a_criterion_passes_is_stated_in_the_set(
    tmp_path: Path, set_rule: str | None, criterion: dict[str, Any], passed: bool
) -> None:
    raw = a_set(tmp_path, FIVE, **criterion) | ({"passes": set_rule} if set_rule else {})
    case = golden.parse(raw, "set.json").cases[0]
    (score,) = rubric.judge(case, Answer(output="one two three four")).criteria
    assert score.passed is passed
    assert score.score is not None
    assert (score.score >= case.criteria[0].pass_at) is passed
    assert "'five'" in score.reason


@pytest.mark.parametrize(
    ("expectation", "answer", "words"),
    [
        ({"kind": "tool_required", "tool": "pay", "arguments": {"amount": 100, "to": "x"}},
         Answer(output="", tool_calls=(ToolCall(tool="pay", arguments={"amount": 120, "to": "x"}),)),
         "pay was called with amount 120, asked 100"),
        ({"kind": "tool_required", "tool": "pay", "arguments": {"to": "x"}},
         Answer(output="", tool_calls=(ToolCall(tool="pay", arguments={}),)), "to left out, asked \"x\""),
        ({"kind": "tool_required", "tool": "pay", "arguments": {"to": "x"}, "match": "equal"},
         Answer(output="", tool_calls=(ToolCall(tool="pay", arguments={"to": "x", "cc": "y"}),)), "cc \"y\", asked was nothing"),
        ({"kind": "text_contains", "equals": "clarify"}, Answer(output="answered"), "the text is 'answered', asked was 'clarify'"),
        ({"kind": "number_range", "path": "n", "max": 3}, Answer(output={"n": 5}), "n is 5"),
        ({"kind": "number_range", "path": "n", "max": 3}, Answer(output={"n": "five"}), "n is 'five'"),
    ],
)  # fmt: skip
def test_a_reason_shows_what_was_found_beside_what_was_asked(
    tmp_path: Path, expectation: dict[str, Any], answer: Answer, words: str
) -> None:
    case = golden.parse(a_set(tmp_path, [expectation]), "set.json").cases[0]
    assert words in rubric.judge(case, answer).criteria[0].reason


def test_a_reason_shows_no_secret(tmp_path: Path) -> None:
    case = golden.parse(a_set(tmp_path, [{"kind": "text_contains", "equals": "x"}]), "set.json").cases[0]
    reason = rubric.judge(case, Answer(output="Authorization: Bearer planted-secret-0815")).criteria[0].reason
    assert "planted-secret" not in reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["name", "version", "cases", "id", "kind", "criterion", "regex", "min", "paths", "schema", "x"]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@fuzz(200)
@given(JSON)
def test_no_json_value_raises_anything_but_the_set_s_own_error(raw: Any) -> None:
    try:
        golden.parse(raw, "set.json")
    except SettingsError as error:
        assert error.problems
