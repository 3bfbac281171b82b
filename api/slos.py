"""The routes about SLOs and deploys. The same numbers as the page and the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Header, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from services import access, clock
from services.access import Person
from services.settings import Settings
from services.signature import signed
from services.slo import changes, report, view
from services.slo import window as slo_window
from services.store import Store
from services.store.deploys import Deploy

GetStore = Callable[[], Store]
AHEAD_MS = 300_000


class DeployTold(BaseModel):
    """What a pipeline tells after a deploy; without `at` it is now."""

    model_config = ConfigDict(extra="forbid")

    environment: str = Field(max_length=40)
    version: str = Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")
    at: AwareDatetime | None = None
    note: str = Field("", max_length=500, pattern=r"^[^\x00]*$")


def mount(app: FastAPI, settings: Settings, get_store: GetStore, guard: Callable[..., Person]) -> None:
    """Add the routes."""

    @app.get("/api/v1/environments/{name}/slo", dependencies=[Depends(guard)])
    def slo(
        name: str, window: Literal["7d", "28d", "30d", "90d"] | None = None,
        as_of: Annotated[datetime | None, Query(description="ISO 8601 with zone; now where it is left out.")] = None,
    ) -> dict[str, Any]:  # fmt: skip
        """How the SLOs of an environment stand, as scripts/slo_report.py says it."""
        if as_of is not None and as_of.tzinfo is None:
            raise HTTPException(422, "as_of names no time zone: end it with Z or an offset such as +01:00.")
        moment = clock.now_ms() if as_of is None else clock.to_ms(as_of)
        trouble = slo_window.trouble(moment, clock.now_ms())
        if trouble is not None:
            raise HTTPException(404, f"as_of {trouble}.")
        days = int(window[:-1]) if window else None
        kept = settings.retention.minute_days
        found = view.slos(get_store(), settings.environment(name), moment, days=days, minute_days=kept)
        return report.document(found, window or "own")

    @app.post("/api/v1/deploys", status_code=201)
    async def deployed(
        request: Request,
        x_greenlight_signature: Annotated[str | None, Header(max_length=200)] = None,
        person: Person = Depends(guard),  # noqa: B008 - FastAPI reads it
    ) -> dict[str, Any]:
        """Note a deploy. The body is signed: docs/slo.md shows how."""
        access.require(person, "deploy")
        body = await request.body()
        key = settings.deploy_key or settings.api_token
        if key is None or not signed(
            key.get_secret_value(), body, x_greenlight_signature, clock.now_ms() / 1000
        ):  # fmt: skip
            raise HTTPException(
                403, "Sign the body: X-Greenlight-Signature: t=<seconds>,v1=<HMAC-SHA256 of '<seconds>.<body>'>."
            )
        told = _read(body)
        settings.environment(told.environment)
        now = clock.now_ms()
        at_ms = now if told.at is None else clock.to_ms(told.at)
        if not 0 < at_ms <= now + AHEAD_MS:
            raise HTTPException(422, "at must lie between 1970 and now. Send the moment of the deploy.")
        deploy = Deploy(environment=told.environment, at_ms=at_ms, version=told.version, source="told", note=told.note)
        fresh = await run_in_threadpool(changes.tell, get_store(), deploy, once=str(x_greenlight_signature), now_ms=now)
        return {"environment": told.environment, "version": told.version, "at": clock.iso(at_ms), "known": not fresh}


def _read(body: bytes) -> DeployTold:
    try:
        return DeployTold.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = re.sub(r"[^\w.]", "", ".".join(str(part) for part in first["loc"])) or "body"
        raise HTTPException(422, f"{where}: {first['msg']}.") from error
