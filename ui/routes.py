"""The pages and their addresses."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

PAGES = Path(__file__).resolve().parents[1] / "pages"


def overview() -> StreamlitPage:
    """The Overview, at the root."""
    return st.Page(PAGES / "overview.py", title="Overview", icon=":material/dashboard:", default=True)


def dependency_health() -> StreamlitPage:
    """Dependency health, at /dependency_health."""
    return st.Page(PAGES / "dependency_health.py", title="Dependency health", icon=":material/monitor_heart:")


def slo_trends() -> StreamlitPage:
    """SLO trends, at /slo_trends."""
    return st.Page(PAGES / "slo_trends.py", title="SLO trends", icon=":material/trending_up:")


def env_diff() -> StreamlitPage:
    """Env diff, at /env_diff."""
    return st.Page(PAGES / "env_diff.py", title="Env diff", icon=":material/difference:")


def alerts() -> StreamlitPage:
    """Alerts, at /alerts."""
    return st.Page(PAGES / "alerts.py", title="Alerts", icon=":material/notifications:")


def traces() -> StreamlitPage:
    """Traces, at /traces."""
    return st.Page(PAGES / "traces.py", title="Traces", icon=":material/account_tree:")


def deployments() -> StreamlitPage:
    """Deployments, at /deployments."""
    return st.Page(PAGES / "deployments.py", title="Deployments", icon=":material/rocket_launch:")


def environments() -> StreamlitPage:
    """Environments, at /environments."""
    return st.Page(PAGES / "environments.py", title="Environments", icon=":material/dns:")


def docs() -> StreamlitPage:
    """The documentation, at /docs."""
    return st.Page(PAGES / "docs.py", title="Documentation", icon=":material/menu_book:")


def strict_mode_checklist() -> StreamlitPage:
    """Strict-mode checklist, at /strict_mode_checklist."""
    page = PAGES / "strict_mode_checklist.py"
    return st.Page(page, title="Strict-mode checklist", icon=":material/checklist:")


def replay_harness() -> StreamlitPage:
    """Replay harness, at /replay_harness."""
    return st.Page(PAGES / "replay_harness.py", title="Replay harness", icon=":material/replay:")
