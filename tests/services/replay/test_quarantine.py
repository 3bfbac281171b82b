"""A flaky case is put aside by name, for days: it runs, is shown and named, and counts again by itself."""

import asyncio
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from services import clock
from services.access import Forbidden, Person
from services.clock import DAY_MS
from services.dependencies.tables import INSTALLATION
from services.evidence import chain, decisions
from services.replay import gate, golden, quarantine, report, runs
from services.replay.model import GoldenSet
from services.replay.runs import WrongRun
from services.store import Store
from services.store import quarantine as rows
from tests.services.replay.test_runs import Scripted, begin, make_set, runner

ENG = Person(name="Eva", role="engineer", verified=True)


def put(store: Store, found: GoldenSet, case: str = "c1", *, now_ms: int | None = None, days: int = 7) -> None:
    quarantine.put(store, found, case, owner="Ada", reason="It waits for a third party.", days=days, by=ENG,
                   now_ms=clock.now_ms() - 1000 if now_ms is None else now_ms)  # fmt: skip


def replayed(store: Store, path: Path, *wrong: str) -> tuple[runs.Run, gate.GateResult]:
    begun = begin(store, path)
    asyncio.run(runner(store, begun, Scripted(wrong=wrong)).work())
    return runs.conclude(store, begun.run)


def test_its_failure_blocks_nothing_and_is_named_everywhere(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path)
    put(store, golden.read(path))
    run, found = replayed(store, path, "c1")
    assert (found.verdict, found.passed, found.total, found.pass_rate) == ("PASS", 19, 19, 1.0)
    (sentence,) = [reason for reason in found.reasons if "quarantine" in reason]
    assert "c1, which failed (owner Ada: It waits for a third party)." in sentence
    doc = report.document(run, found, None)
    assert [item["case_id"] for item in doc["quarantine"]] == ["c1"]
    (case,) = [case for case in doc["cases"] if case["in_quarantine"]]
    assert (case["id"], case["state"]) == ("c1", "failed")
    assert "In quarantine until" in report.html(doc)
    assert "In quarantine, so not counted. done (" in report.html(doc)
    suite = ElementTree.fromstring(report.junit(doc)).find("testsuite")
    assert suite is not None
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert (counts, len(suite.findall("testcase"))) == (["20", "0", "0", "1"], 20)
    (skipped,) = suite.findall("testcase/skipped")
    assert skipped.get("message") == "in quarantine, so not counted: it ended as failed"
    assert runs.result(store, run).reasons == found.reasons, "read again it says the same"


def test_without_quarantine_the_same_run_blocks(store: Store, tmp_path: Path) -> None:
    assert replayed(store, make_set(tmp_path), "c1", "c2")[1].verdict == "BLOCK"


def test_a_run_that_was_begun_before_counts_the_case(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path)
    begun = begin(store, path)
    asyncio.run(runner(store, begun, Scripted(wrong=("c1", "c2"))).work())
    put(store, golden.read(path), now_ms=begun.run.created_ms + 1)
    assert runs.conclude(store, begun.run)[1].verdict == "BLOCK"


def test_too_many_in_quarantine_decide_nothing(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path)
    for case in ("c1", "c2"):
        put(store, golden.read(path), case)
    assert replayed(store, path)[1].verdict == "PASS", "2 of 20 are 10 %"
    put(store, golden.read(path), "c3")
    found = replayed(store, path)[1]
    assert found.verdict == "INCONCLUSIVE"
    assert "3 of 20 cases are in quarantine; at most 10 % may be." in found.reasons[0]
    assert replayed(store, path, "c5", "c6")[1].verdict == "BLOCK", "what is measured false still blocks"


