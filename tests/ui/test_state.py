"""Widgets that follow the address."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def _picker() -> None:
    import streamlit as st

    from ui import state

    follows = state.follow("against", None, lambda picked: state.put("against", picked))
    st.selectbox("Compare with", [None, "a"], index=0, **follows)


def test_a_picker_whose_default_is_none_can_be_used() -> None:
    shell = AppTest.from_function(_picker).run()
    shell.selectbox[0].select("a").run()
    assert not shell.exception
    assert shell.query_params["against"] in ("a", ["a"])
