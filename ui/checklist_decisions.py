"""Decisions on the checklist. A button, a dialog that asks for name and note, a record."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from services.errors import GreenlightError
from services.evidence import decisions
from services.evidence.decisions import Decision
from services.verdict import sign_off as signing
from ui import cached, html, signin, state

ASKED_FOR, PRESSED, DONE = "decision-asked-for", "decision-just-pressed", "decision-done"
LIMITS = (
    "It doesn't prove how the environment does under a load or a failure that it has not seen.",
    "It doesn't cover what is deployed or configured later.",
)
CONFIRM = {
    "policy": "Confirm for {name}",
    "saved": "Confirm that it was saved for {name}",
    "sign_off": "Sign the Go for {name}",
    "go_request": "Ask for the Go for {name}",
    "waive_canaries": "Waive the canary runs of {name}",
    "campaign": "Begin a campaign for {name}",
}
WORDS = {
    "go_request": "Somebody else looks at the evidence and gives the Go; nobody approves their own request.",
    "waive_canaries": "The soak may then pass without its canary runs. Give the reason; it stands in every report.",
    "campaign": "From now on a step that was met and no longer is is shown as reopened. Say what this campaign is for.",
}


def button(kind: str, environment: str, *, key: str, words: str = "") -> None:
    """A button behind which somebody decides something, by name."""
    allowed = signin.may(decisions.ACTIONS.get(kind, "confirm"))
    asked = (kind, environment, words or WORDS[kind], True)
    st.button(
        CONFIRM[kind].format(name=environment),
        icon=":material/person_check:",
        key=key,
        on_click=_ask_for,
        args=(asked,),
        **allowed,
    )


def take_back(said: Decision, *, key: str) -> None:
    """A quiet button that takes back what was decided; both stay on record."""
    allowed = signin.may(decisions.ACTIONS.get(said.kind, "confirm"))
    asked = (said.kind, said.environment, f"What {said.by} said will no longer stand. Say why.", False)
    st.button(
        "Take it back", icon=":material/undo:", type="tertiary", key=key, on_click=_ask_for, args=(asked,), **allowed
    )


def _ask_for(asked: tuple[str, str, str, bool]) -> None:
    """Kept beyond this run: a refresh that comes between the press and the dialog must not lose it."""
    st.session_state[ASKED_FOR] = (_place(), *asked)
    st.session_state[PRESSED] = True


def open_if_pressed() -> None:
    """For a piece that refreshes and holds such a button: the dialog is the page's, so the page has to run."""
    if st.session_state.pop(PRESSED, False):
        st.rerun()


def dialog() -> None:
    """Where somebody asked to decide something: until it is decided, or put away, or another page is looked at.

    It is the page's, not that of the piece in which the button stands: what is pressed in a dialog of a piece that
    refreshes is lost where both reach a busy server together.
    """
    asked = st.session_state.get(ASKED_FOR)
    if asked is None:
        return
    if state.has_arrived() or asked[0] != _place():
        _put_away()
        return
    _titled(asked[1], asked[2], holds=asked[4])(*asked[1:])


def _place() -> tuple[str | None, str | None]:
    return state.text(state.ENVIRONMENT), state.text(state.STEP)


def _put_away() -> None:
    st.session_state.pop(ASKED_FOR, None)


def _titled(kind: str, name: str, *, holds: bool) -> Callable[[str, str, str, bool], None]:
    """The dialog under a title that says what is done, and for which environment."""
    title = CONFIRM[kind].format(name=name) if holds else f"Take it back for {name}"
    return st.dialog(title, on_dismiss=_put_away)(_confirm)


def said() -> None:
    """What was done just now, and what comes next; until something else is looked at."""
    done = st.session_state.get(DONE)
    if done is None:
        return
    if state.has_arrived() or done[0] != _place()[0]:
        st.session_state.pop(DONE, None)
        return
    found = cached.checklist(done[0] or done[2])
    html.show(html.answer("ok", done[1], found.next_step or "All steps are done."))
    st.session_state.pop(DONE, None)
    html.scroll_to_top()


def _covers(name: str) -> None:
    """What a Go covers, what is open, and what it doesn't prove: read before it is signed."""
    found = cached.checklist(name)
    open_ = [view.title for view in found.steps if view.state != "done" and view.step.confirm != "sign_off"]
    covers = f"It covers {name} under its present variables, version and policy. A change of any ends it."
    soak = found.soak
    running = f"The soak of {soak.environment} still runs." if soak is not None and soak.passed_ms is None else ""
    rows = "".join(
        f"<li>{escape(text)}</li>"
        for text in (covers, *([f"Still open: {', '.join(open_)}."] if open_ else []), *([running] if running else []),
                     *LIMITS)
    )  # fmt: skip
    html.show(html.block(f"<ul>{rows}</ul>"))


def _confirm(kind: str, name: str, words: str, holds: bool) -> None:
    """A confirmation holds name, time and note, and is shown as what it is: a person's word."""
    environment = cached.settings().environment(name)
    html.show(html.block(f"<p>{escape(words)}</p>"))  # a name in it is no markup
    if kind == "sign_off" and holds:
        _covers(name)
    with st.form("confirm", border=False):
        person = signin.ask_name(signin.person())
        note = st.text_area(
            "Note", max_chars=1000, placeholder="Decided in the meeting of 20 November; see the minutes."
        )
        days = st.number_input("For how many days", 1, 30, 7) if kind == "waive_canaries" and holds else 1
        sent = st.form_submit_button("Sign the Go" if kind == "sign_off" and holds else "Confirm", type="primary")
    if not sent:
        return
    try:
        if not holds:
            decisions.decide(cached.store(), environment, kind, person, note=note, holds=False)
        elif kind == "waive_canaries":
            decisions.waive_canaries(cached.store(), environment, person, note=note, days=int(days))
        elif kind == "campaign":
            decisions.begin_campaign(cached.store(), environment, person, note=note)
        elif kind == "go_request":
            signing.ask(cached.store(), cached.settings(), name, person, note=note)
        elif kind == "sign_off":
            signing.give(cached.store(), cached.settings(), name, person, note=note)
        else:
            decisions.decide(cached.store(), environment, kind, person, note=note)
    except GreenlightError as error:
        html.show(html.answer("unknown", "Nothing was confirmed.", str(error)))
        return
    cached.forget_decisions()
    _put_away()
    what = f"{decisions.WORDS[kind]}: noted for {name}." if holds else f"Taken back for {name}."
    st.session_state[DONE] = (_place()[0], what, name)
    st.rerun()
