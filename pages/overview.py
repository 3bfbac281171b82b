"""Overview: can each environment be relied on right now, and if not, what comes first?"""

import streamlit as st

from ui import cached, overview, widgets

QUESTION = "Can each environment be relied on right now, and if not, what comes first?"
only = widgets.head("Overview", QUESTION, cached.settings().names, with_all=True)


@widgets.live
def body() -> None:
    """Everything that refreshes."""
    view = cached.overview(only)
    overview.draw(view, widgets.zone())


body()
st.caption("Refreshes by itself. Every number comes from a real probe unless it says *simulated*.")
