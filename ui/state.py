"""What does the address say? Plain, allow-listed query parameters, the same for whoever opens them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from services.errors import UnknownEnvironment

ENVIRONMENT = "env"
DETAIL = "detail"


def environment(names: Sequence[str]) -> str | None:
    """The environment in the address; None where it names none. Raises UnknownEnvironment."""
    name = st.query_params.get(ENVIRONMENT)
    if name is not None and name not in names:
        raise UnknownEnvironment(name, tuple(names))
    return name


def detail(allowed: Sequence[str]) -> str | None:
    """The dependency whose detail the address opens; anything unheard of opens none."""
    name = st.query_params.get(DETAIL)
    return name if name in allowed else None
