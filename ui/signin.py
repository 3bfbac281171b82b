"""Whether a visitor must sign in, and did. On loopback nobody must; elsewhere by OIDC or through a trusted proxy."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import streamlit as st

from services import access
from services.access import Action, Person
from ui import cached, html


def configured() -> bool:
    """Whether `.streamlit/secrets.toml` holds an [auth] section for st.login."""
    return bool(st.secrets.load_if_toml_exists()) and "auth" in st.secrets


def person() -> Person:
    """Who acts: the person who signed in, with the settings' role; else the one local operator, unverified."""
    if configured() and st.user.get("is_logged_in"):
        return access.of_claims(st.user.to_dict(), cached.settings().access)
    settings = cached.settings()
    if settings.portal.trusted_proxies:
        return access.of_proxy(st.context.headers.to_dict(), settings.access)
    return access.local_operator()


def ask_name(me: Person) -> Person:
    """In a form: who acts, by the name that is entered where nobody signed in; without one, a person without a name."""
    if me.verified:
        return me
    own = st.text_input("Your name", max_chars=120)
    return access.local_operator(own) if access.plain(own) else replace(me, name="")


def who() -> None:
    """In the side bar: who is signed in, as what, and the way out."""
    behind_proxy = bool(cached.settings().portal.trusted_proxies)
    if not configured() and not behind_proxy:
        return
    me = person()
    with st.sidebar:
        html.show(html.block(f'<div class="dim">Signed in: {escape(me.name)}, {me.role}</div>'))
        if not configured():
            return  # the proxy signs people out
        st.button("Sign out", icon=":material/logout:", on_click=st.logout, key="sign-out")


def may(action: Action, help_: str | None = None) -> dict[str, Any]:
    """For a button that does this: whether it can be pressed, and why not."""
    why = access.why_not(person(), action)
    return {"disabled": bool(why), "help": why or help_}


def passed() -> bool:
    """True where the page may be shown; else the sign-in button is."""
    if not configured() or st.user.get("is_logged_in"):
        return True
    html.show(html.answer("unknown", "Sign in to see this portal.", "Use your team's account."))
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    return False
