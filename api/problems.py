"""Every status and media type that the API answers with, for its OpenAPI document; errors are RFC 9457 problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from starlette.routing import Match, Route
from starlette.types import Scope

MEDIA_TYPE = "application/problem+json"
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "known": {"type": "array", "items": {"type": "string"}},
    },
}
SENTENCES: Mapping[int, str] = {
    400: "The body is no JSON text.",
    401: "No API token, or none that is known.",
    403: "The token's role does not allow it, or the signature is not the right one.",
    404: "There is no such environment, run, agent or alert, or nothing is known of that time.",
    408: "The request did not come in time.",
    409: "The settings do not allow it; or the alert is over, or somebody has taken it.",
    413: "The request is too large.",
    422: "The request is not in the described form; the detail says where.",
    429: "Too many calls of this heartbeat; the header Retry-After says when to come again.",
    503: "The store can't be used now; it is tried again.",
}
EVERYWHERE = (401, 404, 408, 409, 413, 422, 503)
ON_CHANGES = (400, 403)


def allowed(app: FastAPI, scope: Scope) -> str:
    """The methods of a path for the header Allow: of every route with that path, not of the first one alone."""
    found = {
        method
        for route in app.routes
        if isinstance(route, Route) and route.matches(scope)[0] != Match.NONE
        for method in route.methods or ()
    }
    return ", ".join(sorted(found))


def describe(app: FastAPI) -> None:
    """Have the application's document say all of it."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = dict(SCHEMA)
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if path == "/api/runtime/dependencies":
                    _add(operation, (413, 408))
                    operation["responses"]["401"] = {"description": SENTENCES[401], "content": {"application/json": {}}}
                elif path.startswith("/api/health/"):
                    _add(operation, (413, 408))
                elif path == "/v1/traces":
                    _add(operation, (401, 403))
                elif path.startswith("/api/v1/heartbeats/"):
                    _add(operation, (404, 408, 409, 413, 422, 429, 503))
                elif path.startswith("/api/v1/"):
                    _add(operation, (*EVERYWHERE, *(() if method == "get" else ON_CHANGES)))
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _add(operation: dict[str, Any], statuses: tuple[int, ...]) -> None:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in sorted(statuses):
        operation["responses"][str(status)] = {"description": SENTENCES[status], "content": content}
