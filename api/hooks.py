"""Where the platform calls: `POST /api/v1/hooks/railway/{secret}`. No answer tells anything but that it was taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import FastAPI, Path, Request
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from services import clock
from services.deploys import hooks
from services.deploys.hooks import MOST_BYTES, UnknownHook
from services.settings import Settings
from services.store import Store


def mount(app: FastAPI, settings: Settings, get_store: Callable[[], Store]) -> None:
    """Add the route."""

    @app.post("/api/v1/hooks/railway/{secret}", status_code=204)
    async def railway(request: Request, secret: Annotated[str, Path(min_length=1, max_length=200)]) -> None:
        """The platform's webhook: the environment of this address is looked at at once."""
        if len(await request.body()) > MOST_BYTES:
            raise HTTPException(413, f"Send at most {MOST_BYTES:,} bytes.")
        try:
            await run_in_threadpool(hooks.receive, get_store(), settings, secret, now_ms=clock.now_ms())
        except UnknownHook as error:
            raise HTTPException(404, str(error)) from error
