"""A/A pairs: what flips although nothing changed, with its interval, beside what the arithmetic states."""

import asyncio
from pathlib import Path

import pytest

from services.replay import aa, runs
from services.replay.model import Trouble
from services.store import Store
from tests.services.replay.test_runs import Scripted, begin, make_set, runner


def replayed(store: Store, path: Path, *wrong: str, pair: str = "p", trouble: tuple[str, ...] = ()) -> runs.Run:
    begun = begin(store, path, pair=pair)
    agent = Scripted(wrong=wrong, trouble={id_: Trouble(code="crashed", detail="x") for id_ in trouble})
    asyncio.run(runner(store, begun, agent).work())
    return runs.conclude(store, begun.run)[0]


def test_the_share_of_flips_with_its_interval_beside_the_stated_one(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path)
    first, second = replayed(store, path), replayed(store, path, "c1", "c2")
    pair = aa.of_run(store, second)
    assert pair is not None
    assert pair == aa.of_run(store, first)
    assert (pair.flipped, pair.judged, pair.flip_rate) == (("c1", "c2"), 20, 0.1)
    assert pair.verdicts == ("PASS", "BLOCK")
    assert pair.stated_rate == pytest.approx(2 * 0.95 * 0.05)
    low, high = pair.interval
    assert low < 0.1 < high
    assert "2 of 20 cases flipped: 10 %" in aa.in_words(pair)
    assert "differed in 1 of 1 pairs" in aa.verdicts_in_words([pair])


def test_what_was_not_judged_in_both_flips_nothing(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path, 4)
    replayed(store, path, trouble=("c1",))
    pair = aa.of_run(store, replayed(store, path, "c1"))
    assert pair is not None
    assert (pair.flipped, pair.judged) == ((), 3)
    everything = tuple(f"c{n}" for n in range(4))
    replayed(store, path, pair="q", trouble=everything)
    nothing = aa.of_run(store, replayed(store, path, pair="q"))
    assert nothing is not None
    assert (nothing.flip_rate, nothing.stated_rate, nothing.interval) == (None, None, (0, 1))
    assert "nothing was measured" in aa.in_words(nothing)


def test_half_a_pair_and_a_plain_run_measure_nothing(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path, 2)
    assert aa.of_run(store, replayed(store, path, pair="")) is None
    assert aa.of_run(store, replayed(store, path, pair="half")) is None
    assert aa.pairs(store, "scripted") == ()
    assert aa.verdicts_in_words(()) == ""


def test_an_agent_that_never_flips_is_stated_so(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path)
    replayed(store, path)
    pair = aa.of_run(store, replayed(store, path))
    assert pair is not None
    assert (pair.flip_rate, pair.stated_rate, pair.stated_verdicts) == (0, 0, 0)
    assert "0 of 20 cases flipped" in aa.in_words(pair)
