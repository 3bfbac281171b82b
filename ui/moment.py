"""One cell of a ribbon in depth: what each check said in that time, and the evidence. Opened by its own address."""

from __future__ import annotations

from html import escape

import streamlit as st

from services import clock, export
from services.health import moment
from services.health.moment import Moment
from ui import cached, html, present, state, widgets

_LONGEST_MS = 400 * 24 * clock.HOUR_MS


def address(environment: str, from_ms: int, until_ms: int) -> str:
    """Where this stretch of time is shown, for an attribute. In whole minutes, so that it holds still for a while."""
    from_ms, until_ms = from_ms // clock.MINUTE_MS * clock.MINUTE_MS, -(-until_ms // clock.MINUTE_MS) * clock.MINUTE_MS
    return html.address("dependency_health", env=environment, **{state.AT: f"{from_ms}-{until_ms}"})


def asked() -> tuple[int, int] | None:
    """The stretch of time in the address, in ms; None where there is none, or nothing that could be one."""
    begin, _, end = (state.text(state.AT) or "").partition("-")
    if not (begin.isascii() and begin.isdigit() and end.isascii() and end.isdigit()):
        return None
    from_ms, until_ms = int(begin), int(end)
    fits = from_ms < until_ms <= clock.now_ms() + clock.HOUR_MS and until_ms - from_ms <= _LONGEST_MS
    return (from_ms, until_ms) if fits else None


def show(environment: str, from_ms: int, until_ms: int) -> None:
    """Open the dialog for that time; closing it takes it out of the address."""
    zone = widgets.zone()
    begin, end = (present.moment(at, zone, short=True) for at in (from_ms, until_ms))

    @st.dialog(f"{environment} · {begin} – {end}", width="large", on_dismiss=lambda: state.put(state.AT, None))
    @widgets.guarded
    def detail() -> None:
        found = moment.read(cached.store(), environment, from_ms, until_ms)
        if cached.settings().environment(environment).simulated:
            html.show(html.block(html.simulated()))
        _states(found)
        _evidence(found)

    detail()


def _states(found: Moment) -> None:
    st.subheader("What was seen", anchor=False)
    if not found.spans:
        st.caption("Nothing was observed in this time: no worker ran, or it is older than what is kept.")
        return
    zone = widgets.zone()
    rows = [
        (
            escape(present.title(span.probe)),
            html.badge(span.state),
            escape(present.cause(span.code).removeprefix(": ")),
            present.moment(span.from_ms, zone, short=True),
            present.moment(span.until_ms, zone, short=True),
        )
        for span in found.spans
    ]
    html.show(html.block(html.table(("Check", "State", "Finding", "From", "Until"), rows)))
    if found.spans_cut:
        st.caption(f"Only the newest {moment.MOST} are listed.")


def _evidence(found: Moment) -> None:
    st.subheader("Evidence", anchor=False)
    if not found.evidence:
        st.caption("No evidence was recorded in this time. It is written when an outcome changes, and at least hourly.")
        return
    rows = [export.evidence_row(*item) for item in found.evidence]
    st.dataframe(rows, hide_index=True, height=240)
    if found.evidence_cut:
        st.caption(f"Only the newest {moment.MOST} are listed.")
    st.download_button(
        "CSV", export.csv_text(export.EVIDENCE_COLUMNS, rows), file_name=f"{found.environment}-evidence.csv",
        on_click="ignore", key="moment-csv", icon=":material/download:",
    )  # fmt: skip
