"""The page Deployments as markup: the light, what a deploy would cut, the settings, ways out, past deploys."""

from __future__ import annotations

import json
from datetime import datetime, tzinfo
from html import escape

import streamlit as st

from services import access, clock, export
from services.deploys import hooks
from services.deploys import light as lights
from services.deploys.forecast import Forecast
from services.deploys.history import Past
from services.deploys.platform import TITLES, Platform
from services.deploys.view import Deployments, document, view
from services.units import percent
from ui import cached, html, present, signin, widgets

RISKS = {
    "safe": ("ok", "safe"), "not_seen": ("unknown", "none cut so far"), "at_risk": ("degraded", "at risk"),
    "cut": ("down", "cut"),
}  # fmt: skip
SOURCES = {"told": "reported", "seen": "seen in readiness"}
COLUMNS = ("version", "at", "source", "note", "readiness_gap_s", "healthy_after_s", "confirmed", "failed_runs")
LIMITS = (
    "Runs stand for their steps: how long each step takes is not read yet. A run counts from when it was queued. "
    "Settings that were made in the platform's dashboard alone are not known here."
)


def render(found: Deployments, where: tzinfo, now: datetime) -> tuple[str, str]:
    """The answer; and all that stands below it."""
    what, fix = lights.words(found.light)
    state = {True: "ok", False: "degraded", None: "unknown"}[found.light.clear]
    as_of = f'<div class="dim">As of {present.moment(found.light.as_of_ms, where)}</div>'
    answer = html.block(as_of, html.answer(state, what, fix, mark=found.simulated), _at_work(found, where))
    rest = html.block(
        _facts(found), html.heading("What is wrong with the settings"), _findings(found),
        html.heading("Settings in effect", "As written in the env file and in the files of [deploys] files."),
        _settings(found.platform, now),
        html.heading("What a deploy would cut", "Background runs of 30 days against overlap and draining together."),
        _forecast(found), html.heading("Past deploys", "Of the last 90 days."), _past(found.past, where),
    )  # fmt: skip
    return answer, rest


def _at_work(found: Deployments, where: tzinfo) -> str:
    if not found.light.at_work:
        return ""
    rows = [
        (escape(run.function), escape(present.moment(run.since_ms, where, short=True)),
         "not known" if run.expected_s is None else present.seconds(run.expected_s),
         "not known" if run.within_s is None else present.seconds(run.within_s))
        for run in found.light.at_work
    ]  # fmt: skip
    return html.table(("At work", "Since", "Half are done in", "8 of 10 within"), rows)


def _facts(found: Deployments) -> str:
    rate = "not known" if found.deploys_a_month is None else f"{found.deploys_a_month:.0f} a month"
    cost = "not known" if found.cost_factor is None else f"{found.cost_factor:.2f} × one version (goal: under 2)"
    return (
        f'<p class="dim">Deploys: {rate} · Cost with overlap: {cost} · Run again by hand through Greenlight in 7 days: '
        f"{found.again_by_hand} (goal: 0)</p>"
    )


def _findings(found: Deployments) -> str:
    if not found.findings:
        return f"<p>{html.badge('ok', word='nothing')} Overlap and draining are set, and nothing undoes them.</p>"
    items = "".join(
        f"<li>{html.badge('down' if f.severity == 'error' else 'degraded', word=f.severity)} {escape(f.advice.what)}"
        f'<div class="fix dim">{escape(f.advice.fix)}</div></li>'
        for f in found.findings
    )
    return f"<ul>{items}</ul>"


def _settings(platform: Platform, now: datetime) -> str:
    rows = []
    for field, title in TITLES.items():
        value = platform.effective(field, now)
        if value is None and field not in {"overlap", "draining"}:
            continue
        shown = f'<span class="key">{escape(value.value)}</span>' if value is not None else "unset, treated as 0"
        rows.append((escape(title), shown, escape(value.source) if value is not None else "–"))
    return html.table(("Setting", "In effect", "From"), rows)


