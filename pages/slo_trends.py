"""SLO trends: are the SLOs met, what spent their budgets, and what is to be done?"""

import streamlit as st

from ui import cached, html, slo_detail, slo_maintenance, slo_trends, state, widgets

QUESTION = "Are the SLOs met, what spent their budgets, and what is to be done?"
names = cached.settings().names
chosen = widgets.head("SLO trends", QUESTION, names)
window = widgets.choose(state.WINDOW, slo_trends.WINDOWS, label="Window")
days = None if window == "own" else int(window[:-1])


@widgets.slowly
def body() -> None:
    """Everything that refreshes."""
    for piece in slo_trends.markup(chosen, days, widgets.zone_name()):
        html.show(piece)


body()
rows = cached.slo_view(chosen, days).rows
slo_trends.downloads(chosen, days)
if rows:
    slis = [row.slo.sli for row in rows]
    slo_detail.show(chosen, state.one_of(state.SLI, slis, slis[0]), days)
html.show(slo_trends.strict_markup(chosen, widgets.zone_name()))
slo_maintenance.show(cached.slo_view(chosen, days))
st.caption(slo_trends.COUNTED)
