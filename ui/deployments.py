"""The page Deployments as markup: the light, what a deploy would cut, the settings, ways out, past deploys."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime, tzinfo
from html import escape

import streamlit as st

from services import access, clock, export
from services.deploys import hooks, in_flight, releases
from services.deploys import light as lights
from services.deploys.after import PARTS
from services.deploys.forecast import Forecast
from services.deploys.history import Past
from services.deploys.platform import TITLES, Platform
from services.deploys.success import Success
from services.deploys.view import Deployments, document, view
from services.errors import StoreError
from services.units import percent
from ui import cached, html, present, signin, widgets

RISKS = {
    "safe": ("ok", "safe"), "not_seen": ("unknown", "none cut so far"), "at_risk": ("degraded", "at risk"),
    "cut": ("down", "cut"), "unknown": ("unknown", "not known"),
}  # fmt: skip
SOURCES = {"told": "reported", "seen": "seen in readiness", "platform": "by the platform"}
COLUMNS = (
    "version", "at", "source", "note", "who", "branch", "commit", "platform_status", "confirmed",
    "readiness_gap_s", "healthy_after_s", "interrupted_steps",
    "steps_tried_again", "duplicate_llm_calls", "failed_runs", "rerun_by_hand", "budget_spent",
)  # fmt: skip
STEPS = ("function", "step", "tries", "p50_s", "p95_s", "longest_s", "longer", "at_most", "risk", "cut_per_deploy",
         "cut_at_least", "cut_at_most")  # fmt: skip
LIMITS = (
    "Steps are read from the traces of runs that ended, of the newest 25 at each check. Tries that failed are known of "
    "servers that you run yourselves. LLM calls made twice are known where the application's trace file lies here."
)


def render(found: Deployments, where: tzinfo, now: datetime) -> tuple[str, str]:
    """The answer; and all that stands below it."""
    what, fix = lights.words(found.light)
    state = {True: "ok", False: "degraded", None: "unknown"}[found.light.clear]
    as_of = f'<div class="dim">As of {present.moment(found.light.as_of_ms, where)}</div>'
    answer = html.block(as_of, html.answer(state, what, fix, mark=found.simulated), _at_work(found, where))
    rest = html.block(
        html.heading("What deploys cost", "Goals: no step interrupted, none paid twice, no run started again by hand."),
        _success(found, where), html.heading("What is wrong"), _findings(found),
        html.heading("What a deploy would cut", "Steps of 30 days against overlap and draining together."),
        _forecast(found), html.heading("Past deploys", "Of the last 90 days."), _past(found.past, where),
        _broke(found, where),
        html.heading("Settings in effect", "As the platform's API says, else as written in env file and files."),
        _settings(found.platform, now),
    )  # fmt: skip
    return answer, rest


def _at_work(found: Deployments, where: tzinfo) -> str:
    if not found.light.at_work:
        return ""
    rows = [
        (escape(run.function), "not known" if run.step is None else escape(run.step),
         escape(present.moment(run.since_ms, where, short=True)),
         "not known" if run.expected_s is None else present.seconds(run.expected_s),
         "not known" if run.within_s is None else present.seconds(run.within_s))
        for run in found.light.at_work
    ]  # fmt: skip
    return html.table(("At work", "Step", "Since", "Half are done in", "8 of 10 within"), rows)


def _success(found: Deployments, where: tzinfo) -> str:
    """The three measures, over a week and since the settings last changed."""
    spans = [("7 days", found.week)]
    if found.since_settings is not None:
        since = present.moment(found.since_settings.since_ms, where, short=True)
        spans.append((f"Since the settings changed ({since})", found.since_settings))
    rows = [
        (escape(title), present.number(s.deploys), _cut(s), _money(s.cost, "set [deploys] cost_per_step"),
         _goal(present.number(s.by_hand), is_met=s.by_hand == 0))
        for title, s in spans
    ]  # fmt: skip
    rate = "not known" if found.deploys_a_month is None else f"{found.deploys_a_month:.0f} a month"
    cost = "not known" if found.cost_factor is None else f"{found.cost_factor:.2f} × one version (goal: under 2)"
    head = ("", "Deploys", "Steps interrupted", "Cost of running them again", "Runs started again by hand")
    return html.table(head, rows) + f'<p class="dim">Deploys: {rate} · Cost with overlap: {cost}</p>'


def _cut(found: Success) -> str:
    if found.cut is None:
        return "not known"
    share = "" if found.rate is None else f" of {present.number(found.steps)} ({percent(found.rate)})"
    return _goal(f"{present.number(found.cut)}{share}", is_met=found.cut == 0)


def _goal(text: str, *, is_met: bool) -> str:
    return f"{html.badge('ok' if is_met else 'down', word='met' if is_met else 'missed')} {escape(text)}"


def _money(value: float | None, unknown: str) -> str:
    return f'<span class="dim">{escape(unknown)}</span>' if value is None else f"{value:,.2f}"


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
        (escape(f.function), escape(f.step) or '<span class="dim">whole run</span>', present.number(f.tries),
         present.seconds(f.p50_s), present.seconds(f.p95_s), present.seconds(f.longest_s),
         html.badge(RISKS[f.risk][0], word=RISKS[f.risk][1]), _share(f), _interval(f.expected, f.low, f.high))
        for f in found.forecast
    ]  # fmt: skip
    head = ("Function", "Step", "Tries", "p50", "p95", "Longest", "Risk", "Longer than it grants", "Cut by a deploy")
    return _verdict(found) + html.table(head, rows)


def _verdict(found: Deployments) -> str:
    """The whole of it in sentences."""
    said = ["What a deploy grants is not known; the table assumes 0 s."]
    if found.is_named:
        said = [f"A deploy grants {present.seconds(found.granted_s)}: overlap and draining together."]
    if found.toll is not None:
        cut = _interval(found.toll.expected, found.toll.low, found.toll.high)
        said.append(f"It cuts {cut} steps, at a moment that nobody chose.")
        if found.toll.cost is not None:
            month = "" if found.toll.a_month is None else f", {found.toll.a_month:,.2f} a month"
            said.append(f"That costs {found.toll.cost:,.2f} a deploy{month}.")
    if found.needed is not None:
        sure = "" if found.needed.sure else ", as far as fewer than 1,000 tries of a step can tell"
        said.append(f"Grant {found.needed.seconds} s, so that at most 1 step in 1,000 is cut{sure}.")
    return f"<p>{' '.join(said)}</p>"


def _interval(expected: float | None, low: float | None, high: float | None) -> str:
    if expected is None or low is None or high is None:
        return "not known"
    return f"{_few(expected)} ({_few(low)} to {_few(high)})"


def _few(value: float) -> str:
    return "0" if value == 0 else f"{value:.2g}" if value < 1 else f"{value:.1f}"


def _share(item: Forecast) -> str:
    return f"{item.longer} of {item.tries}; at most {percent(item.at_most)} in the long run (95 %)"


def _past(past: tuple[Past, ...], where: tzinfo) -> str:
    if not past:
        return (
            '<p class="dim">None is known. A changed version in readiness is noted by itself; a pipeline can report '
            "one (POST /api/v1/deploys).</p>"
        )
    rows = [
        (f'<span class="key">{escape(p.deploy.version)}</span>{_who(p)}',
         present.moment(p.deploy.at_ms, where, short=True),
         escape(SOURCES.get(p.deploy.source, p.deploy.source)), _confirmed(p), _seconds(p.after.gap_s),
         _seconds(p.after.healthy_after_s), _foreseen(p), _number(p.after.cut), _number(p.after.again),
         _number(p.after.calls_twice),
         present.number(p.after.failed_runs), present.number(p.after.by_hand),
         "not measured" if p.after.budget is None else percent(p.after.budget))
        for p in past
    ]  # fmt: skip
    head = ("Version", "When", "Noted", "After 15 min", "Not ready for", "Healthy after", "Forecast", "Steps cut",
            "Tried again", "LLM calls twice", "Runs failed", "Run again by hand", "Readiness budget spent")  # fmt: skip
    return html.table(head, rows)


def _who(past: Past) -> str:
    """Who, and of which branch, on a line of its own."""
    told = releases.who(past.deploy)
    named = [text for text in (told["who"], told["branch"]) if text]
    return f'<div class="dim">{escape(" · ".join(named))}</div>' if named else ""


def _broke(found: Deployments, where: tzinfo) -> str:
    """Deploys that the platform calls failed or crashed. None of them counts as a deploy."""
    if not found.broke:
        return ""
    rows = [
        (present.moment(d.created_ms, where, short=True), html.badge("down", word=d.status.lower()),
         f'<span class="key">{escape(d.commit[:12]) or "not known"}</span>', escape(d.branch or "not known"),
         escape(d.author or "not known"), escape(d.message))
        for d in found.broke
    ]  # fmt: skip
    head = ("When", "State", "Commit", "Branch", "Who", "Message")
    return html.heading("Deploys that failed or crashed", "As the platform lists its newest deploys.") + html.table(
        head, rows
    )


def _foreseen(past: Past) -> str:
    found = past.foreseen
    return "none made" if found is None else _interval(found.expected, found.low, found.high)


def _number(value: int | None) -> str:
    return "not known" if value is None else present.number(value)


def _seconds(value: float | None) -> str:
    return "not observed" if value is None else present.seconds(value)


def _confirmed(past: Past) -> str:
    """The outcome, and what does not hold."""
    state, word = {True: ("ok", "confirmed"), False: ("down", "not confirmed"), None: ("unknown", "not known")}[
        past.is_confirmed
    ]
    missing = [PARTS.get(name, name) for name, held in past.check.items() if held is not True]
    word_of_missing = "not seen" if past.is_confirmed else "not"
    named = f'<div class="dim">{word_of_missing}: {escape(", ".join(missing))}</div>' if missing else ""
    return html.badge(state, word=word) + named


def ways(found: Deployments) -> None:
    """The three ways, each with the lines to copy."""
    html.show(html.block(html.heading("Ways to interrupt nothing", "In this order; each names what it is enough for.")))
    for way in found.ways:
        with st.expander(f"{way.name}. {way.title}"):
            st.caption(way.when)
            st.code("\n".join(way.lines), language=None)
            for title, text in way.files:
                st.caption(title)
                st.code(text, language=None)
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
        "Deploys as CSV", lambda: export.csv_text(COLUMNS, document(cached_view(environment))["deploys"]),
        file_name=f"{environment}-deploys.csv", mime="text/csv", on_click="ignore", icon=":material/download:",
        key="deploys-csv",
    )  # fmt: skip
    row.download_button(
        "Steps as CSV", lambda: export.csv_text(STEPS, document(cached_view(environment))["forecast"]),
        file_name=f"{environment}-steps.csv", mime="text/csv", on_click="ignore", icon=":material/download:",
        key="steps-csv",
    )  # fmt: skip
    row.download_button(
        "JSON", lambda: json.dumps(document(cached_view(environment)), indent=2),
        file_name=f"{environment}-deploys.json", mime="application/json", on_click="ignore",
        icon=":material/download:", key="deploys-json",
    )  # fmt: skip


@st.cache_data(ttl=cached.FRESH_S, max_entries=50, show_spinner=False)
def cached_view(environment: str) -> Deployments:
    """The view-model, a moment old at most; while it is looked at, the worker keeps its light current."""
    with contextlib.suppress(StoreError):  # a store that takes nothing: the light is as old as the page says
        in_flight.look(cached.store(), environment, clock.now_ms())
    return view(cached.store(), cached.settings(), environment, clock.now_ms())


@st.cache_data(ttl=cached.FRESH_S, max_entries=50, show_spinner=False)
def markup(environment: str, zone_name: str) -> tuple[str, str]:
    """The page as markup, in a time zone: the answer, and the rest."""
    return render(cached_view(environment), present.zone(zone_name), clock.now())
