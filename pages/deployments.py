"""Deployments: is now a good moment, what would a deploy cut, and which settings keep it from cutting anything?"""

import streamlit as st

from ui import cached, deployments, drill, html, widgets

QUESTION = (
    "Is now a good moment to deploy, what would a deploy interrupt, and what keeps it from interrupting anything?"
)
names = cached.settings().names
chosen = widgets.head("Deployments", QUESTION, names)


@widgets.live
def body() -> None:
    """Everything that refreshes."""
    for piece in deployments.markup(chosen, widgets.zone_name()):
        html.show(piece)


widgets.tab("Deployments", chosen)
body()
drill.show(chosen)
deployments.ways(deployments.cached_view(chosen))
deployments.hook(chosen)
deployments.downloads(chosen)
st.caption("Refreshes by itself. Files are read as text and never run; of variables, only the platform's own are read.")
