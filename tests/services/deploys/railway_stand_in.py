"""The platform's GraphQL API as railway.md describes it, on loopback: one project, two environments, a rate limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

TOKEN = "railway-planted-token-1"
PROJECT, ENVIRONMENT, SERVICE = "project-1", "environment-1", "service-1"


def moment(ago_s: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def deployment(id_: str, status: str, ago_s: float, *, took_s: float = 60, **meta: Any) -> dict[str, Any]:
    return {"node": {"id": id_, "status": status, "createdAt": moment(ago_s), "statusUpdatedAt": moment(max(0, ago_s - took_s)),
                     "meta": meta}}  # fmt: skip


class Railway:
    """`instance` is what holds for the service; `trouble` answers in place of the API while it is set."""

    def __init__(self) -> None:
        self.instance: dict[str, Any] | None = {
            "serviceName": "worker", "overlapSeconds": 300, "drainingSeconds": 180, "healthcheckPath": "/api/health/ready",
            "healthcheckTimeout": None, "restartPolicyType": "ALWAYS", "numReplicas": 2, "sleepApplication": False,
            "startCommand": "exec python -m worker", "cronSchedule": None,
        }  # fmt: skip
        self.deployments: list[Any] = []
        self.trouble: Response | None = None
        self.refuses: set[str] = set()  # parts that the token may not read
        self.left: int | None = None  # requests until the rate limit
        self.limits = {"retry-after": "42", "x-ratelimit-remaining": "0"}  # the headers that come with it
        self.queries: list[str] = []
        self.tokens: set[str | None] = set()

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/graphql/v2", self.graphql, methods=["POST"])])

    async def graphql(self, request: Request) -> Response:
        asked = await request.json()
        self.queries.append(asked["query"])
        self.tokens.add(request.headers.get("project-access-token"))
        if self.trouble is not None:
            return self.trouble
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                return JSONResponse({"errors": [{"message": "Rate limit exceeded"}]}, 429, self.limits)
        if request.headers.get("project-access-token") != TOKEN:
            return self.error("Not Authorized")
        part = next(name for name in ("projectToken", "serviceInstance", "deployments") if name in asked["query"])
        if part in self.refuses:
            return self.error("Not Authorized")
        variables = asked["variables"]
        if part == "projectToken":
            return JSONResponse({"data": {part: {"projectId": PROJECT, "environmentId": ENVIRONMENT}}})
        if part == "serviceInstance":
            known = variables == {"environment": ENVIRONMENT, "service": SERVICE}
            return JSONResponse({"data": {part: self.instance if known else None}})
        assert variables["input"] == {"projectId": PROJECT, "environmentId": ENVIRONMENT, "serviceId": SERVICE}
        return JSONResponse({"data": {part: {"edges": self.deployments[: variables["first"]]}}})

    @staticmethod
    def error(message: str) -> Response:
        return JSONResponse({"errors": [{"message": message, "path": ["x"]}], "data": None})

    @staticmethod
    def html() -> Response:
        return PlainTextResponse("<html>502 Bad Gateway</html>", 502)
