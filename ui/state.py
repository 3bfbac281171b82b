"""What the address says. Plain, allow-listed query parameters, the same for everybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import streamlit as st

from services.errors import UnknownEnvironment

ENVIRONMENT = "env"
DETAIL = "detail"
VIEW = "view"
SIDES = "sides"
RUN = "run"
CASE = "case"
BATCH = "batch"
AGENT = "agent"
AGAINST = "against"
SLI = "sli"
WINDOW = "window"
CHART = "chart"
STEP = "step"
KIND = "kind"
DOC = "doc"
DRAFT = "draft"
TRACE = "trace"
BY = "by"
DAYS = "days"
SORT = "sort"
AT = "at"
_LAST, _PLACE, _ARRIVED = "environment-last-looked-at", "page-last-looked-at", "has-just-arrived"
KEPT = (VIEW, SLI, WINDOW, CHART)  # mean the same in another environment


def environment(names: Sequence[str]) -> str | None:
    """The environment in the address; None where it names none. Raises UnknownEnvironment."""
    name = st.query_params.get(ENVIRONMENT)
    if name is not None and name not in names:
        raise UnknownEnvironment(name, tuple(names))
    return name


def arrive(page: str) -> None:
    """Note which page is shown, and whether the one before was another."""
    st.session_state[_ARRIVED] = st.session_state.get(_PLACE) != page
    st.session_state[_PLACE] = page


def has_arrived() -> bool:
    """Whether another page was shown before."""
    return bool(st.session_state.get(_ARRIVED))


def environment_again(names: Sequence[str]) -> str | None:
    """The environment in the address; else, on arrival from another page, the one looked at there. None for neither.

    The side bar's links name no environment: a viewer of production goes on viewing production. A person who goes
    back to an address without one gets what it showed.
    """
    name = environment(names)
    if name is None and has_arrived():
        last = st.session_state.get(_LAST)
        name = last if last in names else None
        put(ENVIRONMENT, name)
    if name is not None:
        st.session_state[_LAST] = name
    return name


class Follows(TypedDict):
    """What makes a widget follow the address."""

    key: str
    on_change: Callable[[], None]


def follow(slot: str, shown: Any, write: Callable[[Any], None]) -> Follows:
    """For a widget that shows `shown`, as the address says; `write` puts what is picked into the address.

    It stays the same widget, with the keyboard's focus, while its user changes it. Where the address changed instead
    (back, forward, a link), it is a fresh one: what the browser still holds of the old one counts for nothing.
    """
    counter = f"{slot}-number"
    number = st.session_state.setdefault(counter, 0)
    if st.session_state.get(f"{slot}-{number}") != shown:
        number += 1
        st.session_state[counter] = number
    key = f"{slot}-{number}"

    def picked() -> None:
        if st.session_state[counter] == number:
            write(st.session_state[key])

    return {"key": key, "on_change": picked}


def detail(allowed: Sequence[str]) -> str | None:
    """The dependency whose detail the address opens; anything unheard of opens none."""
    name = st.query_params.get(DETAIL)
    return name if name in allowed else None


def one_of(name: str, allowed: Sequence[str], otherwise: str) -> str:
    """A parameter's value where it is one of those that exist."""
    value = st.query_params.get(name)
    return value if value is not None and value in allowed else otherwise


def several(name: str) -> list[str]:
    """A parameter's values, separated by commas."""
    return [part for part in st.query_params.get(name, "").split(",") if part]


def put(name: str, value: str | None) -> None:
    """Set a parameter; None or nothing takes it out of the address."""
    if value:
        if st.query_params.get(name) != value:
            st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]


def text(name: str) -> str | None:
    """A parameter's text, cut to a sane length; None where it is absent or empty."""
    return (st.query_params.get(name) or "")[:120] or None
