"""The pieces that pages are made of: head, answer, boundary, probe button."""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from html import escape
from pathlib import Path
from typing import Literal, ParamSpec
from urllib.parse import urlsplit

import streamlit as st

from services import clock, requests
from services.errors import GreenlightError, SettingsError, StoreError, UnknownEnvironment
from services.redact import fault
from services.store.jobs import Job
from ui import cached, html, present, signin, state

log = logging.getLogger(__name__)
P = ParamSpec("P")
REFRESH_S = 3.0
SLOW_REFRESH_S = 30.0
ALL = "All environments"
ASKS: Mapping[str, Callable[..., Job]] = {"probe": requests.probe_now, "validate": requests.validate_now}
IN_UTC = "times-in-utc"
THEMES = Path(__file__).with_name("theme.html").read_text()
FEW = 6  # up to this many environments stand side by side; more go into a list that can be searched


def live(draw: Callable[P, None]) -> Callable[P, None]:
    """A piece of a page that refreshes by itself and keeps its own trouble to itself."""
    return st.fragment(guarded(draw), run_every=REFRESH_S)


def slowly(draw: Callable[P, None]) -> Callable[P, None]:
    """The same for what changes by the minute."""
    return st.fragment(guarded(draw), run_every=SLOW_REFRESH_S)


