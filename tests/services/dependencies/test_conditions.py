"""Conditions: what they mean, and every mistake in one with its position."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dependencies.conditions import WrongCondition, evaluate, parse
from services.dependencies.http.kind import HttpTable
from tests.fuzzing import fuzz

TYPES = {**HttpTable.facts, "answers": "texts"}
FACTS: dict[str, Any] = {
    "status": 200, "ms": 12.5, "body": "ok, fine", "header": {"x-version": "3"}, "answers": ["192.0.2.1", "192.0.2.2"],
    "json": {"data": [{"id": "gpt-x", "n": 1}, {"id": "b", "n": 5}], "ok": True, "text": "5", "none": None, "a b": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("status == 200", True), ("status==200", True), ("status != 200", False), ("status in [200, 204]", True),
        ("status in 301, 302", False), ("ms < 800", True), ("ms >= 800", False), ("cert_days > 14", False),
        ("cert_days exists", False), ("header.x-version exists", True), ("header.X-Version == 3", True),
        ("header.x-none exists", False), ("body contains fine", True), ("body contains 'ok, fine'", True),
        ("body matches ^ok", True), ("body matches ^fine", False), ("json.data[*].id has gpt-x", True),
        ("json.data[*].id has gpt", False), ("json.data[*].id contains gpt", True), ("json.data[*].n < 6", True),
        ("json.data[*].n < 5", False), ("json.data[?@.n > 2].id == b", True), ("json.ok == true", True),
        ("json.ok == 1", False), ("json.text == 5", False), ('json.text == "5"', True), ("json.none exists", True),
        ("json.missing exists", False), ("json.missing != 5", False), ("json['a b'] == 1", True),
        ("json.data[0].id in [gpt-x, c]", True), ("answers has 192.0.2.2", True), ("answers contains 192.0.2", True),
        ("json.ok < 2", False), ("  status   ==   200  ", True),
    ],
)  # fmt: skip
def test_what_a_condition_means(text: str, met: bool) -> None:
    (result,) = evaluate([text], TYPES, FACTS)
    assert result.met is met


def test_expected_and_actual_are_said() -> None:
    status, missing, many = evaluate(["status == 500", "json.missing == 1", "json.data[*].id has z"], TYPES, FACTS)
    assert (status.expected, status.actual) == ("== 500", "200")
    assert missing.actual == "nothing there"
    assert many.actual == "gpt-x, b"


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("staus == 200", 1, "use status, ms"), ("", 1, "nothing that can be asked"), ("status", 7, "an operator"),
        ("status = 200", 8, "an operator"), ("status == abc", 11, "a number"), ("status ==", 10, "a value"),
        ("status has 200", 8, "can't be asked of status"), ("ms < fast", 6, "a number"),
        ("json.data[ == 1", 15, "not closed"), ("json.data[*].id[?] has x", 18, "JSONPath"),
        ("json..[ exists", 14, "not closed"), ("header. exists", 8, "name is missing"),
        ("body matches (", 14, "regular expression"), ("status exists 5", 15, "nothing follows"),
        ("json.a < x", 10, "a number"), ("status in []", 11, "a list"), ("__import__('os') == 1", 1, "nothing that can"),
        ("status inside 5", 8, "an operator"), ("x" * 501, 500, "longer than 500"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_position(text: str, position: int, words: str) -> None:
    with pytest.raises(WrongCondition, match=words) as caught:
        parse(text, TYPES)
    assert caught.value.position == position


def test_a_pattern_that_would_run_for_ever_is_stopped() -> None:
    (result,) = evaluate([r"body matches ^(a+)+$"], TYPES, {"body": "a" * 5000 + "!"})
    assert result.met is False


@fuzz(300)
@given(
    st.text(max_size=40) | st.tuples(
        st.sampled_from(["status", "json.data[*].id", "json", "header.x", "body", "ms", "json[?@.a=="]),
        st.sampled_from(["==", "!=", "<", "has", "contains", "matches", "exists", "in", "~"]), st.text(max_size=12),
    ).map(" ".join),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                 lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)),
)  # fmt: skip
def test_whatever_is_written_it_is_a_condition_or_named_a_mistake(text: str, value: Any) -> None:
    try:
        parse(text, TYPES)
    except WrongCondition as error:
        assert 0 <= error.position <= len(text) + 2
        return
    (result,) = evaluate([text], TYPES, FACTS | {"json": value, "body": str(value)})
    assert isinstance(result.met, bool)
    assert len(result.actual) <= 120