def _forecast(found: Deployments) -> str:
    if not found.forecast:
        return (
            '<p class="dim">No run was read whose beginning is known. They are read from the list of runs: '
            "Dependency health says whether that works.</p>"
        )
    rows = [
        (escape(f.function), present.number(f.runs), present.seconds(f.p50_s), present.seconds(f.p95_s),
         present.seconds(f.longest_s), html.badge(RISKS[f.risk][0], word=RISKS[f.risk][1]), _share(f))
        for f in found.forecast
    ]  # fmt: skip
    head = f'<p class="dim">A deploy grants {present.seconds(found.granted_s)}: overlap and draining together.</p>'
    return head + html.table(("Function", "Runs", "p50", "p95", "Longest", "A deploy", "Longer than that"), rows)


def _share(item: Forecast) -> str:
    return f"{item.longer} of {item.runs}; at most {percent(item.at_most)} in the long run (95 %)"


def _past(past: tuple[Past, ...], where: tzinfo) -> str:
    if not past:
        return (
            '<p class="dim">None is known. A changed version in readiness is noted by itself; a pipeline can report '
            "one (POST /api/v1/deploys).</p>"
        )
    rows = [
        (f'<span class="key">{escape(p.deploy.version)}</span>', present.moment(p.deploy.at_ms, where, short=True),
         escape(SOURCES.get(p.deploy.source, p.deploy.source)), _seconds(p.gap_s), _seconds(p.healthy_after_s),
         _confirmed(p), present.number(p.failed_runs))
        for p in past
    ]  # fmt: skip
    head = ("Version", "When", "Noted", "Not ready for", "Healthy after", "Within 15 min", "Runs failed in an hour")
    return html.table(head, rows)


def _seconds(value: float | None) -> str:
    return "not observed" if value is None else present.seconds(value)


def _confirmed(past: Past) -> str:
    state, word = {True: ("ok", "healthy"), False: ("down", "not healthy"), None: ("unknown", "not known")}[
        past.is_confirmed
    ]
    return html.badge(state, word=word)


def ways(found: Deployments) -> None:
    """The three ways, each with the lines to copy."""
    html.show(html.block(html.heading("Ways to interrupt nothing", "In this order; each names what it is enough for.")))
    for way in found.ways:
        with st.expander(f"{way.name}. {way.title}"):
            st.caption(way.when)
            st.code("\n".join(way.lines), language=None)
    st.caption(LIMITS)


def hook(environment: str) -> None:
    """The address of the platform's webhook, for those who may set it up: it is a secret."""
    with st.expander("The platform's webhook", icon=":material/webhook:"):
        st.caption("Enter it in the platform's project settings. A call has this environment looked at at once; "
                   "what it says is not read. Without it a deploy is seen at the next check of readiness.")  # fmt: skip
        if why := access.why_not(signin.person(), "deploy"):
            st.caption(f"The address is a secret. {why}")
            return
        st.code(widgets.whole_address(hooks.address(cached.settings(), environment)), language=None)


def downloads(environment: str) -> None:
    """What is seen, as files."""
    row = st.container(horizontal=True)
    row.download_button(
        "CSV", lambda: export.csv_text(COLUMNS, document(cached_view(environment))["deploys"]),
        file_name=f"{environment}-deploys.csv", mime="text/csv", on_click="ignore", icon=":material/download:",
        key="deploys-csv",
    )  # fmt: skip
    row.download_button(
        "JSON", lambda: json.dumps(document(cached_view(environment)), indent=2),
        file_name=f"{environment}-deploys.json", mime="application/json", on_click="ignore",
        icon=":material/download:", key="deploys-json",
    )  # fmt: skip


@st.cache_data(ttl=cached.FRESH_S, max_entries=50, show_spinner=False)
def cached_view(environment: str) -> Deployments:
    """The view-model, a moment old at most."""
    return view(cached.store(), cached.settings(), environment, clock.now_ms())


@st.cache_data(ttl=cached.FRESH_S, max_entries=50, show_spinner=False)
def markup(environment: str, zone_name: str) -> tuple[str, str]:
    """The page as markup, in a time zone: the answer, and the rest."""
    return render(cached_view(environment), present.zone(zone_name), clock.now())
