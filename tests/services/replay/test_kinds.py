"""The table of kinds: its examples do what they say, and the published files are made from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from services.errors import SettingsError
from services.paths import ROOT
from services.replay import golden, kinds
from services.replay.agents import read_reply
from services.replay.code import CheckStopped
from services.replay.expectations import KINDS, check_all
from services.replay.kinds import Example, Kind
from services.replay.model import Answer, GoldenCase

EXAMPLES = [(kind, example) for kind in kinds.KINDS.values() for example in kind.examples]
NAMED = [f"{kind.name}-{number}" for kind in kinds.KINDS.values() for number in range(len(kind.examples))]
ANCHORS = {"0": "no", "5": "yes"}


def case_with(
    *expectations: Mapping[str, Any], context: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {"id": "c", "title": "c", "category": "c", "input": {"text": "x"}, "context": dict(context or {}),
            "expectations": [{"criterion": "k", **each} for each in expectations],
            "criteria": [{"id": "k", "title": "k", "anchors": ANCHORS}],
            "provenance": {"source": "x", "added": "2026-12-01"}, **more}  # fmt: skip


def read_case(raw: Mapping[str, Any], files: Mapping[str, str] | None = None) -> GoldenCase:
    found = {"name": "x", "version": "v1", "cases": [raw], **({"files": files} if files else {})}
    return golden.parse(found, "x").cases[0]


def answer_of(line: Mapping[str, Any]) -> Answer:
    from dataclasses import replace

    found = read_reply(dict(line), "c")
    assert isinstance(found, Answer), found
    return replace(found, duration_ms=line.get("duration_ms"))


def met(case: GoldenCase, line: Mapping[str, Any]) -> bool:
    return all(checked.met for checked in check_all(case, answer_of(line)))


def refused(*expectations: Mapping[str, Any], **more: Any) -> str:
    with pytest.raises(SettingsError) as error:
        read_case(case_with(*expectations, **more))
    return str(error.value)


@pytest.mark.parametrize(("kind", "example"), EXAMPLES, ids=NAMED)
def test_each_example_is_sound_and_does_what_it_says(kind: Kind, example: Example) -> None:
    case = read_case(case_with(example.expectation, context=kind.context), kind.code)
    assert met(case, example.meets)
    assert not met(case, example.misses)


def test_every_kind_has_two_examples_and_a_check() -> None:
    assert set(kinds.KINDS) == set(KINDS)
    assert all(len(kind.examples) == 2 for kind in kinds.KINDS.values())


def test_the_published_schema_and_table_are_made_from_it() -> None:
    assert json.loads(golden.SET_SCHEMA.read_text()) == kinds.set_schema(), (
        "run python -m services.replay.kinds --schema"
    )
    assert kinds.docs() in (ROOT / "golden" / "README.md").read_text(), "run python -m services.replay.kinds --docs"


@pytest.mark.parametrize(("expectation", "what"), [
    ({"kind": "contains_number"}, "$.cases[0].expectations[0]"),
    ({"kind": "contains_number", "value": 1, "regex": "x"}, "regex: is no field of contains_number"),
    ({"kind": "any_of", "options": [[{"kind": "refusal"}], [{"kind": "nothing"}]]}, "options[1][0].kind: is not known"),
    ({"kind": "any_of", "options": [[{"kind": "refusal"}], [{"kind": "text_contains", "regex": ".*"}]]},
     "options[1][0].regex: matches every text"),
    ({"kind": "any_of", "options": [[{"kind": "refusal"}], [{"kind": "refusal", "criterion": "k"}]]}, "options[1][0]"),
    ({"kind": "any_of", "options": [[{"kind": "refusal"}], [{"kind": "cost"}]]}, "expectations[0].options"),
    ({"kind": "tool_required", "tool": "x", "arguments": {"a": 1}, "unordered": True}, "unordered: is read with"),
    ({"kind": "tool_required", "tool": "x", "match": "deep", "arguments": {"a": {"$any": True}}}, "can't fail"),
    ({"kind": "tool_required", "tool": "x", "match": "deep", "arguments": {"a": {"$regex": "("}}}, "$regex"),
    ({"kind": "final_writes", "writes": [], "read_only": ["*"]}, "names everything"),
    ({"kind": "final_writes", "writes": [], "read_only": ["?*"]}, "names everything"),
    ({"kind": "final_writes", "writes": [{"tool": "get_x"}], "read_only": ["get_*"]}, "no answer can pass"),
    ({"kind": "tool_required", "tool": "x", "match": "deep", "arguments": {"a": 1}, "ignore": ["**"]}, "names everything"),
    ({"kind": "final_writes", "writes": [{"tool": "x", "match": "deep", "arguments": {"a": 1}, "ignore": ["*"]}]},
     "writes[0].ignore: names everything"),
    ({"kind": "end_state", "has": {"a": 1}, "ignore": ["**"]}, "names everything"),
    ({"kind": "end_state", "has": {"a": [{"$any_of": []}]}}, "no answer can pass"),
    ({"kind": "tool_required", "tool": "x", "match": "deep", "arguments": {"a": {"$any_of": []}}}, "no answer can pass"),
    ({"kind": "contains_number", "value": 12, "tolerance": 12}, "nearly every number passes"),
    ({"kind": "contains_number", "value": 12, "tolerance": 1e308}, "tolerance"),
    ({"kind": "similar", "to": ["x"], "ratio": 1e-9}, "ratio"),
    ({"kind": "tool_at_most", "tool": "x", "n": 10**9}, "n"),
    ({"kind": "call_count", "min": 0}, "can't fail"),
    ({"kind": "call_count", "min": 3, "max": 2}, "is above max"),
    ({"kind": "end_state", "is": 1, "has": 2}, "is asked for beside"),
    ({"kind": "end_state", "has": {}}, "can't fail"),
    ({"kind": "similar", "to": ["x"], "ratio": 2}, "ratio"),
    ({"kind": "json_in_text", "schema": {}}, "can't fail"),
    ({"kind": "python", "file": "../x.py"}, "file"),
    ({"kind": "python", "file": "checks.py"}, "was not read with the set"),
    ({"kind": "refusal", "turn": 2}, "is 2, but this case has 1"),
    ({"kind": "refusal", "weight": 0}, "weight"),
])  # fmt: skip
def test_what_can_not_fail_or_is_of_the_wrong_form_is_refused_with_its_place(
    expectation: Mapping[str, Any], what: str
) -> None:
    assert what in refused(expectation)


def test_what_may_not_be_said_may_be_said_in_no_turn() -> None:
    case = read_case(case_with({"kind": "text_forbidden", "any_of": ["secret"]},
                               {"kind": "no_personal_data", "paths": ["mail"]}, context={"mail": "jo@example.com"}))  # fmt: skip
    leaks = (Answer(output="the secret"), Answer(output="to jo@example.com"))
    for leak in leaks:
        whole = Answer(output="bye", turns=(leak, Answer(output="bye")))
        assert not all(checked.met for checked in check_all(case, whole))
    fine = Answer(output="bye", turns=(Answer(output="hi"), Answer(output="bye")))
    assert all(checked.met for checked in check_all(case, fine))


def test_a_check_that_prints_without_end_is_stopped_before_it_fills_memory(with_code: Path) -> None:
    (with_code.parent / "checks.py").write_text(
        "def check(case, answer):\n    while True:\n        print('x' * 10**6)\n"
    )
    with pytest.raises(CheckStopped, match="failed"):
        check_all(golden.read(with_code).cases[0], Answer(output="x"))


def test_what_a_check_started_does_not_outlive_it(with_code: Path, tmp_path: Path) -> None:
    child = f"import time; time.sleep(3); open({str(tmp_path / 'alive')!r}, 'w')"
    (with_code.parent / "checks.py").write_text(
        f"import subprocess, sys\ndef check(case, answer):\n    subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "    return True\n"
    )
    assert all(checked.met for checked in check_all(golden.read(with_code).cases[0], Answer(output="x")))
    import time

    time.sleep(4)
    assert not (tmp_path / "alive").exists()


def test_weights_decide_where_the_set_says_so() -> None:
    from services.replay import rubric

    raw = case_with({"kind": "refusal", "weight": 9}, {"kind": "text_contains", "all_of": ["sorry"]})
    raw["criteria"][0]["passes"] = "weighted"
    judged = rubric.judge(read_case(raw), Answer(output="I can't."))
    assert judged.criteria[0].score == pytest.approx(4.5)
    assert judged.passed
    assert not rubric.judge(read_case(raw), Answer(output="sorry")).passed
    raw["criteria"][0]["passes"] = "share"
    assert not rubric.judge(read_case(raw), Answer(output="I can't.")).passed


@pytest.fixture
def with_code(tmp_path: Path) -> Path:
    raw = {"name": "x", "version": "v1", "cases": [case_with({"kind": "python", "file": "checks.py", "timeout_s": 20})]}
    (tmp_path / "set.json").write_text(json.dumps(raw))
    (tmp_path / "checks.py").write_text(
        "def check(case, answer):\n    return answer['output'] == case['input']['text']\n"
    )
    return tmp_path / "set.json"


def test_a_team_s_own_check_is_part_of_the_set(with_code: Path) -> None:
    before = golden.read(with_code)
    assert met(before.cases[0], {"output": "x"})
    assert not met(before.cases[0], {"output": "y"})
    kept = json.loads(golden.canonical(golden.raw(with_code)))
    (with_code.parent / "checks.py").write_text("def check(case, answer):\n    return True\n")
    assert golden.read(with_code).sha256 != before.sha256, "a changed check is a changed set"
    assert golden.parse(kept, "a kept run").sha256 == before.sha256, "a run keeps the code that judged it"
    assert not met(golden.parse(kept, "a kept run").cases[0], {"output": "y"})


@pytest.mark.parametrize(("code", "why"), [
    ("def check(case, answer):\n    raise ValueError('token=abc123secret')\n", "failed: ValueError"),
    ("def check(case, answer):\n    return 'yes'\n", "returns True or False"),
    ("x = 1\n", "failed: KeyError"),
    ("import sys\nsys.exit(3)\n", "it wrote nothing"),
    ("def check(case, answer):\n    import os\n    return len(os.environ.get('PLANTED_SECRET', '')) > 0, str(dict(os.environ))\n",
     ""),
])  # fmt: skip
def test_a_check_that_breaks_is_no_answer_s_fault_and_sees_no_secret(
    with_code: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    monkeypatch.setenv("PLANTED_SECRET", "planted-4711")
    (with_code.parent / "checks.py").write_text(code)
    case = golden.read(with_code).cases[0]
    if not why:
        (found,) = check_all(case, Answer(output="x"))
        assert not found.met
        assert "planted" not in found.why
        return
    with pytest.raises(CheckStopped, match=why) as stopped:
        check_all(case, Answer(output="x"))
    assert "abc123secret" not in str(stopped.value)


def test_a_check_that_does_not_end_is_stopped(with_code: Path) -> None:
    (with_code.parent / "checks.py").write_text("def check(case, answer):\n    while True:\n        pass\n")
    raw = golden.raw(with_code)
    raw["cases"][0]["expectations"][0]["timeout_s"] = 0.5
    with pytest.raises(CheckStopped, match="took longer than"):
        check_all(golden.parse(raw, "x").cases[0], Answer(output="x"))


@pytest.mark.parametrize(("make", "what"), [
    (lambda folder: (folder / "checks.py").unlink(), "can't be read"),
    (lambda folder: (folder / "checks.py").write_text("def ("), "is no Python"),
    (lambda folder: ((folder / "checks.py").unlink(), (folder / "checks.py").symlink_to("/etc/hostname")), "outside"),
])  # fmt: skip
def test_code_comes_from_the_set_s_folder_alone(with_code: Path, make: Any, what: str) -> None:
    make(with_code.parent)
    with pytest.raises(SettingsError, match=what):
        golden.read(with_code)


def test_code_within_the_set_s_file_is_not_run(with_code: Path) -> None:
    raw = json.loads(with_code.read_text()) | {"files": {"checks.py": "def check(case, answer):\n    return True\n"}}
    with_code.write_text(json.dumps(raw))
    assert not met(golden.read(with_code).cases[0], {"output": "y"}), "the file beside it counts"
