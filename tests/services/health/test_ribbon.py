"""Ribbons: the worst state of each slice, and never green where nothing was observed."""

from hypothesis import given
from hypothesis import strategies as st

from services.health.ribbon import cells, with_present
from services.store.spans import Span


def span(begin: int, end: int, state: str, code: str = "") -> Span:
    return Span(environment="e", probe="p", state=state, code=code, from_ms=begin, until_ms=end)


def states(*spans: Span) -> list[str]:
    return [cell.state for cell in cells(spans, from_ms=0, until_ms=100, count=10)]


def test_no_span_is_unknown() -> None:
    assert states() == ["unknown"] * 10


def test_the_worst_state_of_a_slice_wins_however_short() -> None:
    assert states(span(0, 100, "ok"), span(34, 35, "down")) == ["ok"] * 3 + ["down"] + ["ok"] * 6


def test_less_than_half_observed_and_well_is_unknown_but_trouble_is_shown() -> None:
    assert states(span(0, 4, "ok"))[0] == "unknown"
    assert states(span(0, 6, "ok"))[0] == "ok"
    assert states(span(0, 1, "down"))[0] == "down"


def test_the_present_state_shows_though_it_is_younger_than_half_a_slice() -> None:
    made = cells([span(0, 100, "ready")], from_ms=0, until_ms=100, count=10)
    assert with_present(made, "not_ready", "x", stale=False)[-1].state == "not_ready"
    assert with_present(made, "not_ready", "x", stale=True)[-1].state == "ready"
    empty = cells([], from_ms=0, until_ms=100, count=10)
    assert with_present(empty, "ready", "", stale=False)[-1].state == "ready"


@given(
    st.lists(
        st.tuples(st.integers(-50, 150), st.integers(0, 60), st.sampled_from(["ok", "slow", "down", "unknown"])),
        max_size=20,
    )
)
def test_any_spans_give_whole_cells_and_good_only_where_observed(raw: list[tuple[int, int, str]]) -> None:
    spans = [span(begin, begin + length, state) for begin, length, state in raw]
    made = cells(spans, from_ms=0, until_ms=100, count=10)
    assert len(made) == 10
    assert all(0 <= cell.observed <= 1 for cell in made)
    for cell in made:
        touching = [s for s in spans if s.until_ms >= cell.from_ms and s.from_ms <= cell.until_ms]
        if cell.state == "ok":
            assert any(s.state == "ok" for s in touching)
            assert not any(s.state == "down" and s.from_ms < cell.until_ms - 1 and s.until_ms > cell.from_ms
                           for s in touching)  # fmt: skip
