"""Whether the identity provider leads back to this portal. Asked at start, not at the first sign-in."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from services.advice import Advice
from services.errors import Problem, SettingsError
from ui.login_redirect import CALLBACK

SOURCE = ".streamlit/secrets.toml"


def configured() -> object:
    """`redirect_uri` of `[auth]` as it is written; None where there is none."""
    from streamlit.runtime.secrets import secrets_singleton

    return secrets_singleton["auth"].get("redirect_uri")


def check(value: object, base: str, hosts: Iterable[str]) -> None:
    """Raise SettingsError where a sign-in could not end here: at one of `hosts`, below `base`."""
    problem = _problem(value, base, frozenset(name.lower() for name in hosts))
    if problem:
        message, fix = problem
        raise SettingsError((Problem(source=SOURCE, key="auth.redirect_uri", advice=Advice(what=message, fix=fix)),))


def _problem(value: object, base: str, hosts: frozenset[str]) -> tuple[str, str] | None:
    wanted = f"https://<host>{base}{CALLBACK}"
    if not isinstance(value, str) or not value:
        return "is missing.", f"Set it to {wanted}, and register the same address with the identity provider."
    try:
        parts = urlsplit(value.replace("{port}", "1"))  # Streamlit puts its port there
        name, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "is no address.", f"Write it as {wanted}."
    if parts.scheme not in {"http", "https"} or not name:
        return "is no address.", f"Write it as {wanted}."
    if parts.path != base + CALLBACK:
        return f"leads to another path than {base}{CALLBACK}.", f"Write it as {wanted}."
    if (f"[{name}]" if ":" in name else name) not in hosts:
        return "names a host that isn't the portal's.", "Add the host to [portal] allowed_hosts in greenlight.toml."
    return None
