"""Cancel a stuck run, or run a stuck or failed one again. By name; the worker does it, and its result stands here."""

from __future__ import annotations

from html import escape

import streamlit as st

from services import clock, requests
from services.dependencies.inngest import control
from services.dependencies.inngest import runs as inngest_runs
from services.dependencies.inngest.control import Change, What
from services.dependencies.inngest.status import moving
from services.errors import GreenlightError
from services.store.jobs import Job
from ui import cached, html, present, signin, widgets

JOB = "run-change-job"
SAYS: dict[What, str] = {
    "cancel": "Work that it has not done yet is not done. What it has done stays done.",
    "rerun": "Steps that completed may run once more. If they send messages or book something, so does this.",
}


def show(environment: str) -> None:
    """The choice of a run and what to do with it; nothing where no run is stuck or has failed."""
    if JOB in st.session_state:
        _followed(environment)
    runs = _choices(environment, widgets.zone_name())
    if not runs:
        return
    count = "a run is stuck or failed" if len(runs) == 1 else f"{len(runs)} runs are stuck or failed"
    with st.expander(f"Cancel or run again: {count}", icon=":material/replay:"):
        if why := control.why_not(cached.settings().environment(environment)):
            st.caption(why)
            return
        picked = st.selectbox("Run", list(runs), format_func=lambda id_: runs[id_][1], key="run-change-picked")
        function, _, is_stuck = runs[picked]
        step = st.text_input("From step (optional)", max_chars=200, key="run-change-step",
                             help="Its name as the code has it. Empty: from the beginning.").strip()  # fmt: skip
        row = st.container(horizontal=True)
        allowed = signin.may(control.ACTION)
        if is_stuck and row.button("Cancel the run", icon=":material/cancel:", key="run-change-cancel", **allowed):
            _ask(environment, Change(what="cancel", run_id=picked, function=function))
        label = f"Run again from step {step}" if step else "Run again"
        if row.button(label, icon=":material/replay:", key="run-change-rerun", **allowed):
            _ask(environment, Change(what="rerun", run_id=picked, function=function, step=step))


@st.cache_data(ttl=cached.FRESH_S, max_entries=50, show_spinner=False)
def _choices(environment: str, zone_name: str) -> dict[str, tuple[str, str, bool]]:
    """By id: function, words, and whether it is stuck."""
    found, zone = moving(cached.store(), cached.settings(), environment, clock.now_ms()), present.zone(zone_name)
    stuck = {run.id: (run.function, run.since_ms, True) for run in found.stuck}
    failed = {run.run_id: (run.function, run.at_ms, False) for run in found.failures}
    listed = found.current.get(inngest_runs.NAME)
    newest = listed.detail.get("newest") if listed is not None else None
    if listed is not None and isinstance(newest, dict) and newest.get("status") == "FAILED":
        failed.setdefault(str(newest["id"]), (str(newest["function"]), listed.at_ms, False))
    words = {True: "stuck · {} · since {} · {}", False: "failed · {} · {} · {}"}
    return {
        id_: (function, words[is_stuck].format(function, present.moment(at_ms, zone, short=True), id_), is_stuck)
        for id_, (function, at_ms, is_stuck) in (failed | stuck).items()
    }


def _ask(environment: str, change: Change) -> None:
    @st.dialog(f"{'Cancel a run' if change.what == 'cancel' else 'Run again'} in {environment}")
    def confirm() -> None:
        html.show(html.block(f"<p>{escape(str(change))}</p><p>{escape(SAYS[change.what])}</p>"))
        with st.form("run-change", border=False):
            person = signin.ask_name(signin.person())
            sent = st.form_submit_button("Cancel the run" if change.what == "cancel" else "Run again", type="primary")
        if not sent:
            return
        try:
            job = control.ask(cached.store(), cached.settings().environment(environment), change, by=person)
        except GreenlightError as error:
            html.show(html.answer("unknown", "Nothing was asked for.", str(error)))
            return
        st.session_state[JOB] = (environment, job.id, str(change))
        st.rerun()

    confirm()


@st.fragment(run_every=1.0)
@widgets.guarded
def _followed(environment: str) -> None:
    """The last request of this visitor for this environment, and how far it is."""
    asked = st.session_state.get(JOB)
    if asked is None or asked[0] != environment:
        return
    job = requests.find(cached.store(), asked[1])
    if job is None:
        return
    html.show(html.answer(_state(job), asked[2], widgets.job_words(job)))


def _state(job: Job) -> str:
    return {"done": "ok", "failed": "fail"}.get(job.state, "unknown")
