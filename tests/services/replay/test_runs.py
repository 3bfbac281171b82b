"""A run is in the store from its first second: shared, cancelled, resumed, scored again, compared; each answer once."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from services import clock
from services.access import local_operator
from services.dependencies.tables import INSTALLATION
from services.evidence import decisions
from services.replay import canary, golden, reliability, report, runs
from services.replay.agents import open_agent
from services.replay.gate import GateResult, GateRules
from services.replay.judges import RubricJudge
from services.replay.model import Answer, ToolCall, Trouble
from services.replay.runner import Runner
from services.replay.runs import Begun, Plan, WrongRun
from services.store import Store, replays
from services.store.replays import Run
from tests.patience import until

JUDGE = RubricJudge()


class Scripted:
    """An agent that does as it is told, and counts."""

    label = "scripted"

    def __init__(
        self, wrong: tuple[str, ...] = (), trouble: Mapping[str, Trouble] | None = None, pause_s: float = 0.001
    ) -> None:
        self.asked: Counter[str] = Counter()
        self._wrong, self._trouble, self._pause_s = wrong, dict(trouble or {}), pause_s

    async def ask(self, line: Mapping[str, Any], timeout_s: float, *, repeat: int = 1) -> Answer | Trouble:
        case_id = str(line["case_id"])
        self.asked[case_id] += 1
        await asyncio.sleep(self._pause_s)
        if case_id in self._trouble:
            return self._trouble[case_id]
        return Answer(output="wrong" if case_id in self._wrong else "done")

    async def close(self) -> None:
        return None


def make_set(folder: Path, cases: int = 20) -> Path:
    path = folder / "set.json"
    path.write_text(json.dumps({"name": "trivial", "version": "1", "cases": [
        {"id": f"c{n}", "title": "t", "category": "even" if n % 2 == 0 else "odd", "input": {"n": n}, "context": {},
         "tags": ["canary"] if n < 4 else [],
         "expectations": [{"criterion": "done", "kind": "text_contains", "all_of": ["done"]}],
         "criteria": [{"id": "done", "title": "Done", "anchors": {"0": "no", "5": "yes"}}],
         "provenance": {"source": "test", "added": "2026-11-21"}} for n in range(cases)
    ]}))  # fmt: skip
    return path


def begin(store: Store, path: Path, **more: Any) -> Begun:
    rules = more.pop("rules", GateRules())
    plan = Plan(
        golden_path=path, agent="scripted", agent_label="scripted", judge_name="rubric", judge_sha256=JUDGE.sha256,
        rules=rules, **more,
    )  # fmt: skip
    return runs.resumed(store, runs.begin(store, plan).run.id)


def runner(store: Store, begun: Begun, agent: Any, owner: str = "me", **more: Any) -> Runner:
    return Runner(
        store=store, run_id=begun.run.id, owner=owner, golden=begun.golden, agent=agent, judge=JUDGE, concurrency=4,
        timeout_s=30, **more,
    )  # fmt: skip


def verdict(store: Store, begun: Begun) -> str:
    return runs.conclude(store, begun.run)[1].verdict


def test_a_run_ends_with_every_case_asked_once(store: Store, tmp_path: Path) -> None:
    begun, agent = begin(store, make_set(tmp_path, 60)), Scripted()
    asyncio.run(runner(store, begun, agent).work())
    assert verdict(store, begun) == "PASS"
    assert set(agent.asked.values()) == {1}
    assert len(agent.asked) == 60


def test_repeats_are_asked_and_judged_apart(store: Store, tmp_path: Path) -> None:
    begun = begin(store, make_set(tmp_path), rules=GateRules(repeats=3))
    agent = Scripted(wrong=("c3",))
    asyncio.run(runner(store, begun, agent).work())
    found = runs.conclude(store, begun.run)[1]
    assert set(agent.asked.values()) == {3}
    assert (found.total, found.failed) == (20, 1)


def test_trouble_is_tried_again_only_where_the_transport_failed(store: Store, tmp_path: Path) -> None:
    begun = begin(store, make_set(tmp_path))
    agent = Scripted(trouble={
        "c1": Trouble(code="transport", detail="x", retryable=True), "c2": Trouble(code="timeout", detail="x"),
    })  # fmt: skip
    asyncio.run(runner(store, begun, agent).work())
    found = runs.conclude(store, begun.run)[1]
    assert (agent.asked["c1"], agent.asked["c2"]) == (3, 1)
    assert (found.verdict, found.errors, found.failed) == ("INCONCLUSIVE", 2, 0)


def test_two_workers_share_a_run_and_ask_nothing_twice(store: Store, tmp_path: Path) -> None:
    begun = begin(store, make_set(tmp_path, 100), runner="worker")
    agents = [Scripted(pause_s=0.02), Scripted(pause_s=0.02)]

    async def both() -> None:
        await asyncio.gather(*(runner(store, begun, a, owner=f"w{n}").work() for n, a in enumerate(agents)))

    asyncio.run(both())
    total = agents[0].asked + agents[1].asked
    assert set(total.values()) == {1}
    assert all(len(agent.asked) > 5 for agent in agents)
    assert verdict(store, begun) == "PASS"


def test_a_cancelled_run_stops_and_goes_on_where_it_was(store: Store, tmp_path: Path) -> None:
    begun, agent = begin(store, make_set(tmp_path, 200)), Scripted(pause_s=0.02)

    async def cancelled() -> str:
        work = asyncio.create_task(runner(store, begun, agent).work())
        await until(lambda: len(agent.asked) >= 10)
        with store.write() as connection:
            assert replays.cancel(connection, begun.run.id, clock.now_ms())
        return await work

    assert asyncio.run(cancelled()) == "cancelled"
    first = Counter(agent.asked)
    assert 0 < len(first) < 200
    with pytest.raises(WrongRun, match="not finished"):
        runs.conclude(store, begun.run)
    again = runs.resumed(store, begun.run.id)
    asyncio.run(runner(store, again, agent, owner="later").work())
    assert verdict(store, again) == "PASS"
    assert set(agent.asked.values()) == {1}, "what was finished is not asked again"


def test_an_unbroken_run_and_a_resumed_one_say_the_same(store: Store, tmp_path: Path) -> None:
    path, wrong = make_set(tmp_path, 60), ("c5", "c7")
    documents = []
    for broken in (False, True):
        begun = begin(store, path)
        work = runner(store, begun, Scripted(wrong=wrong, pause_s=0.01))

        async def stopped(work: Runner = work, broken: bool = broken) -> None:
            task = asyncio.create_task(work.work())
            if broken:
                await asyncio.sleep(0.05)
                work.stopping = True
            await task

        asyncio.run(stopped())
        if broken:
            begun = runs.resumed(store, begun.run.id)
            asyncio.run(runner(store, begun, Scripted(wrong=wrong), owner="b").work())
        run, found = runs.conclude(store, begun.run)
        doc = report.document(run, found, None)
        documents.append([(c["id"], c["state"], c["score"], c["criteria"]) for c in doc["cases"]])
    assert documents[0] == documents[1]


def test_who_takes_from_the_end_leaves_the_beginning_to_those_who_walk_from_there(store: Store, tmp_path: Path) -> None:
    begun = begin(store, make_set(tmp_path, 10))
    with store.write() as connection:
        taken = replays.claim(connection, begun.run.id, "a", limit=3, now_ms=0, lease_ms=1000, from_the_end=True)
        step = replays.claim(connection, begun.run.id, "b", limit=1, now_ms=0, lease_ms=1000, share=(0, 0))
    assert ([c.position for c in taken], [c.position for c in step]) == ([7, 8, 9], [0])


def test_a_piece_whose_lease_was_lost_has_one_result(store: Store, tmp_path: Path) -> None:
    begun = begin(store, make_set(tmp_path, 2), runner="worker")
    with store.write() as connection:
        replays.claim(connection, begun.run.id, "slow", limit=2, now_ms=0, lease_ms=1)
        taken = replays.claim(connection, begun.run.id, "quick", limit=2, now_ms=10, lease_ms=10_000)
        assert len(taken) == 2
        done = [replays.Finished(position=0, outcome="failed", body="late")]
        replays.finish(connection, begun.run.id, "slow", done)
        replays.finish(connection, begun.run.id, "quick", [replays.Finished(position=0, outcome="passed", body="{}")])
        assert replays.counts(connection, begun.run.id) == {"passed": 1, "running": 1}


def test_scoring_again_asks_nobody(store: Store, tmp_path: Path) -> None:
    begun, agent = begin(store, make_set(tmp_path), rules=GateRules()), Scripted(wrong=("c1", "c2"))
    asyncio.run(runner(store, begun, agent).work())
    assert verdict(store, begun) == "BLOCK"
    asked = sum(agent.asked.values())
    run, found = runs.rescore(store, begun.run.id, by=local_operator("test"))
    assert (found.verdict, run.verdict, sum(agent.asked.values())) == ("BLOCK", "BLOCK", asked)


def test_beside_its_baseline_a_run_says_what_flipped_and_whether_it_is_real(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path)
    first = begin(store, path)
    asyncio.run(runner(store, first, Scripted()).work())
    runs.conclude(store, first.run)
    runs.promote(store, first.run.id, by=local_operator("Ada"))
    with store.read() as connection:
        chosen = decisions.newest(connection, INSTALLATION, "baseline")
    assert chosen is not None, "a decision, with its name, in the chain"
    assert (chosen.by, chosen.verified, chosen.detail["run_id"]) == ("Ada", False, first.run.id)
    for wrong, real in ((("c1",), False), (tuple(f"c{n}" for n in range(8)), True)):
        begun = begin(store, path)
        asyncio.run(runner(store, begun, Scripted(wrong=wrong)).work())
        run, found = runs.conclude(store, begun.run)
        compared = runs.compared(store, run, found)
        assert compared is not None
        assert set(compared.flipped_worse) == set(wrong)
        assert ("The drop is real" in compared.in_words) is real
        assert compared.by_criterion["done"] == pytest.approx(-5 * len(wrong) / 20)


def test_another_golden_set_is_never_compared_without_saying_so(store: Store, tmp_path: Path) -> None:
    first = begin(store, make_set(tmp_path, 20))
    asyncio.run(runner(store, first, Scripted()).work())
    runs.conclude(store, first.run)
    second = begin(store, make_set(tmp_path, 21))
    asyncio.run(runner(store, second, Scripted()).work())
    run, found = runs.conclude(store, second.run)
    compared = runs.compared(store, run, found, first.run.id)
    assert compared is not None
    assert not compared.comparable
    assert "golden set changed" in compared.in_words


def test_choices_without_cases_are_refused(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path)
    assert begin(store, path, subset="canary").run.total == 4
    assert begin(store, path, cases=("c1", "c1", "c2")).run.total == 2
    for more, says in (({"subset": "nope"}, "No case carries"), ({"cases": ("nope",)}, "no case 'nope'")):
        with pytest.raises(WrongRun, match=says):
            begin(store, path, **more)
    with pytest.raises(WrongRun, match="There is no run"):
        runs.resumed(store, "nope")
    with pytest.raises(WrongRun, match="Only a finished run"):
        runs.promote(store, begin(store, path).run.id, by=local_operator("x"))


def test_the_real_agent_through_a_real_process(store: Store) -> None:
    begun = begin(store, golden.DEFAULT, subset="canary")

    async def go() -> None:
        agent = open_agent("reference", concurrency=4)
        try:
            await runner(store, begun, agent).work()
        finally:
            await agent.close()

    asyncio.run(go())
    assert verdict(store, begun) == "PASS"


def canary_run(verdict_: str, critical: tuple[str, ...] = ()) -> replays.Run:
    return replays.Run(
        id="r", created_ms=0, runner="worker", requested_by="x", agent="a", options={}, golden_name="g", golden_sha256="s",
        judge_sha256="j", total=12, verdict=verdict_, summary={"critical_failures": list(critical)}, state="done",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("newest_first", "on"),
    [
        ([], False),
        (["PASS"], False),
        (["BLOCK", "PASS"], False),
        (["BLOCK", "BLOCK", "PASS"], True),
        (["BLOCK", "INCONCLUSIVE", "BLOCK"], True),
        (["PASS", "BLOCK", "BLOCK"], False),
        (["INCONCLUSIVE"], False),
    ],
)
def test_the_canary_alarms_after_two_failures_in_a_row(newest_first: list[str], on: bool) -> None:
    assert canary.alarm([canary_run(v) for v in newest_first]).on is on


def test_a_critical_failure_alarms_at_once() -> None:
    assert canary.alarm([canary_run("BLOCK", ("c1: safety",)), canary_run("PASS")]).on


def test_the_canary_states_its_false_alarms() -> None:
    assert "about every" in canary.false_alarms(12, 0.95, 60)


def test_a_verdict_and_what_belongs_to_it_are_written_together_and_once(store: Store, tmp_path: Path) -> None:
    begun = begin(store, make_set(tmp_path))
    asyncio.run(runner(store, begun, Scripted()).work())

    def fails(_connection: Connection, _run: Run, _for_go: GateResult) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        runs.conclude(store, begun.run, also=fails)
    with store.read() as connection:
        assert replays.state_of(connection, begun.run.id) == "running"
    written: list[str] = []
    for _ in range(2):
        run, _ = runs.conclude(store, begun.run, also=lambda _connection, run, _for_go: written.append(run.verdict))
        assert run.state == "done"
    assert written == ["PASS"]


def test_pass_hat_is_told_for_each_k_with_intervals_and_why_a_try_failed(store: Store, tmp_path: Path) -> None:
    class Flaky(Scripted):
        async def ask(self, line: Mapping[str, Any], timeout_s: float, *, repeat: int = 1) -> Answer | Trouble:
            number = int(str(line["case_id"])[1:])
            return Answer(output="done" if repeat > number else "wrong")

    begun = begin(store, make_set(tmp_path, 3), rules=GateRules(repeats=3))
    asyncio.run(runner(store, begun, Flaky()).work())
    run, found = runs.conclude(store, begun.run)
    doc = report.document(run, found, None)
    # c0 is right in 3 of 3 tries, c1 in 2, c2 in 1: (3/3 + 2/3 + 1/3) / 3, (1 + C(2,2)/C(3,2) + 0) / 3, (1 + 0 + 0) / 3
    assert doc["pass_hat"] == pytest.approx({"1": 2 / 3, "2": 4 / 9, "3": 1 / 3})
    for k, (low, high) in doc["pass_hat_intervals"].items():
        assert low < doc["pass_hat"][k] < high
    tries = next(case for case in doc["cases"] if case["id"] == "c1")["repeats"]
    assert [each["passed"] for each in tries] == [False, True, True]
    assert tries[0]["reasons"] == [{"criterion": "done", "asked": 'text_contains {"all_of": ["done"]}',
                                    "found": "the text lacks 'done'"}]  # fmt: skip
    assert "pass^3 33.33 %" in reliability.in_words(doc)


class Talking(Scripted):
    """Answers each turn with its number and how much was said before."""

    async def ask(self, line: Mapping[str, Any], timeout_s: float, *, repeat: int = 1) -> Answer | Trouble:
        self.asked[str(line["case_id"])] += 1
        turn = line.get("turn", 1)
        if (trouble := self._trouble.get(f"{line['case_id']}/{turn}")) is not None:
            return trouble
        said = len(line.get("history", ()))
        return Answer(output=f"turn {turn}, {said} before: {line['input'].get('text', '')}", usage={"tokens": 2},
                      tool_calls=(ToolCall(tool=f"tool{turn}", arguments={}),))  # fmt: skip


def test_a_conversation_is_asked_turn_by_turn_with_what_was_said_before(store: Store, tmp_path: Path) -> None:
    raw = json.loads(make_set(tmp_path, 2).read_text())
    case = raw["cases"][0]
    case["turns"] = [{"text": "and then?"}, {"text": "bye"}]
    case["expectations"] = [{"criterion": "done", **each} for each in (
        {"kind": "text_contains", "all_of": ["turn 3, 2 before: bye"]},
        {"kind": "text_contains", "all_of": ["turn 2, 1 before"], "turn": 2},
        {"kind": "text_contains", "all_of": ["turn 1"], "turn": "any"},
        {"kind": "text_contains", "all_of": ["before"], "turn": "every"},
        {"kind": "tool_order", "tools": ["tool1", "tool2", "tool3"]},
        {"kind": "call_count", "max": 1, "turn": "every"}, {"kind": "tokens", "max_tokens": 6},
    )]  # fmt: skip
    (tmp_path / "set.json").write_text(json.dumps(raw))
    begun = begin(store, tmp_path / "set.json")
    asyncio.run(runner(store, begun, Talking()).work())
    _, found = runs.conclude(store, begun.run)
    first = found.cases[0].outcomes[0]
    assert first.answer is not None
    assert first.judged is not None
    assert [c.reason for c in first.judged.criteria if c.passed is False] == []
    assert len(first.answer.turns) == 3
    second = found.cases[1].outcomes[0]
    assert second.answer is not None
    assert second.answer.turns == ()


def test_trouble_in_a_turn_is_an_error_of_the_case_at_that_turn(store: Store, tmp_path: Path) -> None:
    raw = json.loads(make_set(tmp_path, 1).read_text())
    raw["cases"][0]["turns"] = [{"text": "and then?"}]
    (tmp_path / "set.json").write_text(json.dumps(raw))
    begun = begin(store, tmp_path / "set.json")
    agent = Talking(trouble={"c0/2": Trouble(code="crashed", detail="it ended")})
    asyncio.run(runner(store, begun, agent).work())
    _, found = runs.conclude(store, begun.run)
    trouble = found.cases[0].outcomes[0].trouble
    assert trouble is not None
    assert trouble.detail == "turn 2: it ended"
