"""Asks the platform's GraphQL API: what holds for a service, and how its deploys went. Source: railway.md.

Read with a project token, which is for one environment. Its `variables` are never asked for: they come with values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from pydantic import SecretStr

from services.clock import DAY_MS, moment_ms, to_ms
from services.dependencies import http_client as http
from services.dependencies.model import Failure
from services.deploys.platform import Field

DEADLINE_S = 15.0
DEFAULT_WAIT_S, LONGEST_WAIT_S = 300, 3600
SHOWN = 30  # deploys that are asked for
LONGEST, SAID = 500, 120  # characters of a value, and of what an error says
Code = Literal[
    "token_refused", "may_not_read", "other_project", "no_service", "limited", "no_answer", "too_large", "error",
    "unreadable",
]  # fmt: skip
Part = Literal["projectToken", "serviceInstance", "deployments"]
Clean = Callable[[str], str]
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
    """What it said: the service's settings by field, and its newest deploys; `refused` where it gives no deploys."""

    values: Mapping[Field, str]
    deployments: tuple[Deployment, ...] = ()
    refused: Refusal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """The API with an environment's token. `clean` takes the environment's secrets out of a text."""

    url: str
    token: SecretStr
    clean: Clean

    async def read(self, service: str, project: str | None, now_ms: int) -> Found | Refusal:
        """All that is asked of it, in three questions."""
        whose = await self._ask("projectToken", _WHOSE, {}, now_ms)
        if isinstance(whose, Refusal):
            return whose
        owner = whose.get("projectToken")
        if not isinstance(owner, dict) or not all(
            isinstance(owner.get(k), str) for k in ("projectId", "environmentId")
        ):
            return Refusal(code="token_refused", why="it names no project")
        if project is not None and owner["projectId"] != project:
            return Refusal(code="other_project")
        wanted = {"environment": owner["environmentId"], "service": service}
        found = await self._ask("serviceInstance", _SERVICE, wanted, now_ms)
        if isinstance(found, Refusal):
            return found
        instance = found.get("serviceInstance")
        if not isinstance(instance, dict):
            return Refusal(code="no_service")
        values = _values(instance, self.clean)
        asked = {"projectId": owner["projectId"], "environmentId": owner["environmentId"], "serviceId": service}
        listed = await self._ask("deployments", _DEPLOYS, {"input": asked, "first": SHOWN}, now_ms)
        if isinstance(listed, Refusal):
            return Found(values=values, refused=listed)
        return Found(values=values, deployments=_deployments(listed.get("deployments"), self.clean, now_ms))

    async def _ask(
        self, part: Part, query: str, variables: Mapping[str, object], now_ms: int
    ) -> Mapping[str, Any] | Refusal:
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", "Project-Access-Token": self.token.get_secret_value()}
        answer = await http.post(self.url, body, deadline_s=DEADLINE_S, headers=headers)
        if isinstance(answer, Failure):
            return Refusal(code="too_large" if answer.code == "too_large" else "no_answer", why=answer.code)
        return _read(answer, part, self.clean, now_ms)


def _read(answer: http.Answer, part: Part, clean: Clean, now_ms: int) -> Mapping[str, Any] | Refusal:
    """The `data` of an answer. Errors come with HTTP 200 as well."""
    if answer.status == 429:
        return Refusal(code="limited", wait_s=_wait(answer.headers, now_ms))
    body = answer.json()
    errors, data = (body.get("errors"), body.get("data")) if isinstance(body, dict) else (None, None)
    if isinstance(errors, list) and errors:
        first = errors[0].get("message") if isinstance(errors[0], dict) else None
        said = first if isinstance(first, str) else ""
        return _of_error(said, part, clean) or Refusal(code="limited", wait_s=_wait(answer.headers, now_ms))
    if answer.status in {401, 403}:
        return _unauthorized(part, f"HTTP {answer.status}")
    if answer.status >= 500:
        return Refusal(code="no_answer", why=f"HTTP {answer.status}")
    if not isinstance(body, dict):
        return Refusal(code="unreadable", why=f"HTTP {answer.status} without JSON")
    if answer.status != 200 or not isinstance(data, dict):
        return Refusal(code="unreadable", why=f"HTTP {answer.status} without data")
    return data


