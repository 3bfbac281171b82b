"""Deep comparison and numbers in texts: what is the same, what isn't, and what the reason says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.replay.matching import Compare, difference
from services.replay.numbers import holds, numbers

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab$", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)
LOOSE = Compare(unordered=True, ignore_case=True, ignore_space=True, tolerance=0.5, numbers_as_text=True)


@given(JSON)
def test_everything_is_like_itself(value: Any) -> None:
    for how in (Compare(), Compare(whole=True), LOOSE):
        assert difference(value, value, how) is None


@given(JSON, JSON)
def test_what_is_the_same_strictly_is_the_same_loosely(left: Any, right: Any) -> None:
    if difference(left, right, Compare(whole=True)) is None:
        assert difference(left, right, Compare()) is None
        assert difference(left, right, LOOSE) is None


@given(st.lists(JSON, max_size=5), st.randoms(use_true_random=False))
def test_a_list_in_any_order_is_its_own_shuffle(items: list[Any], chance: Any) -> None:
    shuffled = list(items)
    chance.shuffle(shuffled)
    assert difference(shuffled, items, Compare(unordered=True)) is None


@pytest.mark.parametrize(("actual", "wanted", "how", "said"), [
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, Compare(), None),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, Compare(whole=True), "a.c is 2, asked was nothing"),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, Compare(whole=True, ignore=("a.c",)), None),
    ({"a": [{"t": 1, "x": 9}]}, {"a": [{"t": 1, "x": 1}]}, Compare(ignore=("a[*].x",)), None),
    ({"a": [{"b": {"at": 9}}]}, {"a": [{"b": {"at": 1}}]}, Compare(ignore=("**.at",)), None),
    ({"n": 5}, {"n": 5.0}, Compare(), None),
    ({"n": True}, {"n": 1}, Compare(), "n is true, asked was 1"),
    ({"n": "5"}, {"n": 5}, Compare(), 'n is "5", asked was 5'),
    ({"n": "5"}, {"n": 5}, Compare(numbers_as_text=True), None),
    ({"n": 10.4}, {"n": 10}, Compare(tolerance=0.4), None),
    ({"n": 10.5}, {"n": 10}, Compare(tolerance=0.4), "n is 10.5, asked was 10"),
    ({"n": 101}, {"n": 100}, Compare(relative=0.01), None),
    ({"s": " New  York"}, {"s": "new york"}, Compare(ignore_case=True, ignore_space=True), None),
    ({"s": "N.Y."}, {"s": "ny"}, Compare(ignore_case=True, ignore_chars="."), None),
    ({"l": [2, 1]}, {"l": [1, 2]}, Compare(), "l[0] is 2, asked was 1"),
    ({"l": [2, 1], "m": [2, 1]}, {"l": [1, 2], "m": [1, 2]}, Compare(unordered=("l",)), "m[0] is 2, asked was 1"),
    ({"l": [1, 1]}, {"l": [1, 2]}, Compare(unordered=True), "l lacks 2: it is [1, 1]"),
    ({"l": [1]}, {"l": [1, 2]}, Compare(), "l has 1 items, asked were 2: [1]"),
    ({"old": [1, 2], "new": [8, 9]}, {"old": [2, 1], "new": [9, 8]}, Compare(paired=(("old", "new"),)), None),
    ({"old": [1, 2], "new": [8, 9]}, {"old": [2, 1], "new": [8, 9]}, Compare(paired=(("old", "new"),)),
     "old and new lacks [2, 8]: it is [[1, 8], [2, 9]]"),
    ({"c": "b"}, {"c": {"$any_of": ["a", "b"]}}, Compare(), None),
    ({"c": "d"}, {"c": {"$any_of": ["a", "b"]}}, Compare(), 'c is "d", asked was one of ["a", "b"]'),
    ({}, {"c": {"$optional": "a"}}, Compare(), None),
    ({"c": "b"}, {"c": {"$optional": "a"}}, Compare(), 'c is "b", asked was "a"'),
    ({}, {"c": {"$any": True}}, Compare(), "c is left out"),
    ({"c": 1}, {"c": {"$absent": True}}, Compare(), "c is 1, asked was that it is left out"),
    ({"c": "W123"}, {"c": {"$regex": "^W[0-9]+$"}}, Compare(), None),
    ({}, {"c": None}, Compare(), "c is left out, asked was null"),
])  # fmt: skip
def test_what_differs_is_said(actual: Any, wanted: Any, how: Compare, said: str | None) -> None:
    assert difference(actual, wanted, how) == said


def test_items_that_several_wanted_ones_fit_are_shared_out() -> None:
    wanted = [{"$any_of": [1, 2]}, 1]
    assert difference([1, 2], wanted, Compare(unordered=True)) is None, "the first must not take the second's only one"


@pytest.mark.parametrize(("text", "number"), [
    ("It is $1,234.50.", 1234.5), ("1.234,50 EUR", 1234.5), ("1 234,50 €", 1234.5), ("1\u00a0234", 1234),
    ("1'234.50 CHF", 1234.5), ("₹12,34,567.89", 1234567.89), ("-12.5", -12.5), ("\u221212", -12), ("12.00", 12),
    ("50 %", 0.5), ("50%", 50), ("12,5", 12.5), ("1,234", 1234), ("1,234", 1.234), ("(12)", 12), ("($1,234.50)", -1234.5),
    ("12, 13", 13), ("US$5", 5), ("5USD", 5), ("costs:12!", 12), ('{"amount": 12.5}', 12.5), ("327.0 dollars", 327),
    ("-$5", -5), ("1e3", 1000), ("$5/month", 5), ("#12", 12),
])  # fmt: skip
def test_a_number_is_found_however_it_is_written(text: str, number: float) -> None:
    assert holds(text, number)


@pytest.mark.parametrize(("text", "number"), [
    ("312", 12), ("12.5", 12), ("2024-12-01", 12), ("A12", 12), ("12:30", 12), ("12:30", 30), ("120", 12), ("1,234", 234),
    ("1.2.3", 2), ("order-12", 12), ("12abc", 12), ("10.12.2024", 12), ("0.12", 12), ("12,345.67", 345.67), ("-12", 12),
])  # fmt: skip
def test_a_number_within_something_else_is_none(text: str, number: float) -> None:
    assert not holds(text, number)


@given(st.text(max_size=60))
def test_any_text_can_be_searched(text: str) -> None:
    list(numbers(text))


@given(st.integers(-(10**9), 10**9), st.sampled_from(["{:,}", "{}", "{:,}.00", "${:,}", "{} EUR"]))
def test_a_whole_number_is_found_in_each_of_its_forms(number: int, form: str) -> None:
    assert holds(f"It is {form.format(number)} in all.", number) or "$-" in form.format(number)
