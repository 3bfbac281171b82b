"""Cases from files as people have them: what is found, and what is left out with its place. Nothing is fatal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.replay import golden
from services.replay.authoring import lines, promptfoo, spreadsheet
from services.replay.authoring.cases import Imported
from services.replay.expectations import check_all
from services.replay.model import Answer

DAY = "2026-12-01"
SECRET = "sk-proj-" + "a1B2" * 10


def table(text: str | bytes, **options: Any) -> Imported:
    data = text if isinstance(text, bytes) else text.encode()
    return spreadsheet.read(data, source="q.csv", added=DAY, **options)


def jsonl(*values: Any, **options: Any) -> Imported:
    data = "\n".join(v if isinstance(v, str) else json.dumps(v) for v in values).encode()
    return lines.read(data, source="q.jsonl", added=DAY, **options)


def config(folder: Path, text: str, **options: Any) -> Imported:
    (folder / "promptfooconfig.yaml").write_text(text, encoding="utf-8")
    return promptfoo.read(folder / "promptfooconfig.yaml", source="promptfoo", added=DAY, **options)


def sound(found: Imported) -> golden.GoldenSet:
    """A set of these cases; raises where one is not sound."""
    return golden.parse({"name": "x", "version": "v1", "cases": list(found.cases)}, "x")


def passes(found: Imported, answer: str, number: int = 0) -> bool:
    case = sound(found).cases[number]
    return all(item.met for item in check_all(case, Answer(output=answer)))


def test_a_table_of_questions_and_answers_is_a_set() -> None:
    found = table('question,answer,category\n"What is 2+2?",4,math\n"Capital of France?",Paris,geo\n')
    assert [case["category"] for case in found.cases] == ["math", "geo"]
    assert found.cases[0]["input"] == {"text": "What is 2+2?"}
    assert found.cases[0]["provenance"] == {"source": "q.csv, line 2", "added": DAY}
    assert passes(found, "It is Paris.", 1)
    assert not passes(found, "It is Lyon.", 1)
    assert not found.left_out


def test_equals_asks_for_the_whole_answer() -> None:
    found = table("question,answer\nCapital?,Paris\n", how="equals")
    assert passes(found, "paris ")
    assert not passes(found, "It is Paris.")


@pytest.mark.parametrize("data", [
    b"\xef\xbb\xbfquestion;answer\r\nCapital?;Paris\r\n", "question\tanswer\nCapital?\tParis\n".encode("utf-16"),
    b'question,answer\n"Capi\ntal?",Paris\n',
])  # fmt: skip
def test_files_as_spreadsheets_write_them(data: bytes) -> None:
    (case,) = table(data).cases
    assert case["input"]["text"].startswith("Capi")
    assert case["expectations"][0]["all_of"] == ["Paris"]


def test_a_file_of_windows_is_read_and_said_to_be_one() -> None:
    found = table("question,answer\nStraße?,Süd\n".encode("cp1252"))
    assert found.cases[0]["input"]["text"] == "Straße?"
    assert "Windows-1252" in str(found.notes[0])


def test_what_a_row_lacks_is_said_with_its_line() -> None:
    found = table('question,answer\n"one",1\n"two\nlines",\n"three",' + "x" * 300 + "\n,4\n")
    assert len(found.cases) == 1
    assert [item.place for item in found.left_out] == ["line 3", "line 5", "line 6"]
    assert "says nothing that could be checked" in str(found.left_out[0])
    assert "200 characters" in str(found.left_out[1])
    assert "no input" in str(found.left_out[2])


def test_an_unclosed_quote_ends_the_file_not_the_import() -> None:
    found = table('question,answer\none,1\n"two,2\n')
    assert len(found.cases) == 1
    assert "no CSV" in str(found.left_out[-1])


def test_promptfoo_s_columns_are_assertions() -> None:
    found = table('question,__expected1,__expected2,__description\n"Hi","contains: Hello","not-contains: Bye",Greets\n')
    assert found.cases[0]["title"] == "Greets"
    assert passes(found, "Hello!")
    assert not passes(found, "Hello, Bye")
    assert not passes(found, "hello"), "contains looks at the case of letters"


@pytest.mark.parametrize(("value", "good", "bad"), [
    ({"input": "2+2?", "ideal": ["4", "four"]}, "four", "five"),
    ({"input": [{"role": "system", "content": "s"}, {"role": "user", "content": "2+2?"}], "ideal": "4"}, "4", "5"),
    ({"inputs": {"question": "2+2?"}, "outputs": {"answer": "4"}}, "It is 4", "5"),
    ({"input": "2+2?", "target": 4, "id": "sum"}, "4", "5"),
    ({"input": {"text": "2+2?"}, "expected": "4", "metadata": {"category": "math"}}, "4", "5"),
    ({"vars": {"question": "2+2?"}, "assert": [{"type": "equals", "value": "4"}]}, "4", "It is 4"),
])  # fmt: skip
def test_json_lines_of_other_tools_are_known_by_their_fields(value: Any, good: str, bad: str) -> None:
    found = jsonl(value)
    assert not found.left_out
    assert passes(found, good)
    assert not passes(found, bad)


def test_expected_tools_become_calls() -> None:
    found = jsonl(
        {"input": "refund 1", "expected_tools": [{"name": "refund", "input_parameters": {"order": "1"}}, "log"]}
    )
    assert [(e["tool"], e.get("arguments")) for e in found.cases[0]["expectations"]] == [("refund", {"order": "1"}),
                                                                                         ("log", None)]  # fmt: skip
    sound(found)


def test_our_own_cases_come_back_as_they_are() -> None:
    own = golden.raw(golden.DEFAULT)["cases"][:3]
    assert list(jsonl(*own).cases) == own


def test_wrong_lines_are_left_out_with_their_number() -> None:
    found = jsonl({"input": "a", "expected": "b"}, "{not json", "[1]", {"expected": "x"}, {"input": "a"},
                  {"input": "a", "outputs": {"a": {"b": 1}}})  # fmt: skip
    assert len(found.cases) == 1
    assert [item.place for item in found.left_out] == ["line 2", "line 3", "line 4", "line 5", "line 6"]


PROMPTFOO = """
description: Support
prompts:
  - 'Answer briefly: {{question}}'
