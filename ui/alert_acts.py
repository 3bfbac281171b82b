"""What people do on the page Alerts: take one, write a note, send a test, send again; and the link of a test."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from services import clock
from services.alerts import acts, proof
from services.alerts.compose import PROOF
from services.alerts.setup import AlertSetup
from services.alerts.view import AlertsView
from services.errors import GreenlightError
from ui import alerts, cached, html, present, signin

_OPENED, _DONE = "alert-proof-opened", "alert-act-done"


def arrived() -> None:
    """The link of a test: opened in a browser it is the proof that somebody sees what is sent.

    The address is cleaned at once: a reload, or a bookmark, would only say that the link was used.
    """
    given = st.query_params.get(PROOF)
    if given:
        del st.query_params[PROOF]
        st.session_state[_OPENED] = _opened(given[:200])
    said = st.session_state.get(_OPENED)
    if said is not None:
        html.show(html.answer(*said))


def _opened(given: str) -> tuple[str, str, str]:
    try:
        found = proof.opened(cached.store(), cached.settings(), given, by=signin.person(), now_ms=clock.now_ms())
    except GreenlightError as error:
        return "unknown", "This link proves nothing new.", str(error)
    alerts.forget()
    took = (clock.now_ms() - found.made_ms) / 1000
    what = f"It is proven that alerts on the channel {found.channel} reach {signin.person()}."
    return "ok", what, f"Seen {present.seconds(took)} after the test was asked for. It counts for 30 days."


def show(found: AlertsView) -> None:
    """The choices, below what they are about."""
    if (said := st.session_state.pop(_DONE, None)) is not None:
        st.toast(said)
    _open(found)
    _channels(found)
    _given_up(found)


def _open(found: AlertsView) -> None:
    every = {i.alert.id: f"{i.alert.title}" for i in (*found.open, *found.past[:20])}
    if not every:
        return
    waiting = [i.alert.id for i in found.open if i.alert.acknowledged_ms is None]
    row = st.container(horizontal=True, vertical_alignment="bottom")
    picked = row.selectbox("Alert", list(every), format_func=every.__getitem__, key="alert-picked")
    allowed = signin.may("alerts")
    take = allowed | {"disabled": allowed["disabled"] or picked not in waiting}
    if row.button("Take it", type="primary", icon=":material/person_raised_hand:", key="alert-take", **take):
        _take(picked, every[picked])
    if row.button("Write a note", icon=":material/edit_note:", key="alert-note", **allowed):
        _note(picked, every[picked])


def _take(id_: str, title: str) -> None:
    setup = AlertSetup.from_settings(cached.settings())
    _ask(
        f"Take: {title}", "Others see that you work on it, and reminders end.", "Take it",
        lambda person, note: acts.acknowledge(cached.store(), setup, id_, person, note=note, now_ms=clock.now_ms()),
    )  # fmt: skip


def _note(id_: str, title: str) -> None:
    _ask(
        f"Note: {title}", "It stands beside the alert with your name.", "Keep the note",
        lambda person, note: acts.add_note(cached.store(), id_, person, note=note, now_ms=clock.now_ms()),
    )  # fmt: skip


def _ask(title: str, what: str, label: str, act: Callable[..., object]) -> None:
    @st.dialog(title[:80])
    def confirm() -> None:
        st.caption(what)
        with st.form("alert-act", border=False):
            person = signin.ask_name(signin.person())
            note = st.text_area("Note", max_chars=acts.MOST_NOTE, placeholder="What you found, or will do")
            sent = st.form_submit_button(label, type="primary")
        if not sent:
            return
        try:
            act(person, note)
        except GreenlightError as error:
            html.show(html.answer("unknown", "Nothing was changed.", str(error)))
            return
        alerts.forget()
        st.rerun()

    confirm()


def _channels(found: AlertsView) -> None:
    if not found.channels:
        return
    names = [c.channel.name for c in found.channels]
    row = st.container(horizontal=True, vertical_alignment="bottom")
    picked = row.selectbox("Channel", names, key="alert-channel")
    help_ = "The message carries a link. Opened once, it proves that somebody sees what is sent there."
    if row.button("Send a test", icon=":material/send:", key="alert-test", **signin.may("alerts", help_)):
        proof.ask(cached.store(), cached.settings(), picked, by=signin.person(), now_ms=clock.now_ms())
        st.session_state[_DONE] = f"A test goes to the channel {picked}. Its row above says what becomes of it."
        alerts.forget()
        st.rerun()


def _given_up(found: AlertsView) -> None:
    words = alerts.messages_given_up(found)
    if not words:
        return
    row = st.container(horizontal=True, vertical_alignment="bottom")
    picked = row.selectbox("Message that was given up", list(words), format_func=words.__getitem__, key="alert-dead")
    if row.button("Send again", icon=":material/replay:", key="alert-again", **signin.may("alerts")):
        acts.send_again(cached.store(), picked, signin.person(), now_ms=clock.now_ms())
        st.session_state[_DONE] = "The message is sent again."
        alerts.forget()
        st.rerun()
