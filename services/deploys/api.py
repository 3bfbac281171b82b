"""Asks the platform's GraphQL API: what holds for a service, and how its deploys went. Source: railway.md.

Read with a project token, which is for one environment. Its `variables` are never asked for: they come with values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SecretStr

from services.clock import moment_ms
from services.dependencies import http_client as http
from services.dependencies.model import Failure
from services.deploys.platform import Field
from services.outside import storable

DEADLINE_S = 15.0
DEFAULT_WAIT_S, LONGEST_WAIT_S = 300, 3600
SHOWN = 30  # deploys that are asked for
LONGEST = 500  # characters of a value
Code = Literal["token_refused", "may_not_read", "other_project", "no_service", "limited", "no_answer", "unreadable"]
STATES = frozenset({
    "QUEUED", "INITIALIZING", "BUILDING", "WAITING", "NEEDS_APPROVAL", "DEPLOYING", "SUCCESS", "SLEEPING", "SKIPPED",
    "FAILED", "CRASHED", "REMOVING", "REMOVED",
})  # fmt: skip
SUCCEEDED, BROKE = "SUCCESS", frozenset({"FAILED", "CRASHED"})
_WHOSE = "query{projectToken{projectId environmentId}}"
_SERVICE = (
    "query($environment:String!,$service:String!){serviceInstance(environmentId:$environment,serviceId:$service)"
    "{serviceName overlapSeconds drainingSeconds healthcheckPath healthcheckTimeout restartPolicyType numReplicas "
    "sleepApplication startCommand cronSchedule}}"
)
_DEPLOYS = (
    "query($input:DeploymentListInput!,$first:Int!){deployments(input:$input,first:$first)"
    "{edges{node{id status createdAt statusUpdatedAt meta}}}}"
)
_FIELDS: Mapping[str, tuple[Field, type]] = {
    "overlapSeconds": ("overlap", int),
    "drainingSeconds": ("draining", int),
    "healthcheckPath": ("health_path", str),
    "healthcheckTimeout": ("health_timeout", int),
    "restartPolicyType": ("restart", str),
    "numReplicas": ("replicas", int),
    "sleepApplication": ("sleeps", bool),
    "startCommand": ("start", str),
    "cronSchedule": ("cron", str),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """It did not give what was asked; `why` completes the sentence of its code, `wait_s` is how long to wait."""

    code: Code
    why: str = ""
    wait_s: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """A deploy as the platform lists it; `status` is `unknown` for a word that isn't one of its words."""

    id: str
    status: str
    created_ms: int
    updated_ms: int
    commit: str = ""
    branch: str = ""
    message: str = ""
    author: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What it said: the service's settings by field, and its newest deploys."""

    values: Mapping[Field, str]
    deployments: tuple[Deployment, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """The API with an environment's token."""

    url: str
    token: SecretStr

    async def read(self, service: str, project: str | None) -> Found | Refusal:
        """All that is asked of it, in three questions."""
        whose = await self._ask(_WHOSE, {})
        if isinstance(whose, Refusal):
            return Refusal(code="token_refused", why=whose.why) if whose.code == "may_not_read" else whose
        owner = whose.get("projectToken")
        if not isinstance(owner, dict) or not all(
            isinstance(owner.get(k), str) for k in ("projectId", "environmentId")
        ):
            return Refusal(code="token_refused", why="it names no project")
        if project is not None and owner["projectId"] != project:
            return Refusal(code="other_project")
        found = await self._ask(_SERVICE, {"environment": owner["environmentId"], "service": service})
        if isinstance(found, Refusal):
            return found
        instance = found.get("serviceInstance")
        if not isinstance(instance, dict):
            return Refusal(code="no_service")
        asked = {"projectId": owner["projectId"], "environmentId": owner["environmentId"], "serviceId": service}
        listed = await self._ask(_DEPLOYS, {"input": asked, "first": SHOWN})
        if isinstance(listed, Refusal):
            return listed
        return Found(values=_values(instance), deployments=_deployments(listed.get("deployments")))

    async def _ask(self, query: str, variables: Mapping[str, object]) -> Mapping[str, Any] | Refusal:
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", "Project-Access-Token": self.token.get_secret_value()}
        answer = await http.post(self.url, body, deadline_s=DEADLINE_S, headers=headers)
        if isinstance(answer, Failure):
            return Refusal(code="no_answer", why=answer.code)
        return _read(answer)


def _read(answer: http.Answer) -> Mapping[str, Any] | Refusal:
    """The `data` of an answer. Errors come with HTTP 200 as well."""
    if answer.status == 429:
        return Refusal(code="limited", wait_s=_wait(answer.headers))
    if answer.status in {401, 403}:
        return Refusal(code="token_refused", why=f"HTTP {answer.status}")
    body = answer.json()
    if not isinstance(body, dict):
        return Refusal(code="unreadable", why=f"HTTP {answer.status} without JSON")
    errors, data = body.get("errors"), body.get("data")
    if isinstance(errors, list) and errors:
        first = errors[0].get("message") if isinstance(errors[0], dict) else None
        said = first if isinstance(first, str) else ""
        if "not authorized" in said.lower():
            return Refusal(code="may_not_read", why="Not Authorized")
        if "not found" in said.lower():
            return Refusal(code="no_service")
        if "rate limit" in said.lower():
            return Refusal(code="limited", wait_s=_wait(answer.headers))
        return Refusal(code="unreadable", why=f"HTTP {answer.status} with an error")
    if answer.status != 200 or not isinstance(data, dict):
        return Refusal(code="unreadable", why=f"HTTP {answer.status} without data")
    return data


def _wait(headers: Mapping[str, str]) -> int:
    """Seconds to wait: what it asks for, within bounds."""
    text = headers.get("retry-after", "").strip()
    return min(max(1, int(text)), LONGEST_WAIT_S) if text.isdecimal() and len(text) < 9 else DEFAULT_WAIT_S


def _values(instance: Mapping[str, Any]) -> dict[Field, str]:
    """Values of the right type; null means unset, and anything else is not known."""
    found: dict[Field, str] = {}
    for name, (field, kind) in _FIELDS.items():
        value = instance.get(name)
        if kind is bool and isinstance(value, bool):
            found[field] = "true" if value else "false"
        elif kind is int and isinstance(value, int) and not isinstance(value, bool):
            found[field] = str(value)
        elif kind is str and isinstance(value, str) and value.strip():
            found[field] = _text(value)
    return found


def _deployments(found: Any) -> tuple[Deployment, ...]:
    edges = found.get("edges") if isinstance(found, dict) else None
    nodes = [edge.get("node") for edge in edges if isinstance(edge, dict)] if isinstance(edges, list) else []
    made = (_deployment(node) for node in nodes[:SHOWN] if isinstance(node, dict))
    return tuple(deployment for deployment in made if deployment is not None)


def _deployment(node: Mapping[str, Any]) -> Deployment | None:
    created = moment_ms(node.get("createdAt"))
    if not isinstance(node.get("id"), str) or created is None:
        return None
    meta = node.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    told = {key: _text(meta.get(name)) for key, name in (
        ("commit", "commitHash"), ("branch", "branch"), ("message", "commitMessage"), ("author", "commitAuthor"),
    )}  # fmt: skip
    return Deployment(
        id=_text(node["id"])[:60],
        status=node["status"] if node.get("status") in STATES else "unknown",
        created_ms=created,
        updated_ms=moment_ms(node.get("statusUpdatedAt")) or created,
        **told,
    )


def _text(value: object) -> str:
    return " ".join(storable(value).split())[:LONGEST] if isinstance(value, str) else ""