providers: [openai:gpt-4]
defaultTest:
  assert:
    - type: not-icontains
      value: as an AI
tests:
  - description: capitals
    vars:
      question: [Capital of France?, Capital of Germany?]
      since: 2024-01-01
      polite: yes
    assert:
      - type: icontains-any
        value: [Paris, Berlin]
  - vars: {question: What is 2+2?, sum: '4'}
    assert:
      - {type: contains, value: '{{sum}}'}
      - {type: regex, value: '^\\d$'}
      - {type: python, value: len(output) < 5}
      - {type: llm-rubric, value: Is polite, metric: Tone}
  - vars: {question: only judged}
    assert: [{type: llm-rubric, value: Is polite}]
  - file://more.csv
  - file://../outside.yaml
  - file://made.js
"""


def test_a_promptfoo_configuration_is_a_set(tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text('question,__expected\n"Hi","icontains: hello"\n')
    found = config(tmp_path, PROMPTFOO)
    assert [case["title"] for case in found.cases] == ["capitals", "capitals", "Answer briefly: What is 2+2?",
                                                        "Answer briefly: only judged", "Answer briefly: Hi"]  # fmt: skip
    first = found.cases[0]
    assert first["input"] == {"text": "Answer briefly: Capital of France?",
                              "vars": {"question": "Capital of France?", "since": "2024-01-01", "polite": "yes"}}  # fmt: skip
    assert passes(found, "PARIS")
    assert not passes(found, "As an AI, I say Paris"), "the default assertion holds for each test"
    assert passes(found, "4", 2)
    assert not passes(found, "4 4", 2)
    assert [c["id"] for c in found.cases[2]["criteria"]] == ["expected", "tone"]
    left = [str(item) for item in found.left_out]
    assert any("'python' runs code" in text for text in left)
    assert any("outside.yaml" in text for text in left)
    assert any("made.js" in text for text in left)
    assert len(left) == 3
    assert any("llm-rubric" in str(item) for item in found.notes)


def test_lines_of_yaml_are_named(tmp_path: Path) -> None:
    found = config(tmp_path, "tests:\n  - vars: {q: 1}\n    assert:\n      - type: bleu\n        value: x\n")
    assert [item.place for item in found.left_out] == ["line 4", "line 2"]


@pytest.mark.parametrize(("text", "what"), [
    ("a: [1\nb", "no YAML"), ("a: 1\na: 2\n", "no YAML"), ("- 1\n", "no promptfoo configuration"),
    ("prompts: [x]\n", "no tests"), ("x: &a [*a]\ntests: *a\n", "made by a program"),
    ("a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{n}: &{n} [" + ",".join([f"*{chr(ord(n) - 1)}"] * 10) + "]\n" for n in "bcdefgh"), "values"),
    ("tests: !!python/object/apply:os.system ['touch x']\n", "is not there"),
])  # fmt: skip
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, text: str, what: str) -> None:
    found = config(tmp_path, text)
    assert not found.cases
    assert what in str(found.left_out[-1])
    assert not (tmp_path / "x").exists()


def test_a_credential_in_a_case_is_pointed_out_without_being_quoted() -> None:
    found = jsonl({"input": f"use {SECRET}", "expected": "ok"})
    assert "credential" in str(found.notes[0])
    assert SECRET not in "".join(map(str, (*found.notes, *found.left_out)))


def test_two_rows_alike_get_ids_of_their_own() -> None:
    found = table("id,question,answer\nx,a,1\nx,b,2\n")
    assert [case["id"] for case in found.cases] == ["x", "x-2"]


@given(st.binary(max_size=400))
def test_no_bytes_end_an_import(data: bytes) -> None:
    for found in (table(data), lines.read(data, source="f", added=DAY)):
        assert found.cases or found.left_out


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["input", "expected", "vars", "assert", "type", "value", "expected_tools"]),
                        inner, max_size=4), max_leaves=12))  # fmt: skip
def test_no_json_ends_an_import(value: Any) -> None:
    found = jsonl(value)
    assert found.cases or found.left_out


@pytest.mark.parametrize(("assertion", "good", "bad"), [
    ({"type": "is-json", "value": {"type": "object", "required": ["a"]}}, '{"a": 1}', '{"b": 1}'),
    ({"type": "contains-json"}, "see [1]", "see 1"), ({"type": "levenshtein", "value": "hello world", "threshold": 2},
     "hello worlds", "goodbye"), ({"type": "not-equals", "value": "4"}, "5", "4"),
    ({"type": "starts-with", "value": "Dear"}, "Dear Ada", "Hi, Dear"), ({"type": "is-refusal"}, "I can't.", "Sure."),
    ({"type": "word-count", "value": {"max": 2}}, "two words", "these are more words"),
    ({"type": "assert-set", "assert": [{"type": "contains", "value": "a"}, {"type": "contains", "value": "b"}]}, "ab", "a"),
])  # fmt: skip
def test_an_assertion_means_here_what_it_means_there(assertion: dict[str, Any], good: str, bad: str) -> None:
    found = jsonl({"vars": {"q": "x"}, "assert": [assertion]})
    assert not found.left_out
    assert passes(found, good)
    assert not passes(found, bad)


def test_limits_become_limits() -> None:
    found = jsonl(
        {"vars": {"q": "x"}, "assert": [{"type": "cost", "threshold": 0.01}, {"type": "latency", "threshold": 500}]}
    )
    assert [e["kind"] for e in found.cases[0]["expectations"]] == ["cost", "latency"]
    case = sound(found).cases[0]
    answer = Answer(output="x", usage={"cost_usd": 0.005}, duration_ms=200)
    assert all(item.met for item in check_all(case, answer))
