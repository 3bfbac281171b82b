"""Over 90 days: cases that flip, that never failed, that were not run; from real runs in a real store."""

import asyncio
from pathlib import Path

from services import clock
from services.access import Person
from services.clock import DAY_MS
from services.replay import golden, history, quarantine, runs
from services.replay.gate import GateRules
from services.replay.history import CaseHistory
from services.replay.model import Trouble
from services.store import Store
from tests.services.replay.test_runs import Scripted, begin, make_set, runner


def replayed(store: Store, path: Path, *wrong: str, trouble: tuple[str, ...] = (), **more: object) -> None:
    begun = begin(store, path, **more)
    agent = Scripted(wrong=wrong, trouble={id_: Trouble(code="crashed", detail="x") for id_ in trouble})
    asyncio.run(runner(store, begun, agent).work())
    runs.conclude(store, begun.run)


def seen(store: Store, path: Path) -> dict[str, CaseHistory]:
    found = history.histories(store, golden.read(path), "scripted", clock.now_ms())
    return {item.case_id: item for item in found}


def test_a_case_that_comes_and_goes_flips_and_one_that_was_fixed_does_not(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path, 5)
    for wrong in (("c1", "c2"), ("c1",), ("c2",), ("c2",)):
        replayed(store, path, *wrong)
    found = seen(store, path)
    assert (found["c2"].state, found["c2"].flips, found["c2"].failed) == ("flips", 2, 3)
    assert (found["c1"].state, found["c1"].flips) == ("failed", 1)
    assert (found["c0"].state, found["c0"].runs, found["c0"].judged) == ("never failed", 4, 4)
    assert next(iter(found)) == "c2", "those that flip come first"


def test_repeats_that_disagree_within_a_run_flip(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path, 2)
    begun = begin(store, path, rules=GateRules(repeats=2))

    class Moody(Scripted):
        async def ask(self, line, timeout_s, *, repeat=1):  # type: ignore[no-untyped-def]
            self._wrong = ("c1",) if repeat == 2 else ()
            return await super().ask(line, timeout_s, repeat=repeat)

    made = runner(store, begun, Moody(pause_s=0))
    made.concurrency = 1
    asyncio.run(made.work())
    runs.conclude(store, begun.run)
    found = seen(store, path)
    assert (found["c1"].state, found["c1"].mixed) == ("flips", 1)
    assert found["c0"].state == "never failed"


def test_trouble_is_no_failure_and_no_flip(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path, 3)
    replayed(store, path)
    replayed(store, path, trouble=("c1",))
    replayed(store, path)
    found = seen(store, path)
    assert (found["c1"].state, found["c1"].flips, found["c1"].not_judged) == ("never failed", 0, 1)


def test_a_case_without_a_judged_try_is_not_one_that_never_failed(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path, 6)
    replayed(store, path, subset="canary", trouble=("c3",))
    found = seen(store, path)
    assert {id_ for id_, item in found.items() if item.state == "not run"} == {"c3", "c4", "c5"}


def test_what_is_older_than_90_days_or_of_another_agent_is_left_out(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path, 2)
    replayed(store, path, "c1")
    later = clock.now_ms() + 91 * DAY_MS
    set_ = golden.read(path)
    assert {h.state for h in history.histories(store, set_, "scripted", later)} == {"not run"}
    assert {h.state for h in history.histories(store, set_, "other", clock.now_ms())} == {"not run"}


def test_a_quarantine_stands_beside_its_case(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path, 2)
    by = Person(name="Eva", role="engineer", verified=True)
    quarantine.put(store, golden.read(path), "c1", owner="Ada", reason="flaky", days=3, by=by, now_ms=clock.now_ms())
    found = seen(store, path)
    assert "owner Ada: flaky" in found["c1"].held
    assert found["c0"].quarantine_id is None
    rows = history.rows(list(found.values()))
    assert set(rows[0]) == set(history.COLUMNS)
