"""The frame around every page: navigation, style, error boundary. Streamlit runs this script for every view."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import alerts, html, routes, signin, state, widgets

st.set_page_config(page_title="Greenlight", page_icon=str(Path(__file__).with_name("icon.png")), layout="wide")
html.show(html.STYLE)
st.logo(Path(__file__).with_name("logo.svg"), size="large")

if signin.passed():
    page = st.navigation(
        {
            "Watch": [
                routes.overview(),
                routes.dependency_health(),
                routes.slo_trends(),
                routes.traces(),
                routes.alerts(),
            ],
            "Prove": [routes.replay_harness(), routes.deployments()],
            "Change": [routes.strict_mode_checklist(), routes.env_diff(), routes.environments()],
            "Help": [routes.docs()],
        }
    )
    state.arrive(page.url_path)
    with st.sidebar:
        widgets.live(alerts.bell)()
    signin.who()
    widgets.zone_switch()
    widgets.theme_switch()
    widgets.guarded(page.run)()
