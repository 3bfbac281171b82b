"""Must a visitor sign in, and did they? On loopback nobody must; elsewhere by OIDC or through a trusted proxy."""

from __future__ import annotations

import streamlit as st

from services import access
from services.access import Person
from ui import cached, html


def configured() -> bool:
    """Whether `.streamlit/secrets.toml` holds an [auth] section for st.login."""
    return bool(st.secrets.load_if_toml_exists()) and "auth" in st.secrets


def person() -> Person:
    """Who acts: whoever signed in, with the role that the settings give; else the one local operator, unverified."""
    if configured() and st.user.get("is_logged_in"):
        return access.of_claims(st.user.to_dict(), cached.settings().access)
    return access.local_operator()


def passed() -> bool:
    """True where the page may be shown; else the sign-in button is."""
    if not configured() or st.user.get("is_logged_in"):
        return True
    html.show(html.answer("unknown", "Sign in to see this portal.", "Use your team's account."))
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    return False
