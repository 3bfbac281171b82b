"""What does the worker serve? Its own contract, its Inngest route and its metrics, on loopback by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import inngest.fast_api
from fastapi import FastAPI, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import Receive, Scope, Send

from runtime import Contract, Dependency, TokenPolicy, mount
from runtime.inngest_route import InngestCheck
from runtime.redis_check import RedisCheck, client_for
from services.settings.model import Own
from services.version import VERSION
from worker.metrics import WorkerMetrics

PATH = "/inngest"  # where Inngest calls us


class Steps:
    """Counts the steps that Inngest has called and that are still at work."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on."""
        if scope.get("path") != PATH or scope.get("method") != "POST":
            await self._app(scope, receive, send)
            return
        self.running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self.running -= 1


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

    return app
