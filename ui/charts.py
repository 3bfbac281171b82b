"""How do charts look? One template for all: readable in light, dark and without seeing colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ACCENT, QUIET, GATE = "#5B78E6", "#8F9BB3", "#B57B00"
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
    """Horizontal bars, one a name, the value written beside each."""
    import plotly.graph_objects as go

    names = [name.replace("_", " ") for name in values]
    bar = go.Bar(x=list(values.values()), y=names, orientation="h", marker_color=ACCENT, text=list(labels))
    figure = go.Figure([bar])
    figure.update_traces(textposition="outside", cliponaxis=False, hovertemplate="%{y}: %{text}<extra></extra>")
    if gate is not None:
        figure.add_vline(x=gate, line={"color": GATE, "dash": "dash"})
    figure.update_xaxes(range=[0, top * 1.12] if top else None)
    figure.update_yaxes(automargin=True, autorange="reversed")
    return layout(figure, height=max(140, 26 * len(values) + 50), x=x)


def trend(times: Sequence[Any], rates: Sequence[float], low: Sequence[float], high: Sequence[float],
          texts: Sequence[str], *, gate: float, zone: str) -> Any:  # fmt: skip
    """Pass rates over time with their intervals, and the gate."""
    import plotly.graph_objects as go

    points = go.Scatter(
        x=list(times), y=list(rates), mode="lines+markers", text=list(texts), line={"color": ACCENT},
        error_y={
            "type": "data", "symmetric": False, "thickness": 1, "color": QUIET,
            "array": [h - r for h, r in zip(high, rates, strict=True)],
            "arrayminus": [r - b for r, b in zip(rates, low, strict=True)],
        },
        hovertemplate="%{x}<br>%{text}<extra></extra>", name="pass rate",
    )  # fmt: skip
    figure = go.Figure([points])
    figure.add_hline(y=gate, line={"color": GATE, "dash": "dash"}, annotation_text=f"gate {gate:.0%}")
    figure.update_yaxes(tickformat=".0%", range=[max(0.0, min([*low, gate]) - 0.05), 1.02])
    return layout(figure, height=260, x=zone, y="cases passed", showlegend=False)
