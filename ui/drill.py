"""The deploy drill on the page Deployments: what it does, how far it is, and what the last one found."""

from __future__ import annotations

from datetime import tzinfo
from html import escape

import streamlit as st

from services import clock
from services.deploys import drilling
from services.deploys.drill_state import State
from services.deploys.drill_view import DrillView, view
from services.errors import GreenlightError
from services.evidence.model import Evidence
from ui import cached, html, present, signin, widgets

OUTCOMES = {"pass": ("ok", "passed"), "fail": ("down", "failed"), "unknown": ("unknown", "not known")}
WHAT = (
    "A drill starts a background run of long steps and has the worker deployed in the middle. Then it counts what each "
    "step wrote: whether one was lost or ran twice, and how long nothing ran."
)
DEPLOYS = {
    "": "The deploy is asked for when step {at} has begun.",
    "running": "The deploy command runs.",
    "ok": "The deploy command has ended.",
    "unseen": "The deploy command was started; how it ended was not seen, as the worker was replaced.",
}


@st.cache_data(ttl=cached.FRESH_S, max_entries=50, show_spinner=False)
def cached_view(environment: str) -> DrillView:
    """The view-model, a moment old at most."""
    return view(cached.store(), cached.settings(), environment, clock.now_ms())


@widgets.guarded
def show(environment: str) -> None:
    """The section, with its button."""
    html.show(html.block(html.heading("The drill"), f"<p>{escape(WHAT)}</p>"))
    found = cached_view(environment)
    if found.why_not:
        st.caption(found.why_not)
    else:
        _button(found)
    _live(environment)


def _button(found: DrillView) -> None:
    busy = found.job is not None
    allowed = signin.may(drilling.ACTION, "Deploys this environment while work is in progress.")
    if st.button("Start the drill", icon=":material/cycle:", key="drill-start",
                 **allowed | {"disabled": busy or allowed["disabled"]}):  # fmt: skip
        _ask(found)


@widgets.live
def _live(environment: str) -> None:
    """What changes while a drill runs; where one has just ended, the page is drawn again for its button."""
    found = cached_view(environment)
    slot = f"drill-busy:{environment}"
    was_busy, is_busy = st.session_state.get(slot, False), found.job is not None
    st.session_state[slot] = is_busy
    html.show(render(found, widgets.zone(), clock.now_ms()))
    if was_busy and not is_busy:
        st.rerun()


def render(found: DrillView, where: tzinfo, now_ms: int) -> str:
    """The section as markup."""
    mark = f" {html.simulated()}" if found.simulated else ""
    rule = "The verdict asks for a passed drill here. " if found.is_rule else ""
    terms = html.block(f'<p class="dim">{escape(rule)}Now: overlap {found.terms.overlap_s} s, draining '
                       f"{found.terms.draining_s} s, transport {escape(found.terms.transport)}.{mark}</p>")  # fmt: skip
    return terms + _progress(found, now_ms) + _last(found, where)


def _progress(found: DrillView, now_ms: int) -> str:
    """How far the open drill is; or why the newest one was not carried out."""
    state, job = found.state, found.job
    if job is None:
        is_newer = state is not None and (found.last is None or state.begun_ms > found.last.at_ms)
        if state is None or state.phase == "done" or not is_newer:
            return ""
        if state.phase == "stopped":
            return html.answer("fail", f"The drill was not carried out. {state.what}", state.fix)
        return html.answer("fail", "The drill ended without a result.", "The worker's log says why. Start it again.")
    took = present.seconds((now_ms - job.requested_ms) / 1000)
    if state is None or state.id != job.id or job.state == "queued":
        return html.answer("soaking", f"The drill waits for the worker, {took} so far.", widgets.nobody_works())
    return html.answer("soaking", f"{_phase(state)} {took} so far.", _next(found, state), mark=found.simulated)


