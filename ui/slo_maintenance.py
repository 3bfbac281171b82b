"""Times that are left out of the computation."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape

import streamlit as st

from services import clock
from services.errors import GreenlightError
from services.slo import changes
from services.slo.view import Slos
from services.store.deploys import Maintenance
from ui import cached, html, present, signin, widgets


def show(found: Slos) -> None:
    """The declared times of the longest window, and a way to declare one."""
    zone = widgets.zone()
    head = html.heading("Maintenance", "Declared times are left out of the computation, and stay here for all to see.")
    if not found.maintenance:
        html.show(html.block(head, '<div class="dim">None declared.</div>'))
    else:
        rows = [
            (*(escape(present.moment(at, zone, short=True)) for at in (m.from_ms, m.until_ms)), escape(m.reason),
             escape(_by(m)))
            for m in found.maintenance
        ]  # fmt: skip
        html.show(html.block(head, html.table(("From", "To", "Why", "Declared by"), rows)))
        _withdraw(found)
    if st.button("Declare maintenance", icon=":material/construction:", **signin.may("maintenance")):
        _declare(found.environment)


def _by(item: Maintenance) -> str:
    after = ", after it had begun" if item.declared_ms > item.from_ms else ""
    gone = "" if item.withdrawn_by is None else f"; withdrawn by {item.withdrawn_by}"
    return f"{item.declared_by}{after}{gone}"


def _withdraw(found: Slos) -> None:
    counting = [item for item in found.maintenance if item.withdrawn_ms is None]
    if not counting:
        return
    zone = widgets.zone()
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    words = {m.id: f"{present.moment(m.from_ms, zone, short=True)}: {m.reason}" for m in counting}
    number = left.selectbox("Withdraw one, so that its time counts again", list(words), format_func=words.__getitem__)
    if right.button("Withdraw", icon=":material/undo:", **signin.may("maintenance")) and number is not None:
        changes.withdraw(cached.store(), number, by=signin.person(), now_ms=clock.now_ms())
        cached.forget_slos()
        st.rerun()


@st.dialog("Declare maintenance")
def _declare(environment: str) -> None:
    """Drawn on demand: its date fields are the heaviest part of the page."""
    zone = widgets.zone()
    now = clock.now().astimezone(zone)
    soon = (now + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    with st.form("maintenance", border=False):
        first, second = st.columns(2)
        begin = first.datetime_input(f"From ({zone})", value=soon, key="maintenance-from")
        end = second.datetime_input(f"To ({zone})", value=soon + timedelta(hours=1), key="maintenance-to")
        reason = st.text_input("What for", max_chars=500, placeholder="Move of the database to the new plan")
        sent = st.form_submit_button("Declare", type="primary")
    if not sent:
        return
    try:
        changes.declare(
            cached.store(), environment, from_ms=_ms(begin), until_ms=_ms(end), reason=reason, by=signin.person(),
            now_ms=clock.now_ms(),
        )  # fmt: skip
    except GreenlightError as error:
        html.show(html.answer("unknown", "Nothing was declared.", str(error)))
        return
    cached.forget_slos()
    st.rerun()


def _ms(moment: datetime | None) -> int:
    return 0 if moment is None else clock.to_ms(moment.replace(tzinfo=widgets.zone()))
