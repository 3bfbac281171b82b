"""Overview: can each environment be relied on right now, and if not, what comes first?"""

import streamlit as st

from ui import cached, html, overview, widgets

QUESTION = "Can each environment be relied on right now, and if not, what comes first?"
only = widgets.head_of_all("Overview", QUESTION, cached.settings().names)


@widgets.live
def body() -> None:
    """Everything that refreshes."""
    for piece in overview.markup(only, widgets.zone_name()):
        html.show(piece)


widgets.tab("Overview", widgets.quietly(overview.state_words, only))
body()
st.caption("Refreshes by itself. Every number comes from a real probe unless it says *simulated*.")
