"""Charts say a state by colour and by shape, and where the gate is."""

from ui import charts


def test_a_blocked_run_is_a_cross_and_one_without_enough_evidence_hollow() -> None:
    figure = charts.trend([1, 2, 3], [1.0, 0.5, 0.9], [0.9, 0.4, 0.5], [1.0, 0.6, 1.0], ["", "", ""],
                          ["PASS", "BLOCK", "INCONCLUSIVE"], gate=0.95, zone="UTC")  # fmt: skip
    marker = figure.data[0].marker
    assert marker.symbol == ("circle", "x", "diamond-open")
    assert len(set(marker.color)) == 3
    assert [shape.y0 for shape in figure.layout.shapes] == [0.95]


def test_bars_below_the_gate_are_hatched_and_the_gate_is_drawn() -> None:
    figure = charts.bars({"a": 0.5, "b": 0.95}, x="share", top=1.0, labels=["1 of 2", "19 of 20"], gate=0.95)
    assert figure.data[0].marker.pattern.shape == ("/", "")
    assert [shape.x0 for shape in figure.layout.shapes] == [0.95]


def test_cases_that_did_not_pass_stand_apart() -> None:
    figure = charts.stacked({"0 to 1": (0, 2), "5": (7, 0), "1 to 2": (0, 0)}, x="cases")
    assert [(bar.name, bar.x, bar.marker.pattern.shape) for bar in figure.data] == [
        ("passed", (0, 7, 0), ""), ("not passed", (2, 0, 0), "/"),
    ]  # fmt: skip
    assert [note.text for note in figure.layout.annotations] == ["2", "7"]
