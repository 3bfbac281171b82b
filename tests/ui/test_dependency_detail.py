"""The chart draws no line across what nobody saw."""

from services.store.samples import Bucket
from ui.dependency_detail import with_gaps


def bucket(from_ms: int) -> Bucket:
    return Bucket(from_ms=from_ms, count=1, good=1, bad=0, mean=1.0, highest=1.0)


def test_a_hole_of_several_buckets_breaks_the_line() -> None:
    made = with_gaps((bucket(0), bucket(10), bucket(60)), 10)
    assert [(b.from_ms, b.mean) for b in made] == [(0, 1.0), (10, 1.0), (20, None), (60, 1.0)]


def test_a_single_missing_bucket_does_not() -> None:
    assert len(with_gaps((bucket(0), bucket(20)), 10)) == 2
