"""How long steps took: kept as samples, added up over minutes, hours and days as if from the raw values."""

import random
from dataclasses import replace

import numpy
import pytest

from services.clock import DAY_MS, HOUR_MS
from services.dependencies.inngest import finished
from services.dependencies.model import Reading, RunSeen, StepSeen
from services.dependencies.run import Observation
from services.store import Store, durations, inngest_runs, samples
from services.store.durations import AGAIN, BETWEEN, CUT, MOST_STEPS, OTHERS, RAN, RUN, STEP
from services.store.samples import Sample

NOW = 1_800_000_000_000


def step(value: float, at_ms: int, name: str = "ask") -> Sample:
    return Sample(environment="p", sli=durations.name(STEP, "scan", name), at_ms=at_ms, value=value, good=True)


def test_roll_ups_say_what_the_raw_values_say(store: Store) -> None:
    generator = random.Random(5)
    values = [generator.lognormvariate(3, 0.8) for _ in range(3000)]
    made = [step(v, NOW - generator.randrange(25 * DAY_MS)) for v in values]
    made = list({item.at_ms: item for item in sorted(made, key=lambda s: s.at_ms)}.values())
    values = [item.value or 0.0 for item in made]
    for start in range(0, len(made), 500):
        with store.write() as connection:
            samples.append(connection, made[start : start + 500], {})
    with store.read() as connection:
        (found,) = durations.load(connection, "p", STEP, since_ms=NOW - 30 * DAY_MS, now_ms=NOW)
    assert (found.function, found.step, found.number, found.known) == ("scan", "ask", len(made), len(made))
    assert found.longest_s == pytest.approx(max(values))
    for share in (0.5, 0.95, 0.999):
        exact = numpy.quantile(values, share, method="inverted_cdf")
        assert found.at(share) == pytest.approx(exact, rel=0.011)
    assert found.longer(60) == pytest.approx(sum(v > 60 for v in values), rel=0.05)
    excess = sum(max(0.0, v - 60) for v in values) / len(values)
    assert found.excess_s(60) == pytest.approx(excess, rel=0.05)
    longer = sorted(v - 30 for v in values if v > 30)
    assert found.left_s(30, 0.8) == pytest.approx(longer[int(0.8 * len(longer))], rel=0.03)
    assert (found.longer(1e9), found.excess_s(1e9), found.left_s(1e9, 0.5)) == (0, 0.0, None)


def test_series_that_went_quiet_long_ago_and_just_now_are_both_whole(sqlite_store: Store) -> None:
    old, new = NOW - 9 * DAY_MS, NOW - 5_000
    with sqlite_store.write() as connection:
        samples.append(connection, [step(2, old, "old"), step(3, old + HOUR_MS, "old"), step(7, new, "new")], {})
    with sqlite_store.read() as connection:
        found = durations.load(connection, "p", STEP, since_ms=NOW - 30 * DAY_MS, now_ms=NOW)
        recent = durations.load(connection, "p", STEP, since_ms=NOW - DAY_MS, now_ms=NOW)
        then = durations.load(connection, "p", STEP, since_ms=0, now_ms=old + HOUR_MS // 2)
    assert [(d.step, d.number, d.longest_s) for d in found] == [("new", 1, 7.0), ("old", 2, 3.0)]
    assert [d.step for d in recent] == ["new"]
    assert [(d.step, d.number) for d in then] == [("old", 1)], "as it was known then"


def test_endless_kinds_of_steps_end_in_one_and_moments_never_meet(sqlite_store: Store) -> None:
    wanted = [step(1, NOW, f"s{chr(97 + n % 26)}{chr(97 + n // 26)}") for n in range(MOST_STEPS + 40)]
    with sqlite_store.write() as connection:
        kept = durations.fitted(connection, "p", [*wanted, step(1, NOW, "saa")])
        samples.append(connection, kept, {})
    with sqlite_store.read() as connection:
        found = durations.load(connection, "p", STEP, since_ms=NOW - DAY_MS, now_ms=NOW)
    assert len(found) == MOST_STEPS + 1
    assert sum(d.number for d in found) == MOST_STEPS + 41
    assert next(d.number for d in found if d.step == OTHERS) == 40
    with sqlite_store.write() as connection:
        assert durations.fitted(connection, "p", [step(1, NOW, "brand-new")])[0].sli.endswith(BETWEEN + OTHERS)
    assert len(durations.name(STEP, "f" * 120, "s" * 200)) == durations.LONGEST_NAME


def run(id_: str, begun: int | None, tries: tuple[StepSeen, ...] | None = None) -> RunSeen:
    return RunSeen(id=id_, app="a", function="scan", status="COMPLETED", queued_ms=NOW, started_ms=begun,
                   ended_ms=NOW + 60_000, tries=tries)  # fmt: skip


def observed(*found: RunSeen) -> Observation:
    return Observation(environment="p", simulated=False, probe="inngest.runs", at_ms=NOW + 70_000, interval_s=60,
                       lag_ms=0, reading=Reading(code="runs.ok", runs=found))  # fmt: skip


def test_what_is_learnt_of_a_run_later_is_kept_and_nothing_is_counted_twice(sqlite_store: Store) -> None:
    """A check asks 25 runs for their steps; the rest is asked by the next ones, when the runs are known already."""
    tries = (StepSeen(name="ask", started_ms=NOW + 2000, took_s=30, failed=True),
             StepSeen(name="ask", started_ms=NOW + 40_000, took_s=20, again=True),
             StepSeen(name="mail", started_ms=NOW + 60_000, took_s=None))  # fmt: skip

    def keep(*found: RunSeen) -> None:
        with sqlite_store.write() as connection:
            samples.append(connection, finished.keep(connection, observed(*found)), {})

    keep(run("one", None), run("two", NOW + 1000))
    keep(run("one", NOW + 2000, tries), run("two", NOW + 1000, tries))
    keep(run("one", NOW + 2000, tries), replace(run("two", NOW + 1000, tries), status="CANCELLED"))
    with sqlite_store.read() as connection:
        numbers = {prefix: [(d.step, d.number, d.longest_s) for d in
                            durations.load(connection, "p", prefix, since_ms=NOW - DAY_MS, now_ms=NOW + HOUR_MS)]
                   for prefix in (RAN, RUN, STEP, CUT, AGAIN)}  # fmt: skip
        waits = samples.of(connection, ("p", "inngest_queue_wait"), NOW, NOW + DAY_MS)
        (tally,) = inngest_runs.tallies(connection, "p", since_ms=NOW)
        assert durations.count(connection, "p", CUT, NOW, NOW + DAY_MS) == 1
        assert durations.count(connection, "p", CUT, NOW, NOW + 1000) == 0
    assert numbers == {RAN: [("", 2, 0.0)], RUN: [("", 2, 60.0)], STEP: [("ask", 2, 30.0)], CUT: [("ask", 1, 30.0)],
                       AGAIN: [("ask", 1, 20.0)]}  # fmt: skip
    assert [value for _, value, _, _ in waits] == [2.0, 1.0]
    assert tally.completed == 2
