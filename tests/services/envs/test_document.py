"""Env files are read by python-dotenv's grammar, losslessly, whatever they hold."""

import io

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from services.envs.document import MAX_BYTES, UnreadableSource, from_bytes, from_text, read_any

CORNERS = [
    "A=1\n", "A = 1\n", "export A=1\n", "A='x # y'\n", 'A="x\\ny"\n', "A='x\ny'\nB=2\n", "A=x # comment\n", "A=#x\n",
    "A= # comment\n", "A\n", "A=\n", "'A B'=1\n", "A=1\r\nB=2\r\n", "A=1\rB=2", "A=1", "\ufeffA=1\n", "# c\n\nA=1\n",
    "A=1\nA=2\n", "A=1\nB=${A}-${A:-x}\n", "B=${NOPE:-y}\n", "bad line\nA=1\n", "A='open\nB=2\n", "A=\"a\\\"b\"\n",
    "A='a\\'b'\n", "A=\\n\n", "=x\nA=1\n", "export\nA=1\n", "A=é\n", "  A=1\n", "A=1 2\n", "A='1' 2\nB=3\n", "A=${\n",
    "A=$B\n", "\n\n\n", "", "A=\t1\t\n", "A='1'#x\n", 'A="${B}"\nB=2\nC="${B}"\n',
]  # fmt: skip


@pytest.mark.parametrize("text", CORNERS)
def test_values_are_python_dotenvs_own(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("A", "B", "NOPE"):
        monkeypatch.delenv(name, raising=False)
    assert dict(from_text(text, "f").values) == dict(dotenv_values(stream=io.StringIO(text, newline="")))


@given(st.text(alphabet=st.sampled_from("AB_ ='\"#\\\n\r\t${}:-xé\ufeff"), max_size=60))
def test_reading_loses_no_byte_and_never_crashes(text: str) -> None:
    document = from_text(text, "f")
    assert "".join(piece.text for piece in document.pieces) == text
    expected = {
        b_key: value
        for b_key, value in dotenv_values(stream=io.StringIO(text, newline=""), interpolate=False).items()
        if "${" not in (value or "")
    }
    assert {k: v for k, v in document.values.items() if k in expected} == expected


@given(st.binary(max_size=80))
def test_any_bytes_come_back_as_they_were(data: bytes) -> None:
    document = from_bytes(data, "f")
    assert "".join(piece.text for piece in document.pieces).encode("utf-8", "surrogateescape") == data


def test_the_file_wins_over_the_process_environment_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "from the shell")
    monkeypatch.setenv("ONLY_SHELL", "from the shell")
    document = from_text("A=file\nB=${A}${ONLY_SHELL}\n", "f")
    assert document.values == {"A": "file", "B": "file"}
    assert document.entries[1].unresolved == ("ONLY_SHELL",)


def test_a_bad_line_is_a_fact_with_its_number() -> None:
    document = from_text("A=1\n\nnot an assignment\nB=2\n", "f")
    assert document.bad_lines == (3,)
    assert document.values == {"A": "1", "B": "2"}


def test_line_numbers_hold_after_multi_line_values() -> None:
    document = from_text("A='1\n2\n3'\nB=2\n", "f")
    assert [entry.line for entry in document.entries] == [1, 4]


def test_bytes_that_are_not_utf8_are_named_by_line() -> None:
    assert from_bytes(b"A=1\nB=\xff\n", "f").not_utf8_lines == (2,)


def test_a_platforms_export_is_read_without_any_grammar() -> None:
    document = read_any(b'\xef\xbb\xbf {"A": "x # y", "B": 3, "C": true, "D": null, "E": "${A}"}', "export.json")
    assert document.origin == "platform"
    assert document.values == {"A": "x # y", "B": "3", "C": "true", "D": "", "E": "${A}"}


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"{", "not valid JSON"), (b'{"A": {"B": 1}}', "'A' is not text"), (b"{" * 100_000, "not valid JSON")],
)
def test_an_export_that_is_none_is_one_sentence(data: bytes, says: str) -> None:
    with pytest.raises(UnreadableSource, match=says):
        read_any(data, "export.json")


def test_a_huge_file_is_refused() -> None:
    with pytest.raises(UnreadableSource, match="larger than 4 MiB"):
        from_bytes(b"A" * (MAX_BYTES + 1), "f")


def test_no_value_stands_in_a_repr() -> None:
    document = from_text("A=planted-secret\n", "f")
    assert "planted-secret" not in repr(document) + repr(document.entries) + repr(document.pieces)
