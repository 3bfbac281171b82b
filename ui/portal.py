"""Makes an ASGI application of the pages."""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config

from services.advice import Advice
from services.errors import Problem, SettingsError
from ui import cached, redirect_uri
from ui.guard import LOOPBACK_NAMES, Guard
from ui.login_redirect import LoginRedirect
from ui.peers import is_loopback, keep_real_peers
from ui.preload import Preload

SHELL = Path(__file__).with_name("shell.py")
PAGES = Path(__file__).resolve().parents[1] / "pages"
ENTRY = Path(__file__).resolve().parents[1] / "app.py"


def options(routes: list[Route]) -> dict[str, Any]:
    """What `st.App` is made with. Raises SettingsError where the portal must not start."""
    settings = cached.settings()
    keep_real_peers()
    # Streamlit looks for .streamlit/config.toml beside this script; started from another folder by Python or
    # uvicorn it would take ui/shell.py for it, and lose theme, address and allowed hosts.
    config._main_script_path = str(ENTRY)
    names = [*LOOPBACK_NAMES, *settings.portal.allowed_hosts]
    config.set_option("server.allowedHosts", names)
    base = base_path()
    config.set_option("server.baseUrlPath", base)
    guarded_elsewhere = bool(settings.portal.trusted_proxies) or _signs_in()
    _refuse_open_door(config.get_option("server.address"), guarded_elsewhere=guarded_elsewhere)
    if _signs_in():
        redirect_uri.check(redirect_uri.configured(), base, names)
    guard = Middleware(
        Guard,
        allowed_hosts=tuple(names),
        trusted_proxies=settings.portal.trusted_proxies,
        open_elsewhere=guarded_elsewhere,
        base=base,
        identity_headers=tuple(filter(None, (settings.access.proxy_user_header, settings.access.proxy_role_header))),
    )
    login_redirect = [Middleware(LoginRedirect, base=base)] if _signs_in() else []
    paths = {f"{base}/", *(f"{base}/{file.stem}" for file in PAGES.glob("*.py"))}
    preload = Middleware(Preload, pages=frozenset(paths), base=base)
    if base:  # a proxy passes the whole path on; health checks and programs on this machine ask at the root
        routes = [*routes, *(_below(base, route) for route in routes)]
    return {"routes": routes, "middleware": [guard, preload, *login_redirect], "lifespan": _lifespan}


def _below(base: str, route: Route) -> Route:
    async def there(scope: Scope, receive: Receive, send: Send) -> None:
        await inner({**scope, "root_path": base}, receive, send)

    inner: ASGIApp = route.app
    made = Route(base + route.path, endpoint=route.endpoint, methods=route.methods and list(route.methods))
    made.app = there
    return made


def base_path() -> str:
    """The path below which a proxy shows the portal, as `/portal`; "" at a host's root."""
    path = (cached.settings().portal.base_path or config.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


@asynccontextmanager
async def _lifespan(_app: Any) -> AsyncIterator[dict[str, Any]]:
    """Import what pages need once, then freeze it: Streamlit collects garbage after every script run, and what is
    frozen needn't be looked at again (a rerun went from 34 to 5.5 ms)."""
    import pandas  # noqa: F401
    import plotly.graph_objects  # noqa: F401

    import ui.alert_acts
    import ui.alerts
    import ui.checklist_decisions
    import ui.checklist_record
    import ui.checklist_report
    import ui.checklist_step
    import ui.dependency_detail
    import ui.dependency_health
    import ui.env_diff
    import ui.env_validate
    import ui.env_write
    import ui.overview
    import ui.replay_list
    import ui.replay_run  # noqa: F401

    gc.collect()
    gc.freeze()
    yield {}


def _signs_in() -> bool:
    from streamlit.runtime.secrets import secrets_singleton

    return bool(secrets_singleton.load_if_toml_exists()) and "auth" in secrets_singleton


def run(app: Any, arguments: list[str]) -> None:
    """Serve until stopped: `python app.py [--host H] [--port N]`. Raises SettingsError where it must not."""
    parser = argparse.ArgumentParser(prog="app.py", description="Greenlight's portal.")
    parser.add_argument("--host", default=config.get_option("server.address"))
    parser.add_argument("--port", type=int, default=_port_of_the_platform() or config.get_option("server.port"))
    chosen = parser.parse_args(arguments)
    trusted = bool(cached.settings().portal.trusted_proxies)
    _refuse_open_door(chosen.host, guarded_elsewhere=trusted or _signs_in())
    app.run(
        config={
            "server.address": chosen.host, "server.port": chosen.port, "server.baseUrlPath": base_path(),
        }
    )  # fmt: skip


def _port_of_the_platform() -> int | None:
    """The port in the variable PORT, by which hosting platforms say where to listen. Raises SettingsError."""
    text = os.environ.get("PORT", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdecimal() and 0 < int(text[:6]) < 65_536:
        return int(text)
    fix = "Set a number from 1 to 65535, unset it, or name a port with --port."
    raise SettingsError(
        (Problem(source="environment variables", key="PORT", advice=Advice(what="is no port.", fix=fix)),)
    )


def _refuse_open_door(address: str | None, *, guarded_elsewhere: bool) -> None:
    """Outside loopback only with sign-in or a trusted proxy."""
    if guarded_elsewhere or (address and is_loopback(address)):
        return
    raise SettingsError(
        (
            Problem(
                source="server.address",
                key=str(address or "unset, which means every network"),
                advice=Advice(
                    what="would open the portal to others without sign-in.",
                    fix=(
                        "Use 127.0.0.1, or set [portal] trusted_proxies in greenlight.toml, or [auth] in "
                        ".streamlit/secrets.toml."
                    ),
                ),
            ),
        )
    )
