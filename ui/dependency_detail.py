"""One dependency in depth: history chart, raw results, evidence. Opened by a click, or by its own address."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import streamlit as st

from services import access, clock, export, heartbeats
from services.clock import HOUR_MS
from services.dependencies.model import dependency_of
from services.dependencies.probes import probes_of
from services.health import view
from services.store.samples import Bucket
from ui import cached, html, present, signin, state, widgets

RANGES = {"1 hour": 1.0, "24 hours": 24.0, "7 days": 168.0, "30 days": 720.0}
POINTS = 240
EVIDENCE_COLUMNS = (
    "number",
    "at",
    "check",
    "outcome",
    "counts",
    "value",
    "threshold",
    "finding",
    "version",
    "simulated",
    "hash",
)


def names(environment: str) -> tuple[str, ...]:
    """The dependencies that can be opened."""
    probes = probes_of(cached.settings().environment(environment))
    return tuple(dict.fromkeys(dependency_of(probe.name) for probe in probes))


def show(environment: str, name: str) -> None:
    """Open the dialog for one dependency; closing it takes it out of the address."""

    @st.dialog(f"{present.title(name)} · {environment}", width="large", on_dismiss=_close)
    @widgets.guarded
    def detail() -> None:
        item = next(i for i in cached.environment_view(environment).dependencies if i.dependency.name == name)
        mark = html.simulated() if cached.settings().environment(environment).simulated else ""
        html.show(html.block(f"<p>{mark} {html.badge(item.dependency.state)} {escape(item.notice.advice.what)}</p>"))
        if item.dependency.kind == heartbeats.KIND:
            _address(environment, name)
        _history(environment, name)
        st.subheader("Raw results", anchor=False)
        st.caption("The newest check of each probe, as measured. Secrets never get this far.")
        for probe in item.dependency.probes:
            raw = {"finding": probe.code, "outcome": probe.outcome, "measured_at": clock.iso(probe.at_ms)}
            st.markdown(f"**{present.title(probe.probe)}**")
            st.json(raw | dict(probe.detail), expanded=len(item.dependency.probes) == 1)
        _evidence(environment, name)

    detail()


def _address(environment: str, name: str) -> None:
    """Where a job calls, for those who may set it up: the address is a secret."""
    st.subheader("Address", anchor=False)
    refusal = access.why_not(signin.person(), "write_env")
    if refusal:
        st.caption(f"The address is a secret. {refusal}")
        return
    url = widgets.whole_address(heartbeats.address(cached.settings(), environment, name))
    st.caption("A secret: a job that knows this address reports in this name. Send up to 10 kB of its output along.")
    st.code(
        f"curl -fsS -X POST {url}/start   # it starts (if you like)\n"
        f"curl -fsS -X POST {url}         # it succeeded\n"
        f"curl -fsS -X POST {url}/fail    # it failed\n"
        f"curl -fsS -X POST {url}/$?      # by its exit status",
        language="bash",
    )


def _close() -> None:
    st.query_params.pop(state.DETAIL, None)


def _history(environment: str, name: str) -> None:
    slis = view.slis_of(name)
    if not slis:
        return
    st.subheader("History", anchor=False)
    picked = st.segmented_control("Time shown", list(RANGES), default="24 hours", label_visibility="collapsed")
    hours = RANGES[picked or "24 hours"]
    for sli in slis:
        buckets = view.history(cached.store(), environment, sli, now_ms=clock.now_ms(), hours=hours, points=POINTS)
        what, unit = present.SLI_TITLES.get(sli.split(":", 1)[0], (sli, ""))
        if not buckets:
            st.caption(f"No measurement of {what} in this time. Measurements appear here as the worker makes them.")
            continue
        width_ms = int(hours * HOUR_MS) // POINTS
        figure = _figure(with_gaps(buckets, width_ms), f"{what} ({unit})")
        st.plotly_chart(figure, config={"displaylogo": False}, key=f"chart-{sli}")


def with_gaps(buckets: tuple[Bucket, ...], width_ms: int) -> tuple[Bucket, ...]:
    """An empty bucket wherever three or more are missing, so that no line is drawn across what nobody saw."""
    found: list[Bucket] = []
    for bucket in buckets:
        if found and bucket.from_ms - found[-1].from_ms > 3 * width_ms:
            hole = found[-1].from_ms + width_ms
            found.append(Bucket(from_ms=hole, count=0, good=0, bad=0, mean=None, highest=None))
        found.append(bucket)
    return tuple(found)


def _figure(buckets: tuple[Bucket, ...], label: str) -> Any:
    """Mean and highest value by time; failures as marks, since a failed check has no value."""
    import plotly.graph_objects as go

    where = widgets.zone()
    times = [clock.from_ms(bucket.from_ms).astimezone(where) for bucket in buckets]
    bad = [(time, bucket) for time, bucket in zip(times, buckets, strict=True) if bucket.bad]
    figure = go.Figure(
        [
            go.Scatter(x=times, y=[b.highest for b in buckets], name="highest", line={"width": 1, "color": "#8F9BB3"}),
            go.Scatter(x=times, y=[b.mean for b in buckets], name="mean", line={"width": 2, "color": "#3457D5"}),
            go.Scatter(
                x=[time for time, _ in bad],
                y=[0 for _ in bad],
                mode="markers",
                name="failed or slow",
                marker={"symbol": "x", "color": "#B3261E", "size": 8},
                text=[f"{bucket.bad} of {bucket.count}" for _, bucket in bad],
            ),
        ]
    )
    figure.update_layout(
        height=240,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        yaxis={"title": label, "rangemode": "tozero"},
        xaxis={"title": str(where)},
        legend={"orientation": "h", "y": 1.15},
        hovermode="x unified",
    )
    return figure


def _evidence(environment: str, name: str) -> None:
    st.subheader("Evidence", anchor=False)
    st.caption("One record when an outcome changes, and at least hourly. Each is chained to the one before it.")
    proofs = view.raw_evidence(cached.store(), cached.settings(), environment, clock.now_ms())
    found = [
        export.evidence_row(p.number, p.hash, p.record) | {"counts": "yes" if p.stale is None else f"no: {p.stale}"}
        for p in proofs
        if p.record.check.split(".")[0] == name or p.record.check in {name, f"dependency:{name}"}
    ]
    rows = [{column: row[column] for column in EVIDENCE_COLUMNS} for row in found]
    if not rows:
        st.caption("No evidence yet: it is written with the first results.")
        return
    st.dataframe(rows, hide_index=True, height=240)
    left, right, _ = st.columns([1, 1, 4])
    left.download_button(
        "CSV", export.csv_text(EVIDENCE_COLUMNS, rows), file_name=f"{environment}-{name}-evidence.csv",
        on_click="ignore", key="evidence-csv",
    )  # fmt: skip
    right.download_button(
        "JSON", json.dumps(rows, indent=2), file_name=f"{environment}-{name}-evidence.json",
        on_click="ignore", key="evidence-json",
    )  # fmt: skip
