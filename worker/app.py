"""What the worker serves. Its own contract, its Inngest route and its metrics, on loopback by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import inngest.fast_api
from fastapi import FastAPI, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime import Contract, Dependency, TokenPolicy, mount
from runtime.body_limit import BodyLimit
from runtime.inngest_route import InngestCheck
from runtime.redis_check import RedisCheck, client_for
from services.settings.model import Own
from services.version import VERSION
from worker.metrics import WorkerMetrics

PATH = "/inngest"  # where Inngest calls us


MAX_CALL_BYTES = 16 << 20  # Inngest sends a run's earlier steps along


class InngestDoor:
    """Lets in what an Inngest server sends, and nothing that a website could have a browser send.

    Where no server is configured, nobody calls functions here. A server sends JSON and neither an origin nor a
    browser's fetch headers. Signatures are the SDK's matter, where there is a key.
    """

    def __init__(self, app: ASGIApp, *, configured: bool, connects: bool) -> None:
        self._app, self._configured, self._connects = app, configured, connects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, or refuse."""
        refusal = self._refusal(scope) if scope["type"] == "http" and scope["path"] == PATH else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        status, detail = refusal
        response = JSONResponse(
            {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail},
            status_code=status, media_type="application/problem+json",
        )  # fmt: skip
        await response(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        names = {name for name, _ in scope["headers"]}
        if names & {b"origin", b"sec-fetch-site", b"sec-fetch-mode"}:
            return 403, "A website may not call the worker's functions."
        if self._connects and scope["method"] in {"POST", "PUT"}:
            return 403, "This worker connects to Inngest (transport = connect), so nobody calls its functions here."
        if scope["method"] != "POST":
            return None
        if not self._configured:
            return 403, "No Inngest server is configured for this worker, so nobody calls its functions."
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        if kind.partition(b";")[0].strip().lower() != b"application/json":
            return 415, "Send the call as application/json."
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreCheck:
    """A contract check for the worker's store; the trouble's sentence comes from the writer."""

    trouble: Callable[[], str]
    required: bool = True
    dependency: str = "store"

    async def __call__(self) -> Dependency:
        """Healthy while the newest write went through."""
        trouble = self.trouble()
        return Dependency(name="store", required=True, healthy=not trouble, error=trouble or None)


def _served_host(own: Own) -> tuple[str, ...]:
    """The host under which Inngest reaches the worker through a proxy."""
    host = urlsplit(own.inngest_serve_origin).hostname if own.inngest_serve_origin else None
    return (host,) if host else ()


def build(
    *,
    own: Own,
    token: str | None,
    trouble: Callable[[], str],
    metrics: WorkerMetrics,
    client: inngest.Inngest,
    served: list[inngest.Function[Any]],
    allowed_hosts: tuple[str, ...],
    connects: bool = False,
) -> FastAPI:
    """The worker's application."""
    app = FastAPI(title="Greenlight worker", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(
        TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]", *_served_host(own), *allowed_hosts]
    )
    inngest.fast_api.serve(
        app,
        client,
        served,
        serve_path=PATH,
        serve_origin=own.inngest_serve_origin,
        enable_unauthed_sync=not own.inngest_cloud,  # else anyone who reaches us may have us registered elsewhere
    )
    mount(
        app,
        Contract(
            checks=(
                StoreCheck(trouble=trouble),
                RedisCheck(
                    client=client_for(own.redis_url.get_secret_value() if own.redis_url else None),
                    required=own.redis_required,
                ),
                InngestCheck(
                    app=app,
                    required=own.inngest_required,
                    mode=lambda: "cloud" if own.inngest_cloud else "dev",
                    has_keys=lambda: own.inngest_keys,
                    path=PATH,
                ),
            ),
            token=TokenPolicy(accepted=token),
            environment="local",
            version=VERSION,
        ),
    )

    @app.get("/metrics")
    def prometheus() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app.add_middleware(BodyLimit, most=MAX_CALL_BYTES)
    app.add_middleware(InngestDoor, configured=own.inngest_configured, connects=connects)
    return app
