"""The count of a drill: what the lines prove, and nothing that they don't, whoever else wrote there."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.deploys.drill import Ended, judge
from services.deploys.drill import count as counted
from services.deploys.drill import marks as read
from services.deploys.drill_record import readiness_gap_s
from services.store.spans import ENVIRONMENT, Span

ID = "d" * 16
OLD, NEW = 1000.0, 5.0  # ages of processes: one from long before the drill, one started in it


def line(step: int, phase: str, at: float, *, up_s: float = OLD, attempt: str = "", **other: Any) -> bytes:
    found = {"id": ID, "run": "r", "step": step, "attempt": attempt or f"a{step}", "phase": phase, "worker": "w",
             "up_s": up_s, "at": at}  # fmt: skip
    return json.dumps(found | other).encode()


# Two steps and the closing one: deployed in the first, the rest by a new process.
WHOLE = (
    line(1, "begin", 100.0), line(1, "end", 110.0),
    line(2, "begin", 110.4, up_s=NEW), line(2, "end", 130.4, up_s=25.0),
    line(3, "begin", 130.5, up_s=25.1), line(3, "end", 130.5, up_s=25.1),
)  # fmt: skip


def result(*lines: bytes, run: Ended = "completed", steps: int = 3) -> tuple[str, str]:
    found = judge(counted(read(lines, ID, steps), steps), run, gap_s=5)
    assert found.advice.what
    assert bool(found.advice.fix) == (found.outcome != "pass")
    return found.outcome, found.code


def test_nothing_lost_nothing_twice_and_a_new_process_passes() -> None:
    assert result(*WHOLE) == ("pass", "drill.passed")
    assert counted(read(WHOLE, ID, 3), 3).gap_s == pytest.approx(0.4)


def test_a_body_that_began_twice_fails_whether_its_first_end_is_there_or_not() -> None:
    again = line(1, "begin", 104.0, attempt="b", up_s=1)
    assert result(WHOLE[0], again, *WHOLE[1:]) == ("fail", "drill.twice")
    assert result(WHOLE[0], again, line(1, "end", 114.0, attempt="b"), *WHOLE[2:]) == ("fail", "drill.twice")
    assert "step 1 began" in judge(counted(read((*WHOLE, again), ID, 3), 3), "completed", gap_s=5).advice.what


def test_an_end_whose_begin_is_missing_is_a_body_too() -> None:
    assert result(*WHOLE, line(2, "end", 131.0, attempt="other")) == ("fail", "drill.twice")


@pytest.mark.parametrize("missing", range(1, 6, 2))
def test_a_step_without_its_end_is_lost(missing: int) -> None:
    assert result(*(x for n, x in enumerate(WHOLE) if n != missing), run="open") == ("fail", "drill.lost")


def test_a_run_that_failed_fails_though_every_step_ended() -> None:
    assert result(*WHOLE, run="failed") == ("fail", "drill.run_failed")


def test_a_pause_beyond_the_limit_fails() -> None:
    late = [json.loads(x) | {"at": json.loads(x)["at"] + 10} for x in WHOLE[2:]]
    assert result(*WHOLE[:2], *(json.dumps(x).encode() for x in late)) == ("fail", "drill.gap")


def test_no_deploy_while_it_ran_proves_nothing() -> None:
    old = [json.dumps(json.loads(x) | {"up_s": OLD}).encode() for x in WHOLE]
    assert result(*old) == ("unknown", "drill.no_deploy")


@pytest.mark.parametrize("run", ["open", "unread"])
def test_a_run_whose_end_is_not_known_is_no_pass(run: Ended) -> None:
    assert result(*WHOLE, run=run) == ("unknown", f"drill.run_{run}")


def test_one_event_that_started_two_runs_is_named() -> None:
    assert result(*WHOLE, line(3, "end", 131.0, attempt="a3", run="r2"), run="completed")[0] == "pass", "the same body"
    other = [json.dumps(json.loads(x) | {"run": "r2"}).encode() for x in WHOLE[4:]]
    assert result(*WHOLE[:4], *other) == ("unknown", "drill.runs")


def test_a_line_that_was_taken_twice_is_one() -> None:
    assert result(*(x for x in WHOLE for _ in range(2))) == ("pass", "drill.passed")


def test_lines_of_other_drills_and_what_was_torn_before_are_left_out() -> None:
    other = json.dumps(json.loads(WHOLE[0]) | {"id": "e" * 16}).encode()
    assert result(b'{"id": "to', b"", other, *WHOLE, other) == ("pass", "drill.passed")


HOSTILE = [
    b'{"id": "' + ID.encode(), b"null", b"[]", b"[" * 5000, b"\xff\xfe", b"x" * 5000, b'{"id": 7}',
    line(0, "begin", 1.0), line(99, "begin", 1.0), line(True, "begin", 1.0), line(1, "again", 1.0),
    line(1, "begin", float("nan")), line(1, "begin", -1.0), line(1, "begin", 1.0, worker=""), line(1, "end", 1.0, run=3),
    line(1, "begin", 1.0, up_s="x"),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize("torn", HOSTILE)
def test_what_cant_be_read_is_never_a_pass_and_never_a_crash(torn: bytes) -> None:
    assert result(*WHOLE[:3], torn, *WHOLE[3:]) == ("unknown", "drill.unread")
    assert result(*WHOLE[:3], torn, *WHOLE[4:], run="open") == ("unknown", "drill.unread"), (
        "the end may be what was torn"
    )


def test_a_clock_that_was_set_back_makes_pauses_unknown() -> None:
    back = [json.dumps(json.loads(x) | {"at": json.loads(x)["at"] - 60}).encode() for x in WHOLE[2:]]
    assert result(*WHOLE[:2], *back) == ("unknown", "drill.clock")
    assert result(*WHOLE[::-1]) == ("unknown", "drill.clock"), "out of order"


def test_no_line_at_all_is_lost_work_and_no_crash() -> None:
    assert result(run="open") == ("fail", "drill.lost")
    assert counted(read((), ID, 3), 3).gap_s is None


@pytest.mark.fuzz
@given(st.lists(st.one_of(st.sampled_from([*WHOLE, *HOSTILE]), st.binary(max_size=60))))
def test_only_a_whole_set_of_lines_passes(lines: list[bytes]) -> None:
    found = counted(read(lines, ID, 3), 3)
    if judge(found, "completed", gap_s=5).outcome == "pass":
        assert set(WHOLE) <= set(lines) | {WHOLE[0], WHOLE[2], WHOLE[4]}, "no end is missing"
        assert (found.lost, found.twice, found.unread, found.moved) == ((), (), 0, True)


def test_the_readiness_gap_is_that_of_the_drill_s_own_time_and_unknown_where_nobody_looked() -> None:
    def span(state: str, begin: int, until: int) -> Span:
        return Span(environment="p", probe=ENVIRONMENT, state=state, code="x", from_ms=begin, until_ms=until)

    seen = (span("not_ready", 0, 2000), span("ready", 2000, 5000), span("not_ready", 5000, 99_000))
    assert readiness_gap_s(seen, 1000, 7000) == 3.0
    assert readiness_gap_s(seen[1:2], 1000, 7000) == 0.0
    assert readiness_gap_s((), 1000, 7000) is None
