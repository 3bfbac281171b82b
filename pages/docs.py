"""Documentation: the files of docs/, served by the portal itself."""

import streamlit as st

from ui import documentation, html, state, widgets

html.show(html.title("Documentation", "What does each part do, and how is it set up?"))
st.markdown(documentation.text(widgets.choose(state.DOC, documentation.titles(), label="Part")))
