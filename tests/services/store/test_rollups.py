"""Roll-ups beside a slow, obvious computation from raw samples, over random histories."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.clock import DAY_MS, HOUR_MS, MINUTE_MS
from services.errors import StoreBusy
from services.store import Store, rollups, samples, sketch
from services.store.parts import Part
from services.store.samples import Sample

START = 1_771_632_000_000  # a midnight, UTC
NAMES = ("events", "good", "bad", "covered_ms")


def sample(at_ms: int, value: float | None = 1.0, good: bool | None = True, interval_s: int = 30) -> Sample:
    return Sample(environment="e", sli="s", at_ms=at_ms, value=value, good=good, interval_s=interval_s)


def write(store: Store, *batches: Sequence[Sample]) -> None:
    known: dict[tuple[str, str], int] = {}
    for batch in batches:
        with store.write() as connection:
            samples.append(connection, batch, known)


def reference(history: Sequence[Sample], low: int, high: int) -> dict[str, float]:
    """The slow and obvious way: first of a time wins; what each known sample covers; sums."""
    first: dict[int, Sample] = {}
    for item in history:
        first.setdefault(item.at_ms, item)
    ordered = [first[at] for at in sorted(first)]
    found = dict.fromkeys(NAMES, 0)
    previous = None
    for item in ordered:
        inside = low <= item.at_ms < high
        found["events"] += inside
        if item.good is None:
            continue
        found["good" if item.good else "bad"] += inside
        interval = (item.interval_s or 60) * 1000
        gap = None if previous is None else item.at_ms - previous
        found["covered_ms"] += inside * (interval if gap is None or gap > 1.5 * interval else gap)
        previous = item.at_ms
    return found


def rolled(store: Store, tier: int) -> list[Part]:
    with store.read() as connection:
        known = rollups.closed_until(connection).get(("e", "s"))
        if known is None:
            return []
        return rollups.load(connection, tier, (known[0],), [(0, 4_000_000_000_000)], sketches=True)[known[0]]


def assert_true(store: Store, history: Sequence[Sample]) -> None:
    for tier, width in ((rollups.MINUTE, MINUTE_MS), (rollups.HOUR, HOUR_MS), (rollups.DAY, DAY_MS)):
        for part in rolled(store, tier):
            wanted = reference(history, part.from_ms, part.from_ms + width)
            assert {name: getattr(part, name) for name in NAMES} == wanted, (tier, part.from_ms)
            assert_quantiles(part, history, part.from_ms + width)
    with store.read() as connection:
        found = rollups.closed_until(connection)
    if not history:
        return
    closed = found["e", "s"][1]
    newest = max(item.at_ms for item in history)
    assert closed == newest - newest % HOUR_MS
    assert {part.from_ms for part in rolled(store, rollups.MINUTE)} == {i.at_ms - i.at_ms % MINUTE_MS for i in history}
    hours = {i.at_ms - i.at_ms % HOUR_MS for i in history}
    assert {part.from_ms for part in rolled(store, rollups.HOUR)} == {hour for hour in hours if hour < closed}
    days = {i.at_ms - i.at_ms % DAY_MS for i in history}
    assert {part.from_ms for part in rolled(store, rollups.DAY)} == {day for day in days if day + DAY_MS <= closed}


def assert_quantiles(part: Part, history: Sequence[Sample], until: int) -> None:
    first: dict[int, Sample] = {}
    for item in history:
        first.setdefault(item.at_ms, item)
    values = sorted(i.value for i in first.values() if part.from_ms <= i.at_ms < until and i.value is not None)
    found = sketch.merged([part.sketch]).quantiles((0.5, 0.95, 0.99))
    for q, estimate in zip((0.5, 0.95, 0.99), found, strict=True):
        if not values:
            assert estimate is None
            continue
        exact = values[math.floor(q * (len(values) - 1))]
        assert estimate is not None
        assert abs(estimate - exact) <= 0.01 * exact + 1e-9


# Minutes apart: tight, a pause, an hour, most of a day; also back in time: late samples and clocks set back.
_STEPS = st.sampled_from([0, 1, 10_000, 30_000, 30_000, 31_000, 45_000, 46_000, 61_000, 600_000, HOUR_MS, 20 * HOUR_MS,
                          -1_000, -30_000, -3 * HOUR_MS])  # fmt: skip
_VALUES = st.one_of(st.none(), st.just(0.0), st.floats(1e-6, 1e9))


@st.composite
def histories(draw: st.DrawFn) -> list[list[Sample]]:
    at_ms = START + draw(st.integers(0, DAY_MS - 1))
    batches: list[list[Sample]] = []
    for _ in range(draw(st.integers(0, 8))):
        batch = []
        for _ in range(draw(st.integers(1, 6))):
            at_ms += draw(_STEPS)
            good = draw(st.sampled_from([True, True, False, None]))
            batch.append(sample(at_ms, draw(_VALUES), good, draw(st.sampled_from([0, 10, 30, 60]))))
        batches.append(batch)
    return batches


@settings(max_examples=120, deadline=None)
@given(histories())
def test_roll_ups_equal_the_slow_way_over_random_histories(batches: list[list[Sample]]) -> None:
    store = Store.open("sqlite://")
    from services.store.schema import metadata

    try:
        with store.write() as connection:
            metadata.create_all(connection)
        write(store, *batches)
        assert_true(store, [item for batch in batches for item in batch])
    finally:
        store.close()


def test_both_databases_give_the_same_numbers(store: Store) -> None:
    chance = random.Random(7)
    at_ms, history = START, []
    for _ in range(3000):
        at_ms += chance.choice((9_000, 10_000, 11_000, 11_000, 400_000))
        history.append(sample(at_ms, chance.lognormvariate(4, 1), chance.random() > 0.02, 10))
    late = [history.pop(chance.randrange(len(history))) for _ in range(40)]
    write(store, *(history[n : n + 100] for n in range(0, len(history), 100)), late, late)
    assert_true(store, history + late)


def test_a_single_sample_is_a_minute_and_no_hour(store: Store) -> None:
    write(store, [sample(START)])
    assert_true(store, [sample(START)])
    assert rolled(store, rollups.HOUR) == []


def test_a_sample_for_an_hour_whose_raw_is_gone_is_left_out_not_counted_twice(store: Store) -> None:
    history = [sample(START + n * 30_000) for n in range(400)]
    write(store, history)
    with store.write() as connection:
        samples.drop_before(connection, START + HOUR_MS)
    before = rolled(store, rollups.HOUR)
    write(store, history[:100], [sample(START + 15_000)])
    assert rolled(store, rollups.HOUR) == before


def test_rolling_anew_from_raw_mends_what_is_wrong(store: Store) -> None:
    history = [sample(START + n * 30_000, float(n + 1)) for n in range(6000)]
    write(store, history)
    right = [rolled(store, tier) for tier in (0, 1, 2)]
    from sqlalchemy import update

    from services.store.schema import rollups as table
    from services.store.schema import series

    with store.write() as connection:
        connection.execute(update(table).values(good=0, events=1))
        connection.execute(update(series).values(rolled_by=0))
        for key in rollups.outdated(connection):
            extent = rollups.extent(connection, key)
            assert extent is not None
            for low in range(extent[0], extent[1] + 1, DAY_MS):
                rollups.roll_again(connection, key, low, low + DAY_MS)
            rollups.mark_rolled(connection, key)
        assert rollups.outdated(connection) == ()
    assert [rolled(store, tier) for tier in (0, 1, 2)] == right


@given(st.lists(st.floats(1e-8, 1e12), min_size=1, max_size=300), st.sampled_from(["sparse", "dense", "wide"]))
def test_a_sketch_is_within_one_percent_however_it_is_kept_and_merged(values: list[float], form: sketch.Form) -> None:
    halves = (values[::2], values[1::2])
    blobs = []
    for half in halves:
        counts: dict[int, int] = {}
        for value in half:
            counts[sketch.bucket(value)] = counts.get(sketch.bucket(value), 0) + 1
        blobs.append(sketch.encode(counts, form=form))
    merged = sketch.merged(blobs)
    ordered = sorted(values)
    for q in (0.0, 0.5, 0.95, 0.99, 1.0):
        exact = ordered[math.floor(q * (len(ordered) - 1))]
        (estimate,) = merged.quantiles((q,))
        assert estimate is not None
        assert abs(estimate - exact) <= 0.01 * exact * (1 + 1e-9)


def test_hundreds_of_thousands_in_one_bucket_still_fit() -> None:
    blob = sketch.encode({5: 700_000, sketch.LOWEST: 3}, form="dense")
    assert sketch.merged([blob]).counts() == {5: 700_000, sketch.LOWEST: 3}


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-12])
def test_zero_and_less_are_kept_as_zero(value: float) -> None:
    assert sketch.merged([sketch.encode({sketch.bucket(value): 1})]).quantiles((0.5,)) == (0.0,)


def test_writers_of_one_series_side_by_side_lose_nothing(store: Store) -> None:
    history = [sample(START + n * 10_000, float(n % 90 + 1), interval_s=10) for n in range(2000)]
    write(store, history[:1])

    def writer(part: int) -> None:
        mine = history[part::4]
        for begin in range(0, len(mine), 25):
            while True:
                try:
                    write(store, mine[begin : begin + 25])
                    break
                except StoreBusy:  # SQLite's queue isn't fair: the worker's writer tries again, too
                    continue

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(writer, range(4)))
    assert_true(store, history)


def test_series_of_very_different_rhythm_in_one_batch(store: Store) -> None:
    quick = [sample(START + n * 10_000, interval_s=10) for n in range(1200)]
    slow = [
        Sample(environment="e", sli="slow", at_ms=START - DAY_MS + n * DAY_MS // 2, value=1.0, good=True,
               interval_s=DAY_MS // 2000) for n in range(6)
    ]  # fmt: skip
    write(store, slow[:2], quick[:600], [*quick[600:], *slow[2:]], slow)
    assert_true(store, quick)
    with store.read() as connection:
        number, closed = rollups.closed_until(connection)["e", "slow"]
        found = rollups.load(connection, rollups.HOUR, (number,), [(0, 4_000_000_000_000)])[number]
    assert closed == slow[-1].at_ms
    assert sum(part.covered_ms for part in found) == 5 * DAY_MS // 2
