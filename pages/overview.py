"""Overview: can each environment be relied on right now, and if not, what comes first?"""

import streamlit as st

from ui import cached, overview, widgets

widgets.head("Overview", "Can each environment be relied on right now, and if not, what comes first?")
only = widgets.pick_environment(cached.settings().names, with_all=True)


@widgets.live
def body() -> None:
    """Everything that refreshes."""
    view = cached.overview(only)
    overview.draw(view, widgets.zone())


body()
st.caption("Refreshes by itself. Every number comes from a real probe unless it says *simulated*.")
