"""Sends an event to an Inngest server. The event key goes into the address alone, as the server wants it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from services.dependencies import http_client as http
from services.dependencies.inngest import api as inngest_api
from services.dependencies.inngest.api import Refusal
from services.dependencies.model import Failure

NO_EVENT_KEY = "NO_EVENT_KEY_SET"  # what the SDK sends to a dev server, which takes any


async def send(
    url: str, key: SecretStr | None, event: Mapping[str, Any], *, cloud: bool, deadline_s: float
) -> tuple[str, float] | Refusal:
    """The event's id as the server knows it, and how long it took to take it (ms)."""
    word = key.get_secret_value() if key is not None else NO_EVENT_KEY
    answer = await http.post(
        f"{url}/e/{word}", json.dumps([event]).encode(), deadline_s=deadline_s,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    if isinstance(answer, Failure):
        return inngest_api.no_answer(answer)
    kind = inngest_api.kind_of(answer)
    if answer.status != 200 and kind is not None and (kind == "cloud") != cloud:
        return Refusal(code="wrong_kind", why=inngest_api.KINDS[kind])
    if answer.status in {401, 403}:
        return Refusal(code="event_refused", why=f"HTTP {answer.status}")
    found = answer.json()
    ids = found.get("ids") if isinstance(found, dict) else None
    if answer.status != 200 or not isinstance(ids, list) or not ids or not isinstance(ids[0], str):
        return Refusal(code="not_accepted", why=f"HTTP {answer.status}")
    return ids[0][:100], answer.timings["total"]
