"""Dependency health: what is each dependency's condition, what does that mean, and what is to be done?"""

import streamlit as st

from ui import (
    cached,
    dependency_detail,
    dependency_health,
    html,
    inngest_control,
    inngest_status,
    moment,
    state,
    widgets,
)

QUESTION = "What condition is each dependency in, what does it mean, and what is to be done?"
names = cached.settings().names
chosen = widgets.head("Dependency health", QUESTION, names)


@widgets.live
def body() -> None:
    """Everything that refreshes: one piece, as each costs the browser a timer and a round trip."""
    widgets.probe_button(chosen, key="probe-now")
    for piece in dependency_health.markup(chosen, widgets.zone_name()):
        html.show(piece)
    html.show(inngest_status.markup(chosen, widgets.zone_name()))


widgets.tab("Dependency health", chosen)
body()
inngest_control.show(chosen)
dependency_health.downloads(chosen)
inngest_status.daily_summary(chosen, widgets.zone())
opened = state.detail(dependency_detail.names(chosen))
then = moment.asked()
if opened is not None:
    dependency_detail.show(chosen, opened)
elif then is not None:
    moment.show(chosen, *then)
st.caption("Refreshes by itself. Nothing is probed by this page: the worker does, on schedule or on request.")
