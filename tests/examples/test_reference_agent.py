"""The reference agent passes honestly, knows no case, and each of its weaknesses is caught where it shows."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from examples.swarm.agent.degrade import NAMES, Weakness, named
from examples.swarm.agent.engine import answer
from examples.swarm.traced import traced
from runtime.envelope import EnvelopeFile
from services.replay import golden, rubric
from services.replay.gate import GateResult, GateRules, decide
from services.replay.model import Answer, GoldenCase, Outcome, ToolCall

CASES = golden.read(golden.DEFAULT).cases


def said(case: GoldenCase, weakness: Weakness | None = None, id_: str | None = None) -> Answer:
    reply = answer({"case_id": id_ or case.id, "input": case.input, "context": case.context}, weakness)
    return Answer(output=reply["output"], tool_calls=tuple(ToolCall(**call) for call in reply["tool_calls"]))


def replayed(weakness: Weakness | None = None) -> GateResult:
    outcomes = [
        Outcome(
            case_id=case.id, repeat=1, category=case.category, judged=rubric.judge(case, said(case, weakness)),
            answer=None, trouble=None, duration_ms=1, attempts=1,
        )
        for case in CASES
    ]  # fmt: skip
    return decide(outcomes, [case.id for case in CASES], GateRules())


def test_it_passes_its_gate() -> None:
    assert replayed().verdict == "PASS"


CAUGHT = {
    "lenient": ("lead-", "decision"), "guesses": ("unclear-", "decision"), "skips_approval": ("send-", "safety"),
    "ignores_limits": ("limit-", "safety"), "ignores_unsubscribe": ("priv-", "decision"),
    "obeys_injection": ("inject-", "safety"), "leaks": ("priv-", "safety"), "english_only": ("lang-", "language"),
    "no_retry": ("tool-", "actions"), "invents": ("reply-", "decision"), "forgets_open_items": ("meet-", "content"),
    "misroutes": ("route-", "actions"),
}  # fmt: skip


@pytest.mark.parametrize("weakness", NAMES)
def test_each_weakness_is_caught_in_the_right_cases_by_the_right_criterion(weakness: str) -> None:
    found = replayed(named(weakness))
    assert found.verdict == "BLOCK"
    prefix, criterion = CAUGHT[weakness]
    failed = {case.id: case for case in found.cases if case.state == "failed"}
    hit = [case for id_, case in failed.items() if id_.startswith(prefix)]
    assert hit
    blamed = {c.id for case in hit for o in case.outcomes if o.judged for c in o.judged.criteria if c.passed is False}
    assert criterion in blamed


def test_it_knows_no_case_by_its_id() -> None:
    for case in CASES:
        assert said(case, id_="renumbered-4711") == said(case)


def test_its_code_holds_no_case() -> None:
    from pathlib import Path

    code = "".join(p.read_text() for p in Path("examples/swarm/agent").glob("*.py"))
    for case in CASES:
        assert case.id not in code
        company = case.context.get("lead", {}).get("company") or case.context.get("account", {}).get("name")
        assert company is None or company not in code


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub("|".join(map(re.escape, names)), lambda m: names[m.group()], value)
    if isinstance(value, dict):
        return {k: _renamed(v, names) for k, v in value.items()}
    return [_renamed(v, names) for v in value] if isinstance(value, list) else value


def test_reworded_cases_still_work() -> None:
    """Other people, companies, ids and amounts: the agent works from what it is given."""
    names = {
        "Nordfracht AG": "Südkurier SE", "Mara Lindqvist": "Ella Sand", "mara.lindqvist@": "ella.sand@",
        "Nora Falk": "Omar Reis", "1,200 euros": "990 euros", "Frankfurt": "Zurich", "14 days": "30 days",
        "Bergbahn AG": "Talbahn SA", "A-9": "A-77", "L-4101": "L-9", "Lena": "Petra",
    }  # fmt: skip
    for case in CASES:
        fresh = golden.case_of(_renamed(_raw(case), names))
        judged = rubric.judge(fresh, said(fresh))
        assert judged.passed, (case.id, [c.reason for c in judged.criteria if not c.passed])


def _raw(case: GoldenCase) -> dict[str, Any]:
    return {
        "id": case.id, "title": case.title, "category": case.category, "input": copy.deepcopy(dict(case.input)),
        "context": copy.deepcopy(dict(case.context)), "expectations": copy.deepcopy(list(case.expectations)),
        "criteria": [{"id": c.id, "title": c.title, "anchors": {}, "critical": c.critical, "pass_at": c.pass_at} for c in case.criteria],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "decision"),
    [
        ({"input": {"task": "qualify_lead"}, "context": {"icp": {"industries": ["Energy"], "regions": ["UK"], "titles": ["CEO"]},
          "lead": {"company": "Unseen plc", "industry": "energy", "employees": 5, "region": "uk", "title": "CEO"}}}, "qualified"),
        ({"input": {"task": "send_email"}, "context": {"draft": {"id": "q"}, "approval": {"status": "granted"},
          "limits": {"cost": 3, "budget_left": 2}}}, "deferred"),
        ({"input": {"task": "handle_email"}, "context": {"email": {"from": "a@b", "body": "Please opt me out."}}}, "unsubscribed"),
        ({"input": {"task": "fly"}, "context": {}}, "refused"),
        ({}, "refused"),
    ],
)  # fmt: skip
def test_unseen_cases_are_decided_by_the_rules(line: dict[str, Any], decision: str) -> None:
    assert answer(line)["output"]["decision"] == decision


def test_what_the_agent_does_for_a_case_is_traced_within_the_trace_that_it_is_asked_in(tmp_path: Path) -> None:
    file, trace = EnvelopeFile(path=tmp_path / "t.jsonl"), "ab" * 16
    found = {"usage": {"input_tokens": 3, "output_tokens": 4},
             "tool_calls": [{"tool": "crm", "arguments": {"id": 1}, "status": "ok"}]}  # fmt: skip
    assert traced({}, f"00-{trace}-{'cd' * 8}-01", file, "demo", "v1", lambda _line: found) == found
    agent, tool = (json.loads(line) for line in file.path.read_text().splitlines())
    assert (agent["trace_id"], tool["trace_id"], tool["parent_id"]) == (trace, trace, agent["span_id"])
    assert (agent["input_tokens"], tool["tool"], tool["function"]) == (3, "crm", "answer-case")
    traced({}, "nonsense", file, "demo", "v1", lambda _line: found)
    assert json.loads(file.path.read_text().splitlines()[-1])["trace_id"] != trace
