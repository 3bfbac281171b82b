"""What a deploy would cut, against brute force; and a simulated year of deploys, forecast and then lived through."""

import random

import pytest

from benchmarks import backtest
from services.clock import DAY_MS
from services.counting import wilson
from services.deploys.forecast import forecast, needed, toll
from services.store import durations
from services.store.durations import Durations

NOW = 1_800_000_000_000


def kind(step: str, times: list[float], *, since_ms: int = NOW - DAY_MS) -> Durations:
    found = durations.of("f", times)
    return Durations(function="f", step=step, number=found.number, since_ms=since_ms, longest_s=found.longest_s,
                     counts=found.counts)  # fmt: skip


def test_of_few_steps_little_follows() -> None:
    (few,) = forecast([kind("s", [1.0] * 10)], [], [], 60, NOW)
    assert (few.risk, few.longer, few.expected) == ("not_seen", 0, None)
    assert few.at_most == pytest.approx(0.2775, abs=1e-3)
    (many,) = forecast([kind("s", [1.0] * 5000)], [], [], 60, NOW)
    assert many.risk == "safe"
    (some,) = forecast([kind("s", [1.0] * 90 + [100.0] * 10)], [], [], 60, NOW)
    assert (some.risk, some.longer) == ("at_risk", 10)
    assert forecast([kind("s", [1.0, 100.0, 101.0])], [], [], 60, NOW)[0].risk == "cut"
    assert forecast([kind("s", [])], [], [], 60, NOW) == ()
    assert wilson(0, 0)[1] == 1.0


def test_the_number_cut_is_what_brute_force_finds() -> None:
    """200 steps an hour, begun at random, met by deploys at 20,000 random moments."""
    generator = random.Random(3)
    times = [generator.lognormvariate(3.4, 0.7) for _ in range(200 * 24)]
    begun = [generator.random() * 86_400 for _ in times]
    (found,) = forecast([kind("s", times)], [kind("", times)], [kind("", times)], 40, NOW)
    cut = 0
    for _ in range(20_000):
        at = 3600 + generator.random() * (86_400 - 3600)
        cut += sum(b <= at < b + t - 40 for b, t in zip(begun, times, strict=True))
    assert found.expected == pytest.approx(cut / 20_000, rel=0.05)
    assert found.low is not None and found.high is not None
    assert found.low < cut / 20_000 < found.high


def test_runs_that_were_not_asked_for_their_steps_count_in_the_rate() -> None:
    times = [30.0] * 100
    whole = forecast([kind("s", times)], [kind("", times)], [kind("", times)], 10, NOW)
    part = forecast([kind("s", times)], [kind("", times)], [kind("", [1.0] * 400)], 10, NOW)
    assert part[0].expected == pytest.approx(4 * (whole[0].expected or 0))
    assert forecast([], [kind("", times)], [kind("", times)], 10, NOW)[0].step == "", "runs stand for their steps"


def test_the_toll_is_the_sum_and_has_a_price_only_where_one_is_set() -> None:
    made = forecast([kind("a", [60.0] * 200), kind("b", [90.0] * 200)], [kind("", [150.0] * 200)],
                    [kind("", [150.0] * 200)], 10, NOW)  # fmt: skip
    found = toll(made, cost_per_step=8.0, deploys_a_month=20)
    assert found is not None and found.cost is not None
    assert found.expected == pytest.approx(sum(item.expected or 0 for item in made))
    assert found.a_month == pytest.approx(found.cost * 20)
    free = toll(made, cost_per_step=None, deploys_a_month=20)
    assert free is not None
    assert (free.cost, free.a_month) == (None, None)
    assert toll([], cost_per_step=8.0, deploys_a_month=20) is None


def test_the_seconds_to_grant_cover_all_but_one_in_a_thousand() -> None:
    assert needed([], []) is None
    few = needed([kind("s", [10.0, 100.0])], [])
    assert few is not None
    assert (few.seconds, few.sure) == (120, False)
    many = needed([kind("s", [10.0] * 9995 + [1000.0] * 5)], [])
    assert many is not None
    assert (many.seconds, many.sure) == (30, True)


def test_a_year_of_deploys_does_what_was_forecast() -> None:
    found = list(backtest.year(seed=2))
    cut, seen = backtest.share_of_safe_cut(found)
    assert seen > 3000
    assert cut / seen < 0.001, "of steps forecast as safe"
    for size in backtest.calibration(found):
        assert size.cut == pytest.approx(size.forecast, rel=0.25, abs=2e-4)
    assert any(o.forecast.risk == "cut" and o.cut for o in found), "kinds that are mostly cut were met too"


def test_the_plot_is_a_drawing_of_all_sizes() -> None:
    found = list(backtest.year(seed=3, days=60))
    assert backtest.plot(backtest.calibration(found)).count("<circle") >= 3
