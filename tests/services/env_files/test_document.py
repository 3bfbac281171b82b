"""Env files are read by python-dotenv's grammar, losslessly, whatever they hold."""

import io
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from services.env_files.document import MAX_BYTES, UnreadableSource, from_bytes, from_text, read_any
from services.env_files.lines import NAME
from tests.fuzzing import fuzz

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
    expected = dotenv_values(stream=io.StringIO(text, newline=""))
    assert dict(from_text(text, "f").values) == {
        key: value for key, value in expected.items() if value is not None and NAME.fullmatch(key)
    }


@given(st.text(alphabet=st.sampled_from("AB_ ='\"#\\\n\r\t${}:-xé\ufeff"), max_size=60))
def test_reading_loses_no_byte_and_never_crashes(text: str) -> None:
    document = from_text(text, "f")
    assert "".join(piece.text for piece in document.pieces) == text
    expected = {
        b_key: value
        for b_key, value in dotenv_values(stream=io.StringIO(text, newline=""), interpolate=False).items()
        if value is not None and "${" not in value and "\x00" not in value and NAME.fullmatch(b_key)
    }
    assert {k: v for k, v in document.values.items() if k in expected} == expected


@fuzz(300)
@given(st.binary(max_size=80))
def test_any_bytes_come_back_as_they_were(data: bytes) -> None:
    document = from_bytes(data, "f")
    if document.encoding:
        assert not document.entries
        return
    assert "".join(piece.text for piece in document.pieces).encode("utf-8", "surrogateescape") == data


def test_the_file_wins_over_the_process_environment_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "from the shell")
    monkeypatch.setenv("ONLY_SHELL", "from the shell")
    document = from_text("A=file\nB=${A}${ONLY_SHELL}\n", "f")
    assert document.values == {"A": "file", "B": "file"}
    assert document.entries[1].unresolved == ("ONLY_SHELL",)


PEM = (
    "A=1\nKEY=-----BEGIN RSA PRIVATE KEY-----\nMIIEplantedSECRET0123456789abcdef\nplantedPaddedLine0123456789AB==\n"
    "SHORTplanted1=\n-----END RSA PRIVATE KEY-----\nB=2\n"
)


def test_the_lines_of_an_unquoted_key_are_numbers_and_nothing_else() -> None:
    document = from_text(PEM, "f")
    assert list(document.values) == ["A", "KEY", "B"]
    assert document.bad_lines == (3, 4, 5, 6)
    assert not any("planted" in (piece.key or "") for piece in document.pieces)
    assert [entry.key for entry in document.entries if entry.opens_block] == ["KEY"]


@pytest.mark.parametrize(
    "line",
    [
        "DASHBOARD_AUTH_TOKEN:tok-planted", "DASHBOARD_AUTH_TOKEN: tok-planted=x", "tok-planted", "export tok-planted",
        "plantedBase64Line0123456789AB==", "plantedBase64Line0123456789AB=", "0123456789abcdef0123456789abcdef=",
        "sk-plantedabcdefghijklmnop0123 = x y", '"planted": "x=y",', "planted token=1", "'planted it'=1", "=planted", "planted\x00=1",
        "a" * 200 + "planted=1",
    ],
)  # fmt: skip
def test_a_line_without_a_plausible_name_is_a_number_and_nothing_else(line: str) -> None:
    document = from_text(f"A=1\n{line}\nB=2\n", "f")
    assert document.bad_lines == (2,)
    assert list(document.values) == ["A", "B"]
    shown = repr(document.entries) + repr([piece.key for piece in document.pieces])
    assert "planted" not in shown
    assert (document.colon_lines == (2,)) is line.startswith(("DASHBOARD_AUTH_TOKEN:", '"planted":'))


@pytest.mark.parametrize("tail", ["shortPlanted1==", "plantedTail1=", "planted=="])
def test_the_short_last_line_of_a_key_without_its_head_is_no_name(tail: str) -> None:
    document = from_text(f"A=1\nMIIEpQIBAAKCAQEA0000000000000000000000000000\n{tail}\nB=2\n", "f")
    assert document.bad_lines == (2, 3)
    assert list(document.values) == ["A", "B"]


@pytest.mark.parametrize(
    "name", ["A", "_x", "NEXT_PUBLIC_URL", "spring.datasource.url", "a-b", "MyVar1", "SHA256SUM0123456"]
)
def test_a_plausible_name_is_kept(name: str) -> None:
    assert from_text(f"{name}=\n", "f").values == {name: ""}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_another_encoding_is_named_and_nothing_is_read(encoding: str) -> None:
    document = from_bytes("DASHBOARD_AUTH_TOKEN=planted-secret\r\nREDIS_URL=x\r\n".encode(encoding), "f")
    assert document.encoding == encoding[:6].upper()
    assert (document.entries, document.values) == ((), {})


def test_references_that_double_with_every_line_stay_as_they_are() -> None:
    text = "A0=" + "x" * 40 + "\n" + "".join(f"A{n}=${{A{n - 1}}}${{A{n - 1}}}\n" for n in range(1, 60))
    document = from_text(text, "f")
    assert max(len(value or "") for value in document.values.values()) <= 32_768
    assert any(entry.too_long for entry in document.entries)
    many = "A=" + "x" * 30_000 + "\n" + "".join(f"B{n}=${{A}}\n" for n in range(2000))
    assert sum(len(value or "") for value in from_text(many, "f").values.values()) < 5 << 20


def test_a_reference_that_the_platform_fills_in_is_left_and_marked() -> None:
    document = from_text("TOKEN=${{ shared.X }}\nB=${TOKEN}-y\n", "f")
    assert document.values["TOKEN"] == "${{ shared.X }}"
    assert document.entries[0].platform


def test_an_export_s_texts_and_names_are_made_fit(tmp_path: Path) -> None:
    document = read_any(b'{"A": "x\\ud83d", "planted key": "1", "B": "\\u0000", "\\ud800": "2"}', "export.json")
    assert document.values == {"A": "x\ufffd", "B": "\ufffd"}
    assert document.bad_names == 2


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
    [(b"{", "not valid JSON"), (b'{"A": {"B": 1}}', "entry 1 is not text"), (b"{" * 100_000, "not valid JSON")],
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
