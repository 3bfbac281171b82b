"""Dependency health: what is each dependency's condition, what does that mean, and what is to be done?"""

import streamlit as st

from ui import cached, dependency_detail, dependency_health, state, widgets

names = cached.settings().names
QUESTION = "What condition is each dependency in, what does it mean, and what is to be done?"
chosen = widgets.head("Dependency health", QUESTION, names, with_all=False) or names[0]


@widgets.live
def body() -> None:
    """Everything that refreshes."""
    dependency_health.draw(cached.environment_view(chosen), widgets.zone())


@widgets.live
def controls() -> None:
    """Probe now, with its progress."""
    widgets.probe_button(chosen, key="probe-now")


controls()
body()
dependency_health.downloads(chosen)
shown = [item.dependency.name for item in cached.environment_view(chosen).dependencies]
opened = state.detail(shown)
if opened is not None:
    dependency_detail.show(chosen, opened)
st.caption(
    "Refreshes by itself. Nothing on this page is probed by the page: the worker does, on schedule or on request."
)
