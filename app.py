"""The portal's ASGI entry: pages, HTTP API and metrics in one process.

Starts with `python start.py`, `python app.py`, `streamlit run app.py` or `uvicorn app:app`. `streamlit run` reads
this file for the words `app = st.App(…)` to know that it is an ASGI application: keep them here.
"""

import os
import sys

import streamlit as st
from starlette.routing import Route

from api.app import Following
from api.metrics import metrics_route
from runtime.parent import end_with_parent
from services.errors import SettingsError
from ui import cached, portal

os.umask(0o077)  # what the portal writes is for this user alone
try:
    api = Following(cached.settings, cached.store)
    routes = [
        Route("/api/{path:path}", endpoint=api),
        Route("/v1/traces", endpoint=api),
        metrics_route(cached.settings, cached.store),
    ]
    app = st.App(portal.SHELL, **portal.options(routes))
    if __name__ == "__main__":
        end_with_parent()
        portal.run(app, sys.argv[1:])
except SettingsError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(2)
