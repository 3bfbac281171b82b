"""Strict-mode checklist: from relaxed to strict in production, proven, one step at a time."""

import streamlit as st

from ui import cached, checklist, checklist_decisions, checklist_record, checklist_report, checklist_step, html, widgets

QUESTION = "What is the next step on the way to strict, and what proves the ones that are done?"
names = cached.settings().names
goal = next((e.name for e in cached.settings().environments if e.role == "production"), names[0])
chosen = widgets.head("Strict-mode checklist", QUESTION, names, first=goal)


widgets.tab("Strict-mode checklist", widgets.quietly(checklist.state_words, chosen))


@widgets.live
def head() -> None:
    """The verdict and the progress, refreshed."""
    html.show(checklist.head(cached.checklist(chosen), cached.worker_life(), widgets.zone()))


@widgets.live
def way() -> None:
    """The steps and the soak, refreshed."""
    found = cached.checklist(chosen)
    html.show(checklist.way(found, widgets.zone()))
    checklist.calendar_button(found)


checklist_decisions.said()
head()
with st.container(key="way"):
    step, steps = st.columns([7, 5], gap="medium")
with step, st.container(border=True):
    checklist_step.show(chosen)
with steps:
    way()
checklist_report.show(cached.checklist(chosen))
checklist_record.show(cached.checklist(chosen))
checklist_decisions.dialog()
