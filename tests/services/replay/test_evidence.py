"""What a finished run proves for a Go: held to all that a Go asks for, whatever gate it was asked with."""

import asyncio
import functools
from pathlib import Path
from typing import Any

import pytest

from services.evidence.model import Evidence
from services.replay import asking, runs
from services.replay.gate import GateRules
from services.replay.model import Answer
from services.store import Store, evidence
from tests.services.replay.test_runs import Scripted, begin, make_set, runner


def proof_of(store: Store, path: Path, agent: Scripted, rules: GateRules, **more: Any) -> tuple[str, Evidence]:
    """The run's own verdict, and what was kept as evidence."""
    begun = begin(store, path, rules=rules, environment="prod", **more)
    asyncio.run(runner(store, begun, agent).work())
    run, found = runs.conclude(store, begun.run, also=functools.partial(asking.keep_evidence, store))
    with store.read() as connection:
        kept = evidence.newest(connection, "prod", "replay.canary" if run.subset else "replay.gate")
    assert kept is not None
    return found.verdict, kept


def test_a_run_under_a_lower_gate_passes_its_own_and_proves_no_go(store: Store, tmp_path: Path) -> None:
    rules = GateRules(min_pass_rate=0.5)
    verdict, kept = proof_of(store, make_set(tmp_path), Scripted(wrong=("c1", "c2")), rules)
    assert verdict == "PASS"
    assert (kept.outcome, kept.value, kept.threshold) == ("fail", 0.9, 0.95)
    assert kept.detail["reasons"] == ["18 of 20 cases passed: 90 %; 95 % are needed."]


def test_a_case_that_passed_in_some_of_its_tries_only_counts_as_failed(store: Store, tmp_path: Path) -> None:
    class Moody(Scripted):
        async def ask(self, line: Any, timeout_s: float) -> Any:
            answer = await super().ask(line, timeout_s)
            return Answer(output="wrong") if self.asked[str(line["case_id"])] == 1 else answer

    verdict, kept = proof_of(store, make_set(tmp_path), Moody(), GateRules(repeats=3, per_case="majority"))
    assert verdict == "PASS"
    assert (kept.outcome, kept.value) == ("fail", 0.0)


@pytest.mark.parametrize("subset", ["", "canary"])
def test_a_higher_gate_stays_as_it_is(store: Store, tmp_path: Path, subset: str) -> None:
    verdict, kept = proof_of(
        store, make_set(tmp_path, 100), Scripted(wrong=("c1",)), GateRules(min_pass_rate=1.0), subset=subset
    )
    assert (verdict, kept.outcome, kept.threshold) == ("BLOCK", "fail", 1.0)


def test_a_good_run_is_a_pass(store: Store, tmp_path: Path) -> None:
    verdict, kept = proof_of(store, make_set(tmp_path), Scripted(), GateRules())
    assert (verdict, kept.outcome, kept.value, kept.threshold) == ("PASS", "pass", 1.0, 0.95)