def _phase(state: State) -> str:
    if state.phase in {"sending", "waiting"}:
        return "The event was sent; a worker is to begin the first step."
    return f"The drill runs: {state.ended_steps} of {state.steps} steps have ended."


def _next(found: DrillView, state: State) -> str:
    if state.deploy == "asked":
        return f"Deploy {found.environment} now, in the way that you always do. The drill goes on by itself."
    at = 1 if found.drill is None else found.drill.deploy_at
    return DEPLOYS.get(state.deploy, "").format(at=at)


def _last(found: DrillView, where: tzinfo) -> str:
    last = found.last
    if last is None:
        return html.block('<p class="dim">No drill has been counted here yet.</p>')
    tone, word = OUTCOMES[last.outcome]
    stale = f" {html.badge('degraded', word='stale: ' + found.stale)}" if found.stale else ""
    what, fix = str(last.detail.get("what") or ""), str(last.detail.get("fix") or "")
    head = (f"<p>{html.badge(tone, word=word)}{stale} {escape(what)}</p>"
            + (f'<p class="fix dim">{escape(fix)}</p>' if fix else ""))  # fmt: skip
    return html.block(head, html.table(("Last drill", "Measured"), _rows(found, last, where)))


def _rows(found: DrillView, last: Evidence, where: tzinfo) -> list[tuple[str, str]]:
    counts, detail = found.counts, last.detail
    terms = detail.get("terms")
    under = terms if isinstance(terms, dict) else {}
    ready = detail.get("readiness_gap_s")
    rows = [
        ("Ended", present.moment(last.at_ms, where)),
        ("By", str(detail.get("by") or "not known")),
        ("Under", f"overlap {under.get('overlap_s', '?')} s, draining {under.get('draining_s', '?')} s, "
                  f"transport {under.get('transport', '?')}"),
        ("Steps lost", _steps(counts.get("lost"), counts.get("steps"))),
        ("Steps that began more than once", _steps(counts.get("twice"), counts.get("steps"))),
        ("Longest pause between two steps", _gap(counts.get("gap_s"), detail.get("gap_limit_s"))),
        ("Workers that took part", present.number(len(counts.get("workers") or ()))),
        ("Not ready meanwhile", "not observed" if ready is None else present.seconds(ready)),
    ]  # fmt: skip
    if said := str(detail.get("deploy_said") or ""):
        rows.append(("The deploy command said", said))
    return [(escape(title), escape(text)) for title, text in rows]


def _gap(found: float | None, limit: float | None) -> str:
    if found is None or limit is None:
        return "not known"
    return f"{present.milliseconds(found * 1000)} (limit {limit:g} s)"


def _steps(found: object, of: object) -> str:
    if not isinstance(found, list):
        return "not known"
    named = f" (step {', '.join(str(number) for number in found)})" if found else ""
    return f"{len(found)} of {of}{named}"


def _ask(found: DrillView) -> None:
    """Says what will happen, and asks once."""
    name, drill = found.environment, found.drill
    assert drill is not None  # noqa: S101 - without it there is no button
    total = present.seconds(sum(drill.steps_s))
    how = "the command of [environments.drill] deploys it" if drill.deploy else "you are asked to deploy it yourself"

    @st.dialog(f"Start a deploy drill of {name}")
    def confirm() -> None:
        html.show(html.block(
            f"<p>A run of {len(drill.steps_s)} steps begins, {escape(total)} in all. When step {drill.deploy_at} has "
            f"begun, {escape(how)}.</p><p>What else {escape(name)} works on meanwhile meets that deploy too.</p>"
        ))  # fmt: skip
        with st.form("drill", border=False):
            person = signin.ask_name(signin.person())
            sent = st.form_submit_button("Start the drill", type="primary")
        if not sent:
            return
        try:
            drilling.ask(cached.store(), cached.settings(), name, by=person)
        except GreenlightError as error:
            html.show(html.answer("unknown", "No drill was started.", str(error)))
            return
        cached_view.clear()
        st.rerun()

    confirm()
