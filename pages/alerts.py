"""Alerts: what should somebody know now, who has taken it, and do messages reach people?"""

import streamlit as st

from ui import alert_acts, alerts, cached, html, widgets

QUESTION = "What should somebody know now, who has taken it, and do messages reach people?"
only = widgets.head_of_all("Alerts", QUESTION, cached.settings().names)
widgets.guarded(alert_acts.arrived)()
drawn = alerts.cached_view(only)
offered = alerts.choices(drawn)


@widgets.live
def body() -> None:
    """Everything that refreshes; where there is something else to act on, the whole page."""
    for piece in alerts.markup(only, widgets.zone_name()):
        html.show(piece)
    if alerts.choices(alerts.cached_view(only)) != offered:
        st.rerun()


widgets.tab("Alerts")
body()
widgets.guarded(alert_acts.show)(drawn)
alerts.downloads(only)
st.caption("Refreshes by itself. A message that was accepted by a service is not yet one that somebody has seen.")
