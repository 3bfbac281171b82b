"""Text and JSON from outside."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.outside import NotJson, parse_json, storable, storable_value
from tests.fuzzing import fuzz


def test_half_an_emoji_and_a_zero_become_the_replacement_character() -> None:
    assert storable("release \ud83d") == "release \ufffd"
    assert storable("a\x00b") == "a\ufffdb"


def test_a_pair_that_was_escaped_in_two_halves_is_the_character_it_means() -> None:
    assert storable("\ud83d\ude00") == "\U0001f600"
    assert parse_json(r'"\ud83d\ude00 \ud83d"') == "\U0001f600 \ufffd"


def test_keys_are_made_storable_too() -> None:
    assert parse_json(r'{"redis\ud800": {"\u0000": 1}}') == {"redis\ufffd": {"\ufffd": 1}}


@pytest.mark.parametrize("text", ["1e999", "-1e999", "9" * 400, "9" * 5000])
def test_a_number_that_no_double_holds_is_none(text: str) -> None:
    assert parse_json(f'{{"ready": true, "n": {text}}}') == {"ready": True, "n": None}


def test_a_number_beyond_64_bits_is_a_double() -> None:
    assert parse_json(str(2**63)) == float(2**63)
    assert parse_json(str(2**63 - 1)) == 2**63 - 1


@pytest.mark.parametrize("depth", [101, 900, 100_000])
def test_what_is_nested_too_deep_is_refused_in_words(depth: int) -> None:
    with pytest.raises(NotJson, match="nested deeper"):
        parse_json("[" * depth + "]" * depth)
    with pytest.raises(NotJson, match="nested deeper"):
        parse_json('{"a":' * depth + "1" + "}" * depth)


def test_a_hundred_levels_are_read() -> None:
    assert parse_json("[" * 100 + "]" * 100) is not None


def test_a_field_named_twice_is_refused_where_that_matters() -> None:
    text = '{"ready": false, "ready": true}'
    assert parse_json(text) == {"ready": True}
    with pytest.raises(NotJson, match="twice"):
        parse_json(text, unique_keys=True)


@pytest.mark.parametrize("data", [b"\xff\xfe{}", b"", b"{", b"nope", b'{"a":1,}', b"NaN", b'{"a": -Infinity}'])
def test_anything_else_is_refused_without_quoting_it(data: bytes) -> None:
    with pytest.raises(NotJson) as caught:
        parse_json(data)
    assert "nope" not in str(caught.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)


@given(VALUES)
def test_whatever_python_holds_ends_as_utf8_and_finite(value: Any) -> None:
    clean = storable_value(value)
    text = json.dumps(clean, ensure_ascii=False, allow_nan=False)
    assert "\x00" not in text.encode("utf-8").decode("utf-8")
    _all_finite(clean)


@fuzz(300)
@given(st.binary())
def test_no_bytes_raise_anything_but_the_named_error(data: bytes) -> None:
    with contextlib.suppress(NotJson):
        json.dumps(parse_json(data), ensure_ascii=False, allow_nan=False).encode("utf-8")


def _all_finite(value: Any) -> None:
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, dict):
        for inner in value.values():
            _all_finite(inner)
    elif isinstance(value, list):
        for inner in value:
            _all_finite(inner)
