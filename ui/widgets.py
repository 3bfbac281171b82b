"""The pieces that pages are made of: head, answer, boundary, probe button."""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import tzinfo
from html import escape
from typing import ParamSpec

import streamlit as st

from services import clock, requests
from services.errors import StoreError, UnknownEnvironment
from services.health.view import WorkerLife
from services.store.jobs import Job
from ui import cached, html, present, state

log = logging.getLogger(__name__)
P = ParamSpec("P")
REFRESH_S = 3.0
ALL = "All environments"
OPERATOR = "local operator (unverified)"


def live(draw: Callable[P, None]) -> Callable[P, None]:
    """A piece of a page that refreshes by itself and keeps its own trouble to itself."""
    return st.fragment(guarded(draw), run_every=REFRESH_S)


def guarded(draw: Callable[P, None]) -> Callable[P, None]:
    """Expected trouble becomes a sentence with the next step; a fault of ours a reference into the log."""

    @functools.wraps(draw)
    def drawn(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            draw(*arguments, **named)
        except UnknownEnvironment as error:
            html.show(html.answer("unknown", str(error), "Pick one of them in the menu above, or correct the address."))
        except StoreError as error:
            html.show(html.answer("unknown", f"No data can be shown. {error.sentence}", error.fix))
        except Exception:
            reference = secrets.token_hex(4)
            log.exception("page fault %s", reference)
            what = "This part of the page could not be drawn: a fault in Greenlight."
            html.show(html.answer("unknown", what, f"Reload the page. If it stays, report reference {reference}."))

    return drawn


def zone() -> tzinfo:
    """The viewer's time zone, as the browser says."""
    return present.zone(st.context.timezone)


def head(title: str, question: str, names: Sequence[str], *, with_all: bool) -> str | None:
    """Page title, environment picker, and the question that the page answers; returns the environment picked."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.title(title, anchor=False)
    with right:
        picked = pick_environment(names, with_all=with_all)
    st.caption(question)
    return picked


def pick_environment(names: Sequence[str], *, with_all: bool) -> str | None:
    """The environment picker, kept in the address; None stands for all of them."""
    chosen = state.environment(names)
    options = [ALL, *names] if with_all else list(names)
    # A widget whose key holds the address's value follows it when back and forward change it.
    index = options.index(chosen) if chosen is not None else 0
    picked = st.selectbox("Environment", options, index=index, key=f"env:{chosen}", label_visibility="collapsed")
    if picked == ALL:
        if chosen is not None:
            del st.query_params[state.ENVIRONMENT]
            st.rerun()
        return None
    if picked != chosen and (chosen is not None or picked != options[0]):
        st.query_params[state.ENVIRONMENT] = picked
        st.rerun()
    return picked


def as_of(measured_ms: int | None, worker: WorkerLife, now_ms: int) -> None:
    """How old the newest measurement is, and whether anybody measures."""
    where = zone()
    if worker.alive:
        age = present.age(measured_ms, now_ms)
        exact = present.moment(measured_ms, where) if measured_ms else "nothing was measured yet"
        text = f'<div class="dim" title="{exact}">as of {age}</div>'
        if worker.trouble:
            text += f'<div class="warn">{html.symbol("warning")} {escape(worker.trouble)}</div>'
        html.show(html.block(text))
        return
    seen = f"It was last seen {present.age(worker.seen_ms, now_ms)}." if worker.seen_ms else "None was ever seen."
    last = f" The newest measurement is of {present.moment(measured_ms, where)}." if measured_ms else ""
    html.show(
        html.answer(
            "degraded",
            f"Nothing is being measured: no worker runs. {seen}{last}",
            "Stop and start Greenlight (python3 start.py), or start a worker alone (python -m worker).",
        )
    )


def probe_button(environment: str, *, key: str) -> None:
    """*Probe now*: asks the worker through the store, and shows how far it is."""
    slot = f"probe-job:{environment}"
    job = _watched(slot)
    busy = job is not None and job.state in {"queued", "running"}
    if st.button("Probe now", type="primary", icon=":material/radar:", disabled=busy, key=key):
        made = requests.probe_now(cached.store(), cached.settings(), environment, by=OPERATOR)
        st.session_state[slot] = made.id
        st.rerun(scope="fragment")
    html.show(html.block(f'<div class="dim">{escape(_job_words(job))}</div>'))


def _watched(slot: str) -> Job | None:
    id_ = st.session_state.get(slot)
    return requests.find(cached.store(), id_) if id_ else None


def _job_words(job: Job | None) -> str:
    if job is None:
        return "Looks at everything once, at once."
    took = present.seconds(((job.finished_ms or clock.now_ms()) - job.requested_ms) / 1000)
    if job.state == "queued":
        return f"Waiting for the worker, {took} so far."
    if job.state == "running":
        return f"Probing: {job.done_steps} of {job.total_steps}, {took} so far."
    if job.state == "failed":
        return f"The results could not be saved: {job.message}"
    return f"Done in {took}: {job.message}"
