"""The gate's arithmetic against published values and SciPy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from services.counting import wilson
from services.replay import stats


@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
    ],
)  # fmt: skip
def test_wilson_as_published(passed: int, total: int, low: float, high: float) -> None:
    assert wilson(passed, total) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_as_scipy_says(pair: tuple[int, int]) -> None:
    passed, total = pair
    found = binomtest(passed, total).proportion_ci(0.95, method="wilson")
    assert wilson(passed, total) == pytest.approx((found.low, found.high), abs=1e-9)


def test_without_cases_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_as_scipy_says(worse: int, better: int) -> None:
    expected = binomtest(worse, worse + better, 0.5).pvalue if worse + better else 1.0
    assert stats.mcnemar_exact(worse, better) == pytest.approx(expected, abs=1e-12)


def test_pass_hat_k_as_published() -> None:
    """tau-bench: C(c, k) / C(n, k)."""
    assert stats.pass_hat_k(3, 4, 1) == 0.75
    assert stats.pass_hat_k(3, 4, 2) == 0.5
    assert stats.pass_hat_k(3, 4, 4) == 0
    with pytest.raises(ValueError, match="between 1 and the 4"):
        stats.pass_hat_k(3, 4, 5)


@given(st.floats(0, 1), st.integers(1, 400), st.floats(0.01, 1))
def test_the_gates_own_error_as_scipy_says(rate: float, total: int, gate: float) -> None:
    needed = stats.needed_passes(total, gate)
    assert stats.gate_passes(rate, total, gate) == pytest.approx(binom.sf(needed - 1, total, rate), abs=1e-8)


def test_the_designs_own_numbers() -> None:
    assert stats.gate_passes(0.94, 50, 0.95) == pytest.approx(0.42, abs=0.005)
    assert 1 - stats.gate_passes(0.97, 50, 0.95) == pytest.approx(0.19, abs=0.005)
    three = stats.repeated_rate(0.97, 3, 2)
    assert stats.gate_passes(stats.repeated_rate(0.90, 3, 2), 50, 0.95) < stats.gate_passes(three, 50, 0.95)


@pytest.mark.parametrize(
    ("total", "rate", "needed"), [(50, 0.95, 48), (20, 0.95, 19), (100, 0.07, 7), (3, 1.0, 3), (0, 0.5, 0)]
)
def test_how_many_must_pass(total: int, rate: float, needed: int) -> None:
    assert stats.needed_passes(total, rate) == needed


def test_thousands_of_cases_are_no_problem() -> None:
    assert stats.gate_passes(0.96, 5000, 0.95) == pytest.approx(binom.sf(4749, 5000, 0.96), abs=1e-6)
