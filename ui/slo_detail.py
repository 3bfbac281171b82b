"""One SLO in depth. Its chart with deploys and incidents, what spent the budget, files to take away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from html import escape
from typing import Any

import streamlit as st

from services import clock, documents, export
from services.clock import DAY_MS, HOUR_MS
from services.slo import words
from services.slo.chart import Point, width
from services.slo.depth import Depth
from services.slo.incidents import Incident
from ui import cached, charts, html, present, state, widgets

VIEWS = {"measured": "Measured", "day": "Last 24 hours", "budget": "Budget"}
COLUMNS = ("environment", "simulated", "sli", "from", "until", "good", "bad", "unknown", "observed_s", "share", "p50",
           "p95", "p99")  # fmt: skip


def show(environment: str, sli: str, days: int | None) -> None:
    """The SLO in depth."""
    found = cached.slo_depth(environment, sli, days)
    if found is None:
        html.show(html.answer("unknown", f"There is no SLO for {sli}.", "Choose one of those above."))
        return
    zone = widgets.zone()
    mark = f" {html.simulated()}" if found.slos.simulated else ""
    policy = words.policy(found.row, cached.settings().slo, found.slos.verdict)
    objective = f"Objective: {words.target(found.row)}."
    html.show(
        html.block(
            f'<div class="row" id="detail">{html.heading(words.title(sli))}{html.badge(found.row.status.state)}{mark}'
            f'</div><div class="dim">{escape(objective)} {escape(policy)}</div>'
        )
    )
    chosen = widgets.choose(state.CHART, VIEWS, label="Chart")
    figure = _figure(found, chosen, zone)
    if figure is None:
        why = "Nothing was measured in this time" if found.row.status.budget is None else "No error is allowed"
        st.caption(f"{why}, so there is nothing to draw.")
    else:
        st.plotly_chart(figure, config=charts.CONFIG, key=f"slo:{sli}:{chosen}")
        st.caption(_reading(found, chosen, zone))
    _downloads(found, chosen, zone)
    html.show(html.block(html.heading("What spent the budget"), _incidents(found, zone)))
    html.show(html.block(html.heading("How fast it burns", BURN), _burns(found)))


BURN = (
    "A rule warns when both its windows burn faster than its limit: the long one says that it matters, the short one "
    "that it goes on."
)


def _figure(found: Depth, chosen: str, zone: tzinfo) -> Any:
    row, name = found.row, str(zone)
    if chosen == "budget":
        if not row.burn_down:
            return None
        figure = charts.budget(
            [_local(at, zone) for at, _ in row.burn_down], [left for _, left in row.burn_down], zone=name
        )
        return _marked(figure, found, row.from_ms, zone)
    points = found.day if chosen == "day" else found.points
    if not points:
        return None
    times = [_local((p.from_ms + p.until_ms) // 2, zone) for p in points]
    if row.slo.kind == "ratio":
        texts = [f"{present.share(p.share)}, {p.good:,} of {p.good + p.bad:,}" for p in points]
        figure = charts.shares(times, [p.share for p in points], texts, target=row.slo.objective.target, zone=name)
    else:
        values = {key: [getattr(p, key) for p in points] for key in ("p50", "p95", "p99")}
        figure = charts.quantiles(times, values, threshold=row.slo.threshold, unit=row.slo.unit, zone=name)
    return _marked(figure, found, points[0].from_ms, zone)


def _marked(figure: Any, found: Depth, since_ms: int, zone: tzinfo) -> Any:
    stretches = [
        (_local(i.from_ms, zone), _local(i.until_ms, zone), "incident", f"incident: {_cause(i)}, {i.bad:,} bad")
        for i in found.incidents if i.until_ms >= since_ms
    ]  # fmt: skip
    stretches += [
        (_local(m.from_ms, zone), _local(m.until_ms, zone), "maintenance", f"maintenance: {escape(m.reason)}")
        for m in found.slos.maintenance if m.withdrawn_ms is None and m.until_ms >= since_ms
    ]  # fmt: skip
    deploys = [(_local(d.at_ms, zone), f"deploy {escape(d.version)}") for d in found.deploys if d.at_ms >= since_ms]
    return charts.mark(figure, deploys=deploys, stretches=stretches)


def _local(at_ms: int, zone: tzinfo) -> Any:
    return clock.from_ms(at_ms).astimezone(zone)


def _reading(found: Depth, chosen: str, zone: tzinfo) -> str:
    """What the chart says, for those who can't see it, and how its points are made."""
    if chosen == "budget":
        return f"{present.share(found.row.burn_down[-1][1])} of the budget is left. Times are {zone}."
    points = found.day if chosen == "day" else found.points
    size = width(points[0].from_ms, found.slos.as_of_ms)
    slices = {DAY_MS: "a day (UTC)", HOUR_MS: "an hour"}.get(size, "ten minutes")
    worst = min(points, key=lambda p: 2 if p.share is None else p.share)
    said = ""
    if worst.share is not None and worst.share < 1:
        said = f" The worst had {present.share(worst.share)} good, {present.moment(worst.from_ms, zone, short=True)}."
    marks = "Triangles are deploys, squares incidents, diamonds maintenance."
    return f"Each point is {slices}.{said} {marks} Times are {zone}."


