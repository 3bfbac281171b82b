"""Lines read many at once and one by one: the same spans, the same wrong lines."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.traces.cleaning import Cleaner
from services.traces.columns import FEWEST, Columns
from services.traces.lines import WrongLine, spans_of

KEY = "5f3c9a0b1d2e4f60718293a4b5c6d7e8"  # planted: a secret with the form of an id
GOOD: dict[str, Any] = {
    "at": "2026-12-01T12:00:00.250+00:00", "trace_id": "ab" * 16, "span_id": "cd" * 8, "tool": "crm", "action": "get",
    "status": "ok", "duration_ms": 12.5, "environment": "production", "attributes": {"n": 1},
}  # fmt: skip
WAYS: list[dict[str, Any]] = [
    {}, {"at": "2026-12-01T12:00:00Z"}, {"at": "2026-12-01T12:00:00"}, {"at": "2026-12-01T12:00:00.000001+02:00"},
    {"at": "2026-02-30T12:00:00Z"}, {"at": 5}, {"at": None}, {"at": "1969-01-01T00:00:00Z"}, {"at": "20261201T120000Z"},
    {"at": "2200-01-01T00:00:00Z"}, {"at": "2026-12-01T12:00:00.5+00:00"}, {"at": "2026-12-01T23:59:60Z"},
    {"tool": None}, {"tool": 5}, {"tool": ["a"]}, {"tool": ""}, {"tool": "a\"b\\ \u00e9\U0001f600"}, {"tool": "x" * 5000},
    {"tool": "\ud800"}, {"tool": "a\x00b"}, {"tool": "token=abcdefgh1234"}, {"action": "chat"}, {"action": "execute_tool"},
    {"action": "invoke_agent", "tool": ""}, {"model": "m", "input_tokens": 5, "output_tokens": 7, "cost_usd": 0.25},
    {"model": ""}, {"model": 3}, {"input_tokens": -1}, {"input_tokens": 1.9}, {"input_tokens": "7"}, {"input_tokens": True},
    {"input_tokens": 10**16}, {"input_tokens": 10**40}, {"output_tokens": 1e300}, {"cost_usd": -0.5}, {"cost_usd": 1e-9},
    {"duration_ms": None}, {"duration_ms": -1}, {"duration_ms": "5"}, {"duration_ms": 1e12}, {"duration_ms": 0.1 + 0.2},
    {"status": "Success"}, {"status": "failed"}, {"status": "TimeoutError"}, {"status": None}, {"status": 5},
    {"status": "error: Bearer abcdefghijk"}, {"environment": ""}, {"environment": None}, {"environment": 1},
    {"trace_id": ""}, {"trace_id": None}, {"trace_id": 5}, {"trace_id": "not hex!"}, {"trace_id": "01J9ZZZZZZZZZZZZZZZZZZZZZZ"},
    {"span_id": "\""}, {"span_id": KEY}, {"parent_id": KEY[3:20]}, {"run_id": f"x{KEY}"}, {"correlation_id": "a b"},
    {"attributes": None}, {"attributes": []}, {"attributes": 5}, {"attributes": {}}, {"attributes": {"token": "abc"}},
    {"attributes": {"prompt": "hello"}}, {"attributes": {"prompt": 7}}, {"attributes": {"deep": {"password": "x"}}},
    {"attributes": {"a": "redis://:12345678901@host/0"}}, {"attributes": {"a": "\":123,", "b": "\\\":4}"}},
    {"attributes": {"a\\": 5, "b": -1.5, "c": True, "d": None}}, {"attributes": {"key": KEY}}, {"attributes": {"a": 1e400}},
    {"attributes": {str(n): n for n in range(150)}}, {"attributes": {"n": 10**30}}, {"attributes": {"n": -0.0}},
    {"attributes": {"n": float("nan")}}, {"attributes": {"messages": [{"role": "user", "content": "hi"}]}},
    {"version": "1.0", "function": "f", "step": "s", "input_sha256": "ab" * 32, "run_id": "01J9ZZZZZZZZZZZZZZZZZZZZZZ"},
]  # fmt: skip
RAW = [
    b"", b"   ", b"\r", b"garbage", b"[1]", b"5", b'"text"', b"{", b"{}", b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), b"\xff\xfe",
    json.dumps(GOOD).encode() + b"\r", b"{" + b'"a":[' * 5000, b"[" * 100_000, b'{"tool":"\xc3","at":"x"}', b"null",
    b'{"resourceSpans": []}', b'{"traceId": "x"}', json.dumps({**GOOD, "pad": "x" * (1 << 20)}).encode(),
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"' + b"ab" * 16 + b'","spanId":"' + b"cd" * 8
    + b'","name":"n","startTimeUnixNano":"1790000000000000000","endTimeUnixNano":"1790000000500000000"}]}]}]}',
]  # fmt: skip


def each(lines: list[bytes], cleaner: Cleaner) -> tuple[list[dict[str, Any]], int]:
    """As the reader does it line by line."""
    spans, wrong = [], 0
    for line in lines:
        text = line.strip().removeprefix(b"\xef\xbb\xbf")
        if not text or len(text) > 1 << 20:
            wrong += bool(text)
            continue
        try:
            spans += [asdict(span) for span in spans_of(text, cleaner, environment="e", simulated=True)]
        except WrongLine:
            wrong += 1
    return spans, wrong


def together(lines: list[bytes], cleaner: Cleaner) -> tuple[list[dict[str, Any]], int, int]:
    """(spans, wrong lines, lines that were left to the other reader)."""
    data = b"".join(line + b"\n" for line in lines)
    offsets = np.concatenate(([0], np.cumsum([len(line) + 1 for line in lines]))).astype(np.int32)
    found = Columns(cleaner, environment="e", simulated=True).read(data, offsets)
    spans, wrong = each([lines[number] for number in found.others], cleaner)
    return ([] if found.spans is None else found.spans.to_pylist()) + spans, wrong, len(found.others)


def as_read(span: dict[str, Any]) -> str:
    """Two readers may write the same number differently."""
    return json.dumps({**span, "attributes": json.loads(span["attributes"])}, sort_keys=True)


def same(lines: list[bytes], *, content: bool = False) -> int:
    """Asserts that both ways agree; returns how many lines were left to the other reader."""
    cleaner = Cleaner(content=content, secrets=(KEY,))
    spans, wrong, left = together(lines, cleaner)
    expected, wrong_before = each(lines, cleaner)
    assert wrong == wrong_before
    assert sorted(map(as_read, spans)) == sorted(map(as_read, expected))
    assert KEY not in json.dumps(spans)
    return left


def good(number: int, **more: Any) -> bytes:
    return json.dumps({**GOOD, "span_id": f"{number:016x}", "attributes": {"n": number}, **more}).encode()


@pytest.mark.parametrize("content", [False, True])
def test_both_ways_agree_on_each_form_of_a_line(content: bool) -> None:
    shapes = [json.dumps({**GOOD, **way}).encode() for way in WAYS] + RAW
    lines = shapes + [good(number) for number in range(FEWEST)]
    random.Random(1).shuffle(lines)
    assert same(lines, content=content) < len(shapes)


@pytest.mark.parametrize("number", range(len(WAYS)))
def test_both_ways_agree_on_a_file_that_is_all_alike(number: int) -> None:
    same([json.dumps({**GOOD, "span_id": f"{n:016x}", **WAYS[number]}).encode() for n in range(FEWEST)])


def test_lines_as_the_kit_writes_them_are_all_known() -> None:
    more = {"model": "m", "input_tokens": 5, "output_tokens": 6, "cost_usd": 0.1, "run_id": "01J9ZZZZZZZZZZZZZZZZZZZZZZ",
            "parent_id": "ab" * 8, "step": "s", "version": "1"}  # fmt: skip
    assert same([good(number, **more) for number in range(5000)]) == 0


def test_many_different_texts_are_cleaned_each() -> None:
    lines = [good(n, attributes={"order": f"A-{n}", "password": f"secret-{n}", "note": f"api_key=abcdefgh{n}"})
             for n in range(6000)]  # fmt: skip
    assert same(lines) == 0
    spans, _, _ = together(lines, Cleaner())
    assert "secret-" not in str(spans)
    assert "abcdefgh" not in str(spans)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(f"a{KEY}b"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6,
)  # fmt: skip
fields = st.sampled_from([*GOOD, "model", "input_tokens", "output_tokens", "cost_usd", "parent_id", "run_id", "step"])


@pytest.mark.fuzz
@given(st.lists(st.tuples(fields, values), min_size=1, max_size=30))
def test_both_ways_agree_on_any_value_in_any_field(changes: list[tuple[str, Any]]) -> None:
    lines = [good(number, **{name: value}) for number, (name, value) in enumerate(changes)]
    same(lines + [good(number) for number in range(FEWEST)])
