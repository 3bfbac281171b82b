"""The portal's ASGI entry: pages, HTTP API and metrics in one process.

Starts with `python start.py`, `python app.py`, `streamlit run app.py` or `uvicorn app:app`.
"""

import sys

from starlette.routing import Route

from api.app import build as build_api
from api.metrics import metrics_route
from services.errors import SettingsError
from ui import cached, portal

try:
    settings = cached.settings()
    app = portal.build(
        [
            Route("/api/{path:path}", endpoint=build_api(settings, cached.store)),
            metrics_route(settings, cached.store),
        ]
    )
except SettingsError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(2)

if __name__ == "__main__":
    app.run()
