"""A run with models as judges, in a real store: what they say of sealed answers is kept, and drift is named."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from services.replay import report, runs, trust
from services.replay.sealed import SealedWord
from services.store import Store, sealed_words
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