def _of_error(said: str, part: Part, clean: Clean) -> Refusal | None:
    """What an error means, by its words, as the platform's own command line takes it; None for a rate limit."""
    words = said.lower()
    if "rate limit" in words or "too many requests" in words:
        return None
    if "not authorized" in words or "unauthorized" in words:
        return _unauthorized(part, "Not Authorized")
    if "not found" in words and part != "deployments":
        return Refusal(code="no_service") if part == "serviceInstance" else _unauthorized(part, "not found")
    return Refusal(code="error", why=_text(said, clean)[:SAID] or "without words")


def _unauthorized(part: Part, why: str) -> Refusal:
    """A token that doesn't open its own project is refused; else it is one that may not read this."""
    return Refusal(code="token_refused" if part == "projectToken" else "may_not_read", why=why)


def _wait(headers: Mapping[str, str], now_ms: int) -> int:
    """Seconds to wait, within bounds: what it asks for, else until the limit's window ends."""
    after = _seconds(headers.get("retry-after", ""), now_ms)
    wanted = _seconds(headers.get("x-ratelimit-reset", ""), now_ms) if after is None else after
    return DEFAULT_WAIT_S if wanted is None else min(max(1, wanted), LONGEST_WAIT_S)


def _seconds(text: str, now_ms: int) -> int | None:
    """From now on, of a number of seconds or a time in any usual form: which one it is, isn't documented."""
    text = text.strip()
    if text.isascii() and text.isdecimal() and len(text) < 15:
        number = int(text)
        if number < 10**8:
            return number
        at_ms: int | None = number if number >= 10**11 else number * 1000
    else:
        at_ms = moment_ms(text) or _http_date(text)
    return None if at_ms is None else math.ceil((at_ms - now_ms) / 1000)


def _http_date(text: str) -> int | None:
    try:
        return to_ms(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None


def _values(instance: Mapping[str, Any], clean: Clean) -> dict[Field, str]:
    """Values of the right type; null means unset, and anything else is not known."""
    found: dict[Field, str] = {}
    for name, (field, kind) in _FIELDS.items():
        value = instance.get(name)
        if kind is bool and isinstance(value, bool):
            found[field] = "true" if value else "false"
        elif kind is int and isinstance(value, int) and not isinstance(value, bool):
            found[field] = str(value)
        elif kind is str and (text := _text(value, clean)):
            found[field] = text
    return found


def _deployments(found: Any, clean: Clean, now_ms: int) -> tuple[Deployment, ...]:
    edges = found.get("edges") if isinstance(found, dict) else None
    nodes = [edge.get("node") for edge in edges if isinstance(edge, dict)] if isinstance(edges, list) else []
    made = (_deployment(node, clean, now_ms) for node in nodes[:SHOWN] if isinstance(node, dict))
    return tuple(deployment for deployment in made if deployment is not None)


def _deployment(node: Mapping[str, Any], clean: Clean, now_ms: int) -> Deployment | None:
    created, updated = moment_ms(node.get("createdAt")), moment_ms(node.get("statusUpdatedAt"))
    id_, status, meta = _text(node.get("id"), clean), node.get("status"), node.get("meta")
    if not id_ or created is None or created > now_ms + DAY_MS:
        return None
    meta = meta if isinstance(meta, dict) else {}
    told = {key: _text(meta.get(name), clean) for key, name in (
        ("commit", "commitHash"), ("branch", "branch"), ("message", "commitMessage"), ("author", "commitAuthor"),
    )}  # fmt: skip
    return Deployment(
        id=id_[:60],
        status=status if isinstance(status, str) and status in STATES else "unknown",
        created_ms=created,
        updated_ms=created if updated is None or not created <= updated <= now_ms + DAY_MS else updated,
        **told,
    )


def _text(value: object, clean: Clean) -> str:
    """On one line, without secrets; cut last, as half a secret is one too."""
    return " ".join(clean(value).split())[:LONGEST] if isinstance(value, str) else ""
