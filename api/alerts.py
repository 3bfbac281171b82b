"""Alerts for programs: the list, taking one, and the form of our own webhook's messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from services import clock
from services.access import Person
from services.alerts import acts, view
from services.alerts.acts import UnknownAlert, WrongAct
from services.alerts.setup import AlertSetup
from services.channels.message import Event, Severity
from services.settings import Settings
from services.store import Store

Id = Annotated[str, Path(min_length=1, max_length=40)]
MOST_DAYS = 400


class AlertMessage(BaseModel):
    """What a `webhook+https://` channel receives. The same `key` may come twice: act on it once."""

    model_config = ConfigDict(extra="forbid")

    schema_: Literal["greenlight.alert/1"] = Field(alias="schema")
    key: str = Field(description="The same however often the message is sent; also in the header Idempotency-Key.")
    alert: str = Field(description="The same for all messages of one alert.")
    event: Event
    severity: Severity
    environment: str | None = Field(description="null for Greenlight itself.")
    simulated: bool
    cause: str
    title: str
    what: str
    fix: str
    with_: list[str] = Field(alias="with", description="What is down because of it.")
    link: str | None
    at: str


class Note(BaseModel):
    """The body of an acknowledgement; it may be left out."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field("", max_length=acts.MOST_NOTE)


def mount(app: FastAPI, settings: Settings, get_store: Callable[[], Store], guard: Callable[..., Person]) -> None:
    """Add the routes, and describe the webhook."""

    @app.get("/api/v1/alerts", dependencies=[Depends(guard)])
    def alerts(days: Annotated[int, Query(ge=0, le=MOST_DAYS)] = 30) -> dict[str, Any]:
        """What is open, newest first, and what ended in the last days; with who was told, and when."""
        found = view.view(get_store(), settings, clock.now_ms(), days=days)
        return {
            "as_of": clock.iso(found.as_of_ms),
            "open": [view.document(item) for item in found.open],
            "ended": [view.document(item) for item in found.past],
        }

    @app.post(
        "/api/v1/alerts/{id}/acknowledge",
        openapi_extra={"requestBody": {"content": {"application/json": {"schema": Note.model_json_schema()}}}},
    )
    async def acknowledge(
        request: Request,
        id: Id,
        person: Person = Depends(guard),  # noqa: B008 - FastAPI reads it
    ) -> dict[str, Any]:
        """Take an open alert, under the token's name: reminders end. The body may hold a note."""
        note = _note(await request.body())
        setup = AlertSetup.from_settings(settings)
        try:
            taken = await run_in_threadpool(
                acts.acknowledge, get_store(), setup, id, person, note=note, now_ms=clock.now_ms()
            )
        except UnknownAlert as error:
            raise HTTPException(404, str(error)) from error
        except WrongAct as error:
            raise HTTPException(409, str(error)) from error
        assert taken.acknowledged_ms is not None  # noqa: S101 - that is what was done
        return {"id": id, "acknowledged_by": taken.acknowledged_by, "acknowledged_at": clock.iso(taken.acknowledged_ms)}

    @app.webhooks.post("alert")
    def alert(body: AlertMessage) -> None:
        """Sent to a channel of your own; X-Greenlight-Signature holds `t=<seconds>,v1=<HMAC-SHA256 of "t.body">`."""


def _note(body: bytes) -> str:
    """Raises HTTPException for what is no such body."""
    if not body.strip():
        return ""
    try:
        found = json.loads(body)
    except ValueError as error:
        raise HTTPException(400, "The body is no JSON text.") from error
    try:
        return Note.model_validate(found).note
    except ValueError as error:
        text = f'Send {{"note": "…"}} with at most {acts.MOST_NOTE:,} characters, or no body.'
        raise HTTPException(422, text) from error