def guarded(draw: Callable[P, None]) -> Callable[P, None]:
    """Expected trouble becomes a sentence with the next step; a fault of ours a reference into the log."""

    @functools.wraps(draw)
    def drawn(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            draw(*arguments, **named)
        except UnknownEnvironment as error:
            html.show(
                html.answer("unknown", str(error), "Correct the address, or open the page again from the side bar.")
            )
        except SettingsError as error:
            first = error.problems[0]
            html.show(html.answer("unknown", f"{first.source}: {first.key} {first.advice.what}", first.advice.fix))
        except StoreError as error:
            html.show(html.answer("unknown", f"No data can be shown. {error.advice.what}", error.advice.fix))
        except GreenlightError as error:
            html.show(html.answer("unknown", str(error), ""))
        except Exception as error:  # noqa: BLE001 - a fault of one part leaves the rest of the page
            reference = secrets.token_hex(4)
            log.error("page fault %s: %s", reference, fault(error))
            what = "This part of the page could not be drawn: a fault in Greenlight."
            html.show(html.answer("unknown", what, f"Reload the page. If it stays, report reference {reference}."))

    return drawn


def zone_name() -> str:
    """The viewer's time zone: the browser's, unless UTC was chosen in the side bar."""
    return "UTC" if st.session_state.get(IN_UTC) else st.context.timezone or "UTC"


def zone_switch() -> None:
    """In the side bar: times as the viewer's clock has them, or in UTC."""
    own = st.context.timezone or "UTC"
    if own != "UTC":
        st.sidebar.toggle("Times in UTC", key=IN_UTC, help=f"Off: times of your time zone, {own}.")


def theme_switch() -> None:
    """In the side bar: as the system has it, light, or dark; for every page, in this browser."""
    st.sidebar.html(THEMES, unsafe_allow_javascript=True)


def zone() -> tzinfo:
    """The same as a zone to evaluate with."""
    return present.zone(zone_name())


def whole_address(path: str) -> str:
    """A path of the portal's API as others reach it: under the address by which this visitor came."""
    parts = urlsplit(st.context.url or "")
    origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else "https://<portal>"
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return origin + (f"/{base}" if base else "") + path


def quietly(words: Callable[P, str], *arguments: P.args, **named: P.kwargs) -> str:
    """Words for a tab; "" where they can't be had, which the page itself says."""
    try:
        return words(*arguments, **named)
    except GreenlightError:
        return ""


def tab(title: str, state_words: str = "") -> None:
    """The browser tab's title: the state first, as a narrow tab shows its beginning, then the page."""
    st.set_page_config(page_title=" · ".join(filter(None, (state_words, title, "Greenlight"))))


def head(title: str, question: str, names: Sequence[str], *, first: str = "") -> str:
    """Page title, its question, and the environment picker; returns the environment picked, else `first`."""
    html.show(html.title(title, question))
    chosen = state.environment_again(names) or first or names[0]
    return pick_environment(names, chosen)


def head_of_all(title: str, question: str, names: Sequence[str]) -> str | None:
    """The same for a page that shows all environments at once, unless one is picked; returns None for all."""
    html.show(html.title(title, question))
    named = state.environment(names)
    if len(names) < 2:
        return named
    picked = _picker([ALL, *names], named or ALL)
    return None if picked == ALL else picked


def pick_environment(names: Sequence[str], chosen: str) -> str:
    """The environment picker by itself, for pages that show it lower down."""
    return chosen if len(names) < 2 else _picker(list(names), chosen)


def _picker(options: list[str], chosen: str) -> str:
    follows = state.follow("environment", chosen, _look_at)
    if len(options) <= FEW:
        st.segmented_control(
            "Environment", options, default=chosen, required=True, label_visibility="collapsed", **follows
        )
    else:
        index = options.index(chosen)
        st.selectbox("Environment", options, index=index, label_visibility="collapsed", **follows)
    return chosen


def _look_at(environment: str) -> None:
    wanted = {name: st.query_params[name] for name in state.KEPT if name in st.query_params}
    if environment != ALL:
        wanted[state.ENVIRONMENT] = environment
    st.query_params.from_dict(wanted)  # at once: each change is an entry of its own for the browser's back button


def choose(name: str, titles: Mapping[str, str], *, label: str) -> str:
    """A choice of which one is made; the address says which, the first one where it says nothing."""
    first = next(iter(titles))
    chosen = state.one_of(name, tuple(titles), first)
    st.segmented_control(
        label, list(titles), default=chosen, format_func=lambda key: titles[key], required=True,
        label_visibility="collapsed",
        **state.follow(name, chosen, lambda picked: state.put(name, None if picked == first else picked)),
    )  # fmt: skip
    return chosen


def probe_button(environment: str, *, key: str) -> None:
    """*Probe now*: asks the worker through the store, and shows how far it is."""
    request_button(
        "Probe now", "probe", environment, key=key, icon=":material/radar:",
        help_="Looks at everything once, at once.",
    )  # fmt: skip


def request_button(
    label: str, kind: Literal["probe", "validate"], environment: str, *, key: str, icon: str, help_: str
) -> Job | None:
    """A button that asks the worker for something, and how far it is; returns the request that is watched."""
    slot = f"job:{key}:{environment}"
    job = _watched(slot)
    busy = job is not None and job.state in {"queued", "running"}
    allowed = signin.may(kind, help_)
    if st.button(label, type="primary", icon=icon, key=key, **allowed | {"disabled": busy or allowed["disabled"]}):
        made = ASKS[kind](cached.store(), cached.settings(), environment, by=signin.person())
        st.session_state[slot] = made.id
        st.rerun(scope="fragment")
    if job is not None:
        html.show(html.block(f'<div class="dim">{escape(job_words(job))}</div>'))
    return job


def nobody_works() -> str:
    """What to say to the person who waits for the worker; "" while one runs."""
    return "" if cached.worker_life().alive else "No worker runs: start Greenlight again (python3 start.py)."


def _watched(slot: str) -> Job | None:
    id_ = st.session_state.get(slot)
    return requests.find(cached.store(), id_) if id_ else None


def job_words(job: Job) -> str:
    """How far a request is, in words."""
    took = present.seconds(((job.finished_ms or clock.now_ms()) - job.requested_ms) / 1000)
    if job.state == "queued":
        return f"Waiting for the worker, {took} so far. {nobody_works()}".rstrip()
    if job.state == "running":
        return f"Working: {job.done_steps} of {job.total_steps}, {took} so far."
    if job.state == "failed":
        return job.message
    return f"Done in {took}: {job.message}"
