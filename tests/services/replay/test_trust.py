"""A run with models as judges, in a real store: what they say of sealed answers is kept, and drift is named."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.replay import calibration, judge_llm, report, runs, start, trust
from services.replay.gate import GateRules
from services.replay.judges import RubricJudge
from services.replay.model import Answer, CriterionScore, GoldenCase, Judged
from services.replay.panel import decided
from services.replay.sealed import SealedWord
from services.settings import load
from services.store import Store, sealed_words
from services.store.replays import Run
from tests.conftest import Served
from tests.services.replay.test_judge_llm import Model
from tests.services.replay.test_runs import Scripted, begin, make_set, runner


def words(turned: int = 0, wrong: int = 0, judge: str = "m") -> tuple[SealedWord, ...]:
    """40 sealed words, half of them fails; `turned` of the fails are passed, `wrong` of the passes failed."""
    return tuple(
        SealedWord(judge=judge, judge_sha256="0" * 64, answer=f"a{n}", criterion="c", label=n < 20, score=4.0,
                   passed=wrong <= n if n < 20 else n - 20 < turned)
        for n in range(40)
    )  # fmt: skip


def run(store: Store, folder: Path, sealed: Sequence[SealedWord], wrong: tuple[str, ...] = ()) -> runs.GateResult:
    begun = begin(store, make_set(folder))
    asyncio.run(runner(store, begun, Scripted(wrong=wrong)).work())
    return runs.conclude(store, begun.run, sealed=sealed)[1]


def test_the_words_are_kept_with_the_verdict(store: Store, tmp_path: Path) -> None:
    begun = begin(store, make_set(tmp_path))
    asyncio.run(runner(store, begun, Scripted()).work())
    done, found = runs.conclude(store, begun.run, sealed=words())
    runs.conclude(store, begun.run, sealed=words())  # the second one who sees it adds nothing
    assert found.verdict == "PASS"
    with store.read() as connection:
        kept = [SealedWord(**row) for row in sealed_words.of_run(connection, done.id)]
    assert sorted(kept, key=str) == sorted(words(), key=str)
    (judge,) = report.document(done, found, None)["judge"]["sealed"]
    assert (judge["agreement"], judge["since_before"]) == (1.0, None)


def test_a_judge_that_drifts_decides_nothing_and_is_named(store: Store, tmp_path: Path) -> None:
    assert run(store, tmp_path, words()).verdict == "PASS"
    found = run(store, tmp_path, words(turned=6), wrong=("c1", "c2"))
    assert found.verdict == "INCONCLUSIVE"
    assert "Judge m became milder" in found.reasons[0]


def test_a_score_that_drops_under_an_unchanged_judge_is_the_agent_s(store: Store, tmp_path: Path) -> None:
    run(store, tmp_path, words())
    found = run(store, tmp_path, words(), wrong=("c1", "c2"))
    assert found.verdict == "BLOCK"


def test_a_judge_that_drifts_a_little_each_time_is_found(store: Store, tmp_path: Path) -> None:
    """Each step may be chance beside the last; beside the first words they add up."""
    verdicts = [run(store, tmp_path, words(turned=turned)).verdict for turned in (0, 2, 4, 6)]
    assert verdicts == ["PASS", "PASS", "PASS", "INCONCLUSIVE"]


def test_a_run_whose_judge_was_not_trusted_is_nothing_to_compare_with(store: Store, tmp_path: Path) -> None:
    assert run(store, tmp_path, words(wrong=10)).verdict == "INCONCLUSIVE"
    assert run(store, tmp_path, words()).verdict == "PASS"


def test_words_of_another_judge_or_of_long_ago_are_not_compared(store: Store, tmp_path: Path) -> None:
    run(store, tmp_path, words())
    with store.read() as connection:
        assert trust.earlier(connection, words(), 2**42) == {}
        other = [SealedWord(judge="m", judge_sha256="1" * 64, answer="a1", criterion="c", label=True, passed=True)]
        assert trust.earlier(connection, other, 0) == {}


def test_the_stored_run_says_the_same_when_it_is_read_again(store: Store, tmp_path: Path) -> None:
    run(store, tmp_path, words())
    begun = begin(store, make_set(tmp_path))
    asyncio.run(runner(store, begun, Scripted()).work())
    done, found = runs.conclude(store, begun.run, sealed=words(turned=8))
    again = runs.result(store, done)
    assert (again.verdict, again.reasons) == (found.verdict, found.reasons)


class Moody:
    """Three models behind HTTP that judge by the labels, and one of them milder once it is told to."""

    def __init__(self, serve: Callable[..., Served], labels: Sequence[Mapping[str, Any]]) -> None:
        self.is_mild = False
        self.urls = []
        for number in range(3):

            def say(question: str, number: int = number) -> Any:
                found = next(
                    (
                        i["labels"]
                        for i in labels
                        if i["case"]["title"] in question
                        and json.dumps(i["answer"]["output"], ensure_ascii=False)[:60] in question
                    ),
                    None,
                )
                good = found if found is not None else {"done": "wrong" not in question}
                mild = self.is_mild and number == 2
                return {"criteria": [{"id": k, "score": 5 if v or mild else 0, "reason": "x"} for k, v in good.items()]}

            self.urls.append(Model(serve, say).judge.endpoint.url)


def test_a_panel_over_http_to_its_verdict_and_its_drift(
    store: Store, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    models = Moody(serve, calibration.read(judge_llm.CALIBRATION))
    tables = [
        f'[[replay.judges]]\nname="j{n}"\nurl="{url}"\nmodel="m"\nkey_variable="KEY_{n}"\n'
        for n, url in enumerate(models.urls)
    ]
    (tmp_path / "greenlight.toml").write_text("".join(tables))
    settings = load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path)})

    async def go(*wrong: str) -> Run:
        judge = start.make_judge(settings, "panel")
        begun = begin(store, make_set(tmp_path))
        made = runner(store, begun, Scripted(wrong=wrong))
        made.judge = judge
        try:
            await made.work()
            done = await start.conclude_if_complete(store, begun.run, judge)
        finally:
            await judge.close()
        assert done is not None
        return done

    assert asyncio.run(go()).verdict == "PASS"
    assert asyncio.run(go("c1", "c2")).verdict == "BLOCK", "the judges are the same, so it is the agent"
    models.is_mild = True
    done = asyncio.run(go("c1", "c2"))
    assert done.verdict == "INCONCLUSIVE"
    assert any("Judge j2 became milder" in reason for reason in done.summary["reasons"])
    assert not any("j0" in reason or "j1" in reason for reason in done.summary["reasons"])
    assert done.summary["judge_agreement"] == 1, "the majority still agrees with every label"
    assert done.summary["judge_usage"]["calls"] == 3 * 40


class Split(RubricJudge):
    """Three judges in one, of whom one contradicts the others on some cases."""

    def __init__(self, dissent: Sequence[str], minority: Sequence[str]) -> None:
        super().__init__()
        self._dissent, self._minority = dissent, minority

    async def judge(self, case: GoldenCase, answer: Answer) -> Judged:
        def said(passed: bool) -> Judged:
            score = CriterionScore(id="done", score=5.0 if passed else 0.0, reason="x", critical=False, passed=passed)
            return Judged(criteria=(score,))

        alone, others = case.id in self._dissent, case.id not in self._minority
        return decided(case, {"a": said(others), "b": said(others), "c": said(others is not alone)})


def test_what_judges_disagree_on_counts_by_the_measure_of_a_go_too(store: Store, tmp_path: Path) -> None:
    """Under a gate of half, their differences decide nothing; for a Go they do, so the run proves nothing there."""
    seen: list[str] = []
    begun = begin(store, make_set(tmp_path), rules=GateRules(min_pass_rate=0.5))
    made = runner(store, begun, Scripted())
    made.judge = Split(["c1", "c2", "c3"], [])
    asyncio.run(made.work())
    done, found = runs.conclude(store, begun.run, also=lambda _c, _run, for_go: seen.append(for_go.verdict))
    assert (found.verdict, seen) == ("PASS", ["INCONCLUSIVE"])
    assert done.summary["judge_doubts"] == []
    (all_, one) = report.document(done, found, None)["judge"]["panel"]
    assert (all_["criterion"], one["criterion"], one["contested"], one["judged"]) == (None, "done", 3, 20)


def test_what_all_judges_fail_blocks_however_they_differ_elsewhere(store: Store, tmp_path: Path) -> None:
    begun = begin(store, make_set(tmp_path))
    made = runner(store, begun, Scripted())
    made.judge = Split(["c1"], ["c5", "c6", "c7"])
    asyncio.run(made.work())
    assert runs.conclude(store, begun.run)[1].verdict == "BLOCK"
