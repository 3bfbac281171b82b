"""The template of all charts. One template for all: readable in light, dark and without seeing colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.units import share

ACCENT, QUIET, GATE = "#5B78E6", "#8F9BB3", "#B57B00"
# Okabe and Ito's colours, distinguished by everybody; dashes, symbols and hatching say the same once more.
BAD, SECOND, THIRD = "#D55E00", "#E69F00", "#CC79A7"
VERDICTS = {"PASS": ("circle", ACCENT), "BLOCK": ("x", BAD)}  # all others: not enough evidence
CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "select2d"]}


def layout(figure: Any, *, height: int, x: str = "", y: str = "", **more: Any) -> Any:
    """The shared frame of a figure."""
    figure.update_layout(
        height=height, margin={"l": 0, "r": 8, "t": 8, "b": 0}, xaxis_title=x or None, yaxis_title=y or None,
        legend={"orientation": "h", "y": 1.15}, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", **more,
    )  # fmt: skip
    return figure


def bars(
    values: Mapping[str, float], *, x: str, top: float | None, labels: Sequence[str], gate: float | None = None
) -> Any:
    """Horizontal bars, one a name, the value written beside each; those below the gate hatched, in their own colour."""
    import plotly.graph_objects as go

    names = [name.replace("_", " ") for name in values]
    bad = [gate is not None and value < gate for value in values.values()]
    bar = go.Bar(
        x=list(values.values()), y=names, orientation="h", text=list(labels),
        marker={"color": [BAD if b else ACCENT for b in bad], "pattern": {"shape": ["/" if b else "" for b in bad]}},
    )  # fmt: skip
    figure = go.Figure([bar])
    figure.update_traces(textposition="outside", cliponaxis=False, hovertemplate="%{y}: %{text}<extra></extra>")
    if gate is not None:
        figure.add_vline(x=gate, line={"color": GATE, "dash": "dash"})
    figure.update_xaxes(range=[0, top * (1.12 if gate is None else 1.3)] if top else None)
    if gate is not None:
        figure.update_xaxes(tickformat=".0%", tickvals=[0, 0.5, 1])
    return _flat(figure, len(values), x)


def stacked(values: Mapping[str, tuple[int, int]], *, x: str) -> Any:
    """Horizontal bars of those that passed and, hatched, those that didn't."""
    import plotly.graph_objects as go

    figure = go.Figure(
        [
            go.Bar(
                x=[pair[place] for pair in values.values()], y=list(values), orientation="h", name=name,
                marker={"color": colour, "pattern": {"shape": shape}},
                hovertemplate=f"%{{y}}: %{{x}} {name}<extra></extra>",
            )
            for place, (name, colour, shape) in enumerate((("passed", ACCENT, ""), ("not passed", BAD, "/")))
        ]
    )  # fmt: skip
    for name, pair in values.items():
        if any(pair):
            figure.add_annotation(x=sum(pair), y=name, text=str(sum(pair)), showarrow=False, xanchor="left", xshift=4)
    figure.update_layout(barmode="stack")
    figure.update_xaxes(range=[0, max(1, *(sum(pair) for pair in values.values())) * 1.15])
    return _flat(figure, len(values), x)


def _flat(figure: Any, rows: int, x: str) -> Any:
    figure.update_yaxes(automargin=True, autorange="reversed")
    return layout(figure, height=max(140, 26 * rows + 50), x=x)


def trend(times: Sequence[Any], rates: Sequence[float], low: Sequence[float], high: Sequence[float],
          texts: Sequence[str], verdicts: Sequence[str], *, gate: float, zone: str) -> Any:  # fmt: skip
    """Pass rates over time with their intervals, each with its verdict's symbol and colour, and the gate."""
    import plotly.graph_objects as go

    looks = [VERDICTS.get(verdict, ("diamond-open", QUIET)) for verdict in verdicts]
    points = go.Scatter(
        x=list(times), y=list(rates), mode="lines+markers", text=list(texts), line={"color": QUIET, "width": 1},
        marker={"symbol": [symbol for symbol, _ in looks], "color": [colour for _, colour in looks], "size": 9},
        error_y={
            "type": "data", "symmetric": False, "thickness": 1, "color": QUIET,
            "array": [h - r for h, r in zip(high, rates, strict=True)],
            "arrayminus": [r - b for r, b in zip(rates, low, strict=True)],
        },
        hovertemplate="%{x}<br>%{text}<extra></extra>", name="pass rate",
    )  # fmt: skip
    figure = go.Figure([points])
    figure.add_hline(y=gate, line={"color": GATE, "dash": "dash"}, annotation_text=f"gate {share(gate)}")
    figure.update_yaxes(tickformat=".0%", range=[max(0.0, min([*low, gate]) - 0.05), 1.02])
    return layout(figure, height=260, x=zone, y="cases passed", showlegend=False)


LINES = (("p50", ACCENT, "solid"), ("p95", SECOND, "dash"), ("p99", THIRD, "dot"))