def _cause(incident: Incident) -> str:
    return f"{present.appearance(incident.state).word}{present.cause(incident.code)}"


def _incidents(found: Depth, zone: tzinfo) -> str:
    if not found.incidents:
        return '<p class="dim">Nothing: the probe behind this SLO was never unhealthy in this window.</p>'
    rows = []
    for item in found.incidents:
        until = "goes on" if item.going_on else present.moment(item.until_ms, zone, short=True)
        spent = _spent(item.spent)
        cost = (item.maintenance and f"not counted: {item.maintenance}") or f"{item.bad:,} bad, {spent}"
        proof = html.link("evidence", "dependency_health", env=found.slos.environment, detail=_dependency(found))
        rows.append((escape(present.moment(item.from_ms, zone, short=True)), escape(until),
                     html.badge(item.state) + escape(present.cause(item.code)), escape(cost), proof))  # fmt: skip
    return html.table(("From", "To", "What", "Cost", ""), rows)


def _spent(part: float | None) -> str:
    if part is None:
        return "where none is allowed"
    return f"{present.share(part)} of the budget" if part <= 1 else f"{part:,.3g} times the budget"


def _dependency(found: Depth) -> str:
    probe = found.row.slo.probe or ""
    return probe if probe.startswith("queue:") else probe.split(".", 1)[0]


def _burns(found: Depth) -> str:
    rows = []
    for item in found.row.status.burns:
        state_ = "down" if item.firing else "ok" if item.burn_long is not None else "unknown"
        word = "warns" if item.firing else "quiet" if item.burn_long is not None else "nothing measured"
        rates = [present.times(rate) for rate in (item.burn_long, item.burn_short)]
        rows.append((
            escape(f"{present.seconds(item.rule.long_s)} and {present.seconds(item.rule.short_s)}"),
            escape(present.times(item.rule.factor)), escape(rates[0]), escape(rates[1]), html.badge(state_, word=word),
            escape({"page": "page the on-call", "ticket": "write a ticket"}[item.rule.severity]),
        ))  # fmt: skip
    return html.table(("Windows", "Limit", "Long", "Short", "Now", "Where it warns"), rows)


def _downloads(found: Depth, chosen: str, zone: tzinfo) -> None:
    row = st.container(horizontal=True)
    name = f"{found.slos.environment}-{found.row.slo.sli.replace(':', '-')}"
    points = found.day if chosen == "day" else found.points
    row.download_button(
        "CSV", lambda: points_csv(found, points), file_name=f"{name}.csv", mime="text/csv", icon=":material/download:",
        on_click="ignore", key="slo-csv",
    )  # fmt: skip
    row.download_button(
        "Chart (HTML)", lambda: _page(found, chosen, zone), file_name=f"{name}.html", mime="text/html",
        icon=":material/download:", on_click="ignore", key="slo-html",
    )  # fmt: skip


def points_csv(found: Depth, points: Sequence[Point]) -> str:
    """The chart's points as CSV, times in UTC."""
    return export.csv_text(
        COLUMNS,
        [
            {
                "environment": found.slos.environment, "simulated": found.slos.simulated, "sli": found.row.slo.sli,
                "from": clock.iso(p.from_ms), "until": clock.iso(p.until_ms), "good": p.good, "bad": p.bad,
                "unknown": p.unknown, "observed_s": round(p.covered_ms / 1000, 3), "share": p.share, "p50": p.p50,
                "p95": p.p95, "p99": p.p99,
            }
            for p in points
        ],
    )  # fmt: skip


def _page(found: Depth, chosen: str, zone: tzinfo) -> str:
    """The chart in a file of its own that needs no network."""
    figure = _figure(found, chosen, zone)
    mark = " (simulated)" if found.slos.simulated else ""
    title = f"{found.slos.environment}{mark}: {words.title(found.row.slo.sli)}"
    chart = "" if figure is None else figure.update_layout(
        title=title, margin={"t": 60}, paper_bgcolor="white", plot_bgcolor="white"
    ).to_html(full_html=False, include_plotlyjs="inline", config=charts.CONFIG)  # fmt: skip
    sentence = f"{words.sentence(found.row)} As of {present.moment(found.slos.as_of_ms, zone)}."
    return documents.html("chart.html", title=title, simulated=found.slos.simulated, chart=chart, sentence=sentence)
