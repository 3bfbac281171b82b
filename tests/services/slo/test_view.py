"""The page's numbers beside a slow, obvious computation from raw samples, over random histories and windows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.clock import DAY_MS, HOUR_MS, MINUTE_MS
from services.settings.model import Environment, Objective, Queue
from services.slo import burn, chart, report, view, window
from services.slo.view import Row
from services.store import Store, deploys, samples
from services.store.samples import Sample
from services.store.schema import metadata

START = 1_771_632_000_000  # a midnight, UTC
SLI = "readiness_uptime"


def environment(**more: object) -> Environment:
    objectives = (Objective(sli=SLI, target=0.99, window="7d"),)
    return Environment(name="e", base_url="http://127.0.0.1:1", **({"objectives": objectives} | more))  # type: ignore[arg-type]


def sample(at_ms: int, value: float | None = 5.0, good: bool | None = True, sli: str = SLI) -> Sample:
    return Sample(environment="e", sli=sli, at_ms=at_ms, value=value, good=good, interval_s=30)


def write(store: Store, history: Sequence[Sample]) -> None:
    known: dict[tuple[str, str], int] = {}
    for begin in range(0, len(history), 500):
        with store.write() as connection:
            samples.append(connection, history[begin : begin + 500], known)


def slow(history: Sequence[Sample], ranges: Sequence[tuple[int, int]]) -> dict[str, float]:
    """From raw: known events in the stretches, what they cover."""
    found = {"good": 0, "bad": 0, "unknown": 0, "covered_ms": 0}
    previous = None
    for item in sorted({s.at_ms: s for s in reversed(history)}.values(), key=lambda s: s.at_ms):
        inside = any(low <= item.at_ms < high for low, high in ranges)
        if item.good is None:
            found["unknown"] += inside
            continue
        found["good" if item.good else "bad"] += inside
        gap = None if previous is None else item.at_ms - previous
        found["covered_ms"] += inside * (30_000 if gap is None or gap > 45_000 else gap)
        previous = item.at_ms
    return found


def assert_true(row: Row, history: Sequence[Sample], end: int, holes: Sequence[tuple[int, int]] = ()) -> None:
    begin = end - 7 * DAY_MS
    begin -= begin % HOUR_MS
    outside = [(at, at + MINUTE_MS) for at in range(begin, end, MINUTE_MS)
               if not any(low < at + MINUTE_MS and at < high for low, high in holes)]  # fmt: skip
    wanted = slow(history, outside) if holes else slow(history, [(begin, end)])
    status = row.status
    assert (status.good, status.bad, status.unknown) == (wanted["good"], wanted["bad"], wanted["unknown"])
    length = len(outside) * MINUTE_MS
    assert status.coverage == pytest.approx(min(1.0, wanted["covered_ms"] / length))
    for found in status.burns:
        for seconds, measured in ((found.rule.long_s, found.burn_long), (found.rule.short_s, found.burn_short)):
            low = end - seconds * 1000
            part = slow(history, [r for r in outside if r[0] >= low] if holes else [(low, end)])
            total = part["good"] + part["bad"]
            assert measured == (None if not total else pytest.approx(part["bad"] / total / 0.01))
    values = sorted(s.value for s in {s.at_ms: s for s in reversed(history)}.values()
                    if s.value is not None and any(low <= s.at_ms < high for low, high in outside))  # fmt: skip
    for q, estimate in ((0.5, row.sums.p50), (0.95, row.sums.p95), (0.99, row.sums.p99)):
        exact = values[math.floor(q * (len(values) - 1))] if values else None
        assert (estimate is None) == (exact is None)
        if exact is not None and estimate is not None:
            assert abs(estimate - exact) <= 0.01 * exact + 1e-9


_STEPS = st.sampled_from([1, 29_000, 30_000, 30_000, 31_000, 46_000, 600_000, HOUR_MS, 5 * HOUR_MS, 26 * HOUR_MS,
                          -30_000, -2 * HOUR_MS])  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> list[Sample]:
    at_ms, found = START + draw(st.integers(0, DAY_MS)), []
    for _ in range(draw(st.integers(0, 12))):
        for _ in range(draw(st.sampled_from([1, 3, 40]))):
            at_ms += 30_000
            found.append(sample(at_ms, draw(st.sampled_from([None, 0.0, 1.0, 3.7, 900.0])),
                                draw(st.sampled_from([True, True, True, False, None]))))  # fmt: skip
        at_ms += draw(_STEPS)
    return found


@settings(max_examples=80, deadline=None)
@given(histories(), st.integers(-2 * DAY_MS, 9 * DAY_MS), st.booleans())
def test_the_pages_numbers_equal_the_slow_way(history: list[Sample], later: int, repaired: bool) -> None:
    store = Store.open("sqlite://")
    try:
        with store.write() as connection:
            metadata.create_all(connection)
        write(store, history)
        newest = max((s.at_ms for s in history), default=START)
        as_of = newest + later
        holes = []
        if repaired:
            holes = [(as_of - 3 * HOUR_MS + 5_000, as_of - 2 * HOUR_MS), (as_of - 5 * DAY_MS, as_of - 4 * DAY_MS)]
            with store.write() as connection:
                for low, high in holes:
                    deploys.declare(connection, "e", from_ms=low, until_ms=high, reason="r", by="b", now_ms=1)
        found = view.slos(store, environment(), as_of)
        assert found.as_of_ms == as_of - as_of % MINUTE_MS
        assert_true(found.rows[0], history, found.as_of_ms, holes)
    finally:
        store.close()


def test_both_databases_answer_alike(store: Store) -> None:
    history = [sample(START + n * 30_000, float(n % 700), n % 97 != 0) for n in range(2880 * 3)]
    write(store, history)
    found = view.slos(store, environment(), START + 3 * DAY_MS)
    assert_true(found.rows[0], history, START + 3 * DAY_MS)
    row = found.rows[0]
    assert row.status.state == "broken"  # 1 of 97 is bad where 1 of 100 may be
    assert row.burn_down[0][1] == 1.0
    assert row.burn_down[-1][1] == row.status.budget.remaining  # type: ignore[union-attr]
    assert len(row.burn_down) <= view.POINTS + 3


def test_without_any_sample_nothing_is_said(store: Store) -> None:
    found = view.slos(store, environment(), START)
    document = report.document(found, "own")
    assert document["slis"][SLI]["state"] == "no_data"
    assert document["slis"][SLI]["value"] is None
    assert document["slis"][SLI]["coverage"] == 0
    assert document["slis"][SLI]["budget"] is None


def test_withdrawn_maintenance_counts_again(store: Store) -> None:
    write(store, [sample(START + n * 30_000, good=n >= 120) for n in range(240)])
    with store.write() as connection:
        number = deploys.declare(connection, "e", from_ms=START, until_ms=START + HOUR_MS, reason="move", by="Ada",
                                 now_ms=START)  # fmt: skip
    assert view.slos(store, environment(), START + 2 * HOUR_MS).rows[0].status.bad == 0
    with store.write() as connection:
        assert deploys.withdraw(connection, number, by="Bo", now_ms=START)
        assert not deploys.withdraw(connection, number, by="Bo", now_ms=START)
    found = view.slos(store, environment(), START + 2 * HOUR_MS)
    assert found.rows[0].status.bad == 120
    assert found.maintenance[0].withdrawn_by == "Bo"


def test_an_objective_for_queues_is_one_for_each_queue() -> None:
    queues = (
        Queue(name="email", kind="stream", key="k"), Queue(name="approval", kind="zset", key="k2", threshold_s=60)
    )  # fmt: skip
    objectives = (Objective(sli="queue_aging_p95", target=0.99), Objective(sli="queue_aging_p95:email", target=0.9,
                                                                           threshold=10, burn=("ticket_slow",)))  # fmt: skip
    found = {p.sli: p for p in view.slos_of(environment(queues=queues, objectives=objectives))}
    assert {sli: p.threshold for sli, p in found.items()} == {
        "queue_aging_p95:approval": 60, "queue_aging_p95:email": 10
    }  # fmt: skip


def test_worst_comes_first(store: Store) -> None:
    objectives = tuple(Objective(sli=name, target=0.9, burn=("ticket_slow",)) for name in
                       ("readiness_uptime", "redis_ping_latency", "redis_write_latency"))  # fmt: skip
    write(store, [sample(START + n * 30_000, sli="readiness_uptime") for n in range(100)])
    write(store, [sample(START + n * 30_000, good=n > 50, sli="redis_write_latency") for n in range(100)])
    found = view.slos(store, environment(objectives=objectives), START + HOUR_MS)
    assert [row.status.state for row in found.rows] == ["broken", "no_data", "ok"]


@given(st.integers(0, 400 * DAY_MS), st.integers(0, 100 * DAY_MS), st.integers(0, 500 * 24))
def test_tiles_cover_a_time_once_and_completely(low: int, length: int, closed_hours: int) -> None:
    low -= low % MINUTE_MS
    high, closed = low + length - length % MINUTE_MS, closed_hours * HOUR_MS
    made = window.tiles(low, high, closed)
    ranges = sorted((*made.days, *made.hours, *made.minutes))
    reach = min(high, closed + HOUR_MS)
    at = low
    for begin, end in ranges:
        assert begin == at
        at = end
    assert at == max(low, reach)
    assert all(begin % DAY_MS == end % DAY_MS == 0 and end <= closed for begin, end in made.days)
    assert all(begin % HOUR_MS == end % HOUR_MS == 0 and end <= closed for begin, end in made.hours)


def test_burn_windows_are_the_rules() -> None:
    assert burn.WINDOWS_S == (300, 1800, 3600, 7200, 21_600, 86_400, 259_200)


@pytest.mark.parametrize("length", [DAY_MS, 7 * DAY_MS, 30 * DAY_MS])
def test_a_charts_slices_are_alike_and_add_up(store: Store, length: int) -> None:
    history = [sample(START + n * 300_000, float(n % 700), n % 97 != 0) for n in range(288 * 32)]
    write(store, history)
    end = START + 32 * DAY_MS - 3 * HOUR_MS - 7 * MINUTE_MS
    low = end - length
    with store.read() as connection:
        found = chart.points(connection, "e", SLI, low, end)
    size = chart.width(low, end)
    assert all(point.until_ms - point.from_ms <= size for point in found)
    assert all(point.from_ms % size == 0 for point in found[1:])
    inside = [s for s in history if low <= s.at_ms < end]
    assert sum(p.good for p in found) == sum(bool(s.good) for s in inside)
    assert sum(p.bad for p in found) == sum(s.good is False for s in inside)
    for point in found:
        values = sorted(s.value for s in inside if s.value is not None and point.from_ms <= s.at_ms < point.until_ms)
        exact = values[math.floor(0.95 * (len(values) - 1))]
        assert point.p95 is not None
        assert abs(point.p95 - exact) <= 0.01 * exact + 1e-9
    assert len(found) <= 200