def test_it_counts_again_when_its_day_comes_and_an_entry_says_so(store: Store, tmp_path: Path) -> None:
    path, now = make_set(tmp_path), clock.now_ms()
    put(store, golden.read(path), now_ms=now - 6 * DAY_MS, days=5)
    assert replayed(store, path, "c1", "c2")[1].verdict == "BLOCK", "at once, whether anybody attends or not"
    assert "its quarantine is over (owner Ada)" in quarantine.attend(store, now_ms=now)[0]
    assert quarantine.attend(store, now_ms=now) == ()
    with store.read() as connection:
        newest = chain.newest(connection, INSTALLATION, "confirm.quarantine")
    assert newest is not None
    assert newest.outcome == "fail"
    assert "c1 of trivial counts again" in newest.detail["note"]


def test_its_owner_is_reminded_once_before_its_end(store: Store, tmp_path: Path) -> None:
    now = clock.now_ms()
    put(store, golden.read(make_set(tmp_path)), now_ms=now, days=7)
    assert quarantine.attend(store, now_ms=now + 3 * DAY_MS) == ()
    (said,) = quarantine.attend(store, now_ms=now + 5 * DAY_MS)
    assert "Ada is to fix it" in said
    assert quarantine.attend(store, now_ms=now + 5 * DAY_MS) == ()


def test_it_is_lifted_by_name_and_can_be_put_again(store: Store, tmp_path: Path) -> None:
    path = make_set(tmp_path)
    put(store, golden.read(path))
    with pytest.raises(WrongRun, match="in quarantine already"):
        put(store, golden.read(path))
    with store.read() as connection:
        (entry,) = rows.open_ones(connection)
    quarantine.lift(store, entry.id, by=ENG, now_ms=clock.now_ms())
    with pytest.raises(WrongRun, match="ended already"):
        quarantine.lift(store, entry.id, by=ENG, now_ms=clock.now_ms())
    assert replayed(store, path, "c1", "c2")[1].verdict == "BLOCK"
    put(store, golden.read(path))
    with store.read() as connection:
        ended, again = sorted(rows.entries(connection), key=lambda e: e.id)
        assert chain.verify(connection) is None
    assert (ended.ended_by, again.ended_ms) == ("Eva", None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"case": "nope"}, "no case"), ({"owner": "\u202e"}, "owner and a reason"), ({"reason": " "}, "owner and a reason"),
        ({"days": 31}, "1 to 30 days"), ({"days": 0}, "1 to 30 days"),
    ],
)  # fmt: skip
def test_what_is_no_quarantine_is_refused(store: Store, tmp_path: Path, change: dict[str, object], said: str) -> None:
    asked = {"case": "c1", "owner": "Ada", "reason": "flaky", "days": 7} | change
    with pytest.raises(WrongRun, match=said):
        quarantine.put(store, golden.read(make_set(tmp_path)), str(asked["case"]), owner=str(asked["owner"]),
                       reason=str(asked["reason"]), days=int(str(asked["days"])), by=ENG, now_ms=1)  # fmt: skip
    with store.read() as connection:
        assert rows.entries(connection) == ()
        assert chain.newest(connection, INSTALLATION, "confirm.quarantine") is None


def critical_set(folder: Path) -> Path:
    path = make_set(folder)
    raw = json.loads(path.read_text())
    raw["cases"][1]["criteria"][0]["critical"] = True
    path.write_text(json.dumps(raw))
    return path


def test_a_critical_case_is_never_put_aside(store: Store, tmp_path: Path) -> None:
    plain = golden.read(make_set(tmp_path))
    put(store, plain)
    path = critical_set(tmp_path)  # it became critical while in quarantine
    with pytest.raises(WrongRun, match="critical criterion"):
        put(store, golden.read(path))
    found = replayed(store, path, "c1")[1]
    assert found.verdict == "BLOCK"
    assert found.quarantine == ()


def test_an_operator_may_not(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Forbidden):
        quarantine.put(store, golden.read(make_set(tmp_path)), "c1", owner="A", reason="r", days=1, now_ms=1,
                       by=Person(name="O", role="operator"))  # fmt: skip
    assert decisions.ACTIONS["quarantine"] == "quarantine"