def shares(times: Sequence[Any], values: Sequence[float | None], texts: Sequence[str], *, target: float,
           zone: str) -> Any:  # fmt: skip
    """Good shares over time beside what is objective; slices below it are crosses."""
    import plotly.graph_objects as go

    below = [value is not None and value < target for value in values]
    marks = {
        "symbol": ["x" if bad else "circle" for bad in below], "size": [9 if bad else 5 for bad in below],
        "color": [BAD if bad else ACCENT for bad in below],
    }  # fmt: skip
    line = go.Scatter(
        x=list(times), y=list(values), mode="lines+markers", text=list(texts), marker=marks,
        line={"color": ACCENT, "width": 1.5}, hovertemplate="%{x}<br>%{text}<extra></extra>", name="good",
    )  # fmt: skip
    figure = go.Figure([line])
    figure.add_hline(y=target, line={"color": GATE, "dash": "dash"}, annotation_text="objective")
    lowest = min([value for value in values if value is not None], default=target)
    pad = max(0.0005, (1 - min(lowest, target)) * 0.15)
    figure.update_yaxes(tickformat=".2%", range=[max(0.0, min(lowest, target) - pad), 1 + pad / 2])
    return layout(figure, height=300, x=zone, y="good", showlegend=False)


def quantiles(times: Sequence[Any], values: Mapping[str, Sequence[float | None]], *, threshold: float | None,
              unit: str, zone: str) -> Any:  # fmt: skip
    """p50, p95 and p99 over time beside the threshold."""
    import plotly.graph_objects as go

    figure = go.Figure(
        [
            go.Scatter(
                x=list(times), y=list(values[name]), mode="lines", name=name, line={"color": colour, "dash": dash},
                hovertemplate=f"%{{x}}<br>{name} %{{y:.3~s}} {unit}<extra></extra>",
            )
            for name, colour, dash in LINES
        ]
    )  # fmt: skip
    if threshold is not None:
        figure.add_hline(y=threshold, line={"color": GATE, "dash": "dash"}, annotation_text="good up to here")
    figure.update_yaxes(rangemode="tozero")
    return layout(figure, height=300, x=zone, y=unit)


def budget(times: Sequence[Any], left: Sequence[float], *, zone: str) -> Any:
    """What was left of the error budget."""
    import plotly.graph_objects as go

    line = go.Scatter(
        x=list(times), y=list(left), mode="lines", line={"color": ACCENT, "shape": "hv"}, fill="tozeroy",
        fillcolor="rgba(91,120,230,.15)", hovertemplate="%{x}<br>%{y:.1%} left<extra></extra>",
    )  # fmt: skip
    figure = go.Figure([line])
    figure.add_hline(y=0, line={"color": BAD, "dash": "dash"}, annotation_text="nothing left")
    figure.update_yaxes(tickformat=".0%")
    return layout(figure, height=300, x=zone, y="budget left", showlegend=False)


def mark(figure: Any, *, deploys: Sequence[tuple[Any, str]], stretches: Sequence[tuple[Any, Any, str, str]]) -> Any:
    """Deploys as dotted lines with a word on hover; stretches (kind: incident or maintenance) as bands."""
    if not (stretches or deploys):
        return figure
    shapes = [_band(low, high, BANDS[kind]) for low, high, kind, _ in stretches]
    shapes += [_band(at, at, None) for at, _ in deploys]
    kinds = {"incident": ("square", QUIET), "maintenance": ("diamond", QUIET)}
    for kind, (symbol, colour) in kinds.items():
        figure.add_trace(_marks([(low, text) for low, _, of, text in stretches if of == kind], symbol, colour))
    figure.add_trace(_marks(deploys, "triangle-down", ACCENT))
    figure.update_layout(
        shapes=[*figure.layout.shapes, *shapes],
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    )
    return figure


BANDS = {"incident": "rgba(213,94,0,.18)", "maintenance": "rgba(140,140,150,.25)"}


def _band(low: Any, high: Any, colour: str | None) -> dict[str, Any]:
    """A band over the whole height, or a dotted line where it has no colour of its own."""
    line = {"width": 0} if colour else {"color": QUIET, "dash": "dot", "width": 1}
    return {"type": "rect" if colour else "line", "x0": low, "x1": high, "y0": 0, "y1": 1, "yref": "paper",
            "fillcolor": colour, "line": line, "layer": "below"}  # fmt: skip


def _marks(spots: Sequence[tuple[Any, str]], symbol: str, colour: str) -> Any:
    """Small marks at the upper edge that say on hover what they stand for."""
    import plotly.graph_objects as go

    return go.Scatter(
        x=[at for at, _ in spots], y=[0.98] * len(spots), yaxis="y2", mode="markers", text=[text for _, text in spots],
        marker={"symbol": symbol, "size": 9, "color": colour}, hovertemplate="%{x}<br>%{text}<extra></extra>",
        showlegend=False,
    )  # fmt: skip
