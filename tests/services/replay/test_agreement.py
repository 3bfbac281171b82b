"""Alpha and kappa come out as the literature has them; what can't be known is not known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.replay.agreement import alpha, interval, kappa, nominal

# Krippendorff 2011, Computing Krippendorff's Alpha-Reliability: four observers, twelve units, values missing.
_ = None
FOUR = [
    (1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3),
    (_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _),
]
BINARY = [(0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0)]  # ibid., section A
LETTERS = ["aabbdcccedda", "babbbcccedd" + "d"]  # ibid., section B: Ben and Gerry


def test_the_published_examples() -> None:
    units = list(zip(*FOUR, strict=True))
    assert alpha(units, nominal) == pytest.approx(0.743, abs=0.0005)
    assert alpha(units, interval) == pytest.approx(0.849, abs=0.0005)
    assert alpha(zip(*BINARY, strict=True)) == pytest.approx(0.095, abs=0.0005)
    letters = [(ord(a), ord(b)) for a, b in zip(*LETTERS, strict=True)]
    assert alpha(letters) == pytest.approx(0.692, abs=0.0005)


def test_without_variation_or_pairs_it_is_not_known() -> None:
    assert alpha([(1, 1, 1), (1, 1, None)]) is None
    assert alpha([(1, None), (None, 0)]) is None
    assert alpha([]) is None
    assert alpha([(1, 1), (0, 0)]) == 1


def test_a_unit_with_one_value_counts_for_nothing() -> None:
    units = [(1, 1), (0, 0), (1, 0)]
    assert alpha(units) == alpha([*units, (0, None), (None, None)])


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 1.0, None])] * 3), max_size=30))
def test_it_never_exceeds_one_and_the_order_of_the_judges_changes_nothing(
    units: list[tuple[float | None, ...]],
) -> None:
    found = alpha(units)
    turned = alpha([tuple(reversed(unit)) for unit in units])
    assert (found is None) == (turned is None)
    if found is not None and turned is not None:
        assert found <= 1 + 1e-12
        assert math.isclose(found, turned)


def test_kappa_of_cohens_form_with_its_interval() -> None:
    """The 50 proposals of the textbook example: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no give 0.40."""
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    found = kappa(pairs)
    assert found.value == pytest.approx(0.4)
    assert found.interval == pytest.approx((0.1511, 0.6489), abs=0.002)
    assert (found.agreed, found.total) == (35, 50)


def test_kappa_is_not_known_where_both_always_say_the_same_word() -> None:
    assert kappa([(True, True)] * 9).value is None
    assert kappa([]).interval is None


def test_full_agreement_on_a_few_is_not_certain() -> None:
    found = kappa([(True, True), (False, False)])
    assert found.value == 1
    assert found.interval is not None
    assert found.interval[0] < 0, "two answers say next to nothing"
    assert found.interval[1] == 1
