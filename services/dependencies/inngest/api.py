"""Asks an Inngest server. Its REST API v2 and GraphQL, answers as values. Source: inngest.md §4.

The signing key opens the API: it goes into one header and never into an address, an error or a reading.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from services.clock import moment_ms
from services.dependencies import http_client as http
from services.dependencies.inngest.sdk import api_token, bare_key, is_hexadecimal
from services.dependencies.inngest.trace import QUERY, Trace, of_graphql, of_rest
from services.dependencies.model import FINAL, Failure, RunSeen

if TYPE_CHECKING:
    from services.settings.model import Environment

OPEN = ("QUEUED", "RUNNING")
Kind = Literal["dev", "cloud"]
KIND_HEADER = "x-inngest-server-kind"
KINDS: Mapping[Kind, str] = {"dev": "a dev server", "cloud": "a production server, which asks for keys"}
DEFAULT_WAIT_S = 60
LONGEST_WAIT_S = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """The server did not give what was asked: `key_refused`, `wrong_kind`, `no_api`, `limited`, `gone`, `no_step`,
    `error`, or `no_answer`.

    `why` fills the diagnosis' sentence; `wait_s` is how long it asked us to wait.
    """

    code: str
    why: str = ""
    wait_s: int = 0


UNUSABLE = Refusal(code="key_refused", why="it is not hexadecimal")


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of the list of runs; `cursor` None where it was the last one."""

    runs: tuple[RunSeen, ...]
    cursor: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """A server's API. `cloud`: it should be a server that asks for keys (`inngest start`, or Inngest Cloud)."""

    url: str
    key: SecretStr | None
    cloud: bool

    @property
    def hosted(self) -> bool:
        """Whether it is Inngest Cloud, which has REST alone."""
        return self.url.endswith(".inngest.com")

    @classmethod
    def from_settings(cls, environment: Environment) -> Api:
        """The API of an environment whose Inngest server may be asked; a dev server takes no key."""
        server = environment.server
        assert server is not None  # noqa: S101 - the registry has checked
        key = environment.secrets.inngest_signing_key if server.cloud else None
        return cls(url=server.api_url, key=key, cloud=server.cloud)

    async def runs(self, query: Mapping[str, object], *, deadline_s: float) -> Page | Refusal:
        """A page of `/v2/runs`. What it calls the start of a run is when it was scheduled, so it is left out."""
        found = await self._get("/v2/runs", query, deadline_s)
        return found if isinstance(found, Refusal) else _page(found)

    async def runs_of_event(self, event_id: str, *, deadline_s: float) -> Page | Refusal:
        """The runs that an event started. Of the three ways to ask, this one is right while they are in progress."""
        found = await self._get(f"/v2/events/{quote(event_id, safe='')}/runs", {}, deadline_s)
        return found if isinstance(found, Refusal) else _page(found)

    async def run(self, run_id: str, *, deadline_s: float) -> RunSeen | Refusal:
        """A run that has ended, with when it really began. While it is in progress this answer is wrong."""
        found = await self._get(f"/v2/runs/{quote(run_id, safe='')}", {}, deadline_s)
        if isinstance(found, Refusal):
            return found
        return _run(found.get("data"), is_listed=False) or Refusal(code="error", why="its answer holds no run")

    async def trace(self, run_id: str, *, deadline_s: float, graphql: bool = False) -> Trace | Refusal:
        """A run's steps; by GraphQL with the tries that failed, which REST leaves out."""
        if graphql:
            data = await self.graphql(QUERY, {"id": run_id}, deadline_s=deadline_s)
            return data if isinstance(data, Refusal) else of_graphql(data)
        found = await self._get(f"/v2/runs/{quote(run_id, safe='')}/trace", {}, deadline_s)
        return found if isinstance(found, Refusal) else of_rest(found.get("data"))

    async def cancel(self, run_id: str, *, deadline_s: float) -> Refusal | None:
        """Cancel a run; None where it is cancelled, `gone` where it had ended already."""
        found = await self._post(f"/v2/runs/{quote(run_id, safe='')}/cancel", None, deadline_s)
        return found if isinstance(found, Refusal) else None

    async def rerun(self, run_id: str, *, from_step: str = "", deadline_s: float) -> str | Refusal:
        """Run it again, or from that step on; the id of the new run."""
        body = {"fromStep": {"stepId": from_step}} if from_step else None
        found = await self._post(f"/v2/runs/{quote(run_id, safe='')}/rerun", body, deadline_s)
        if isinstance(found, Refusal):
            return found
        return _text(found.get("data"), "runId") or Refusal(code="error", why="its answer names no run")

    async def kind(self, *, deadline_s: float) -> Kind | None:
        """What kind of server it says it is, in the header that every answer carries; None where it says nothing."""
        answer = await http.get(f"{self.url}/health", deadline_s=deadline_s)
        return None if isinstance(answer, Failure) else kind_of(answer)

    async def graphql(
        self, query: str, variables: Mapping[str, object] | None = None, *, deadline_s: float
    ) -> Mapping[str, Any] | Refusal:
        """The `data` of a GraphQL query: self-hosted servers only, and not with `--no-ui`."""
        if self._unusable:
            return UNUSABLE
        body = json.dumps({"query": query} | ({"variables": variables} if variables else {})).encode()
        headers = {"Content-Type": "application/json"} | self._headers()
        found = self._read(await http.post(f"{self.url}/v0/gql", body, deadline_s=deadline_s, headers=headers))
        if isinstance(found, Refusal):
            return found
        data = found.get("data")
        return data if isinstance(data, dict) else Refusal(code="error", why="its answer holds no data")

    async def _get(self, path: str, query: Mapping[str, object], deadline_s: float) -> dict[str, Any] | Refusal:
        if self._unusable:
            return UNUSABLE
        text = urlencode({k: v for k, v in query.items() if v is not None}, doseq=True)
        address = f"{self.url}{path}" + (f"?{text}" if text else "")
        return self._read(await http.get(address, deadline_s=deadline_s, headers=self._headers()))

    async def _post(self, path: str, body: Mapping[str, object] | None, deadline_s: float) -> dict[str, Any] | Refusal:
        if self._unusable:
            return UNUSABLE
        text = b"" if body is None else json.dumps(body).encode()
        headers = self._headers() | ({} if body is None else {"Content-Type": "application/json"})
        return self._read(await http.post(self.url + path, text, deadline_s=deadline_s, headers=headers))

    def _read(self, answer: http.Answer | Failure) -> dict[str, Any] | Refusal:
        """The answer's body; a server that gives our token back gives it to nobody further."""
        if isinstance(answer, Failure):
            return no_answer(answer)
        kind = kind_of(answer)
        if kind is not None and (kind == "cloud") != self.cloud and answer.status != 200:
            return Refusal(code="wrong_kind", why=KINDS[kind])
        if self._token:
            answer = replace(answer, body=answer.body.replace(self._token.encode(), b"[removed]"))
        return _read(answer)

    @property
    def _unusable(self) -> bool:
        return self.key is not None and not is_hexadecimal(bare_key(self.key.get_secret_value()))

    @property
    def _token(self) -> str:
        return "" if self.key is None else api_token(self.key.get_secret_value())

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}


def no_answer(failure: Failure) -> Refusal:
    """A failed exchange in words."""
    return Refusal(code="no_answer", why=_WHY.get(failure.code, "it did not answer"))


def kind_of(answer: http.Answer) -> Kind | None:
    """What kind of server an answer says it comes from; None where it doesn't."""
    found = answer.headers.get(KIND_HEADER, "").strip().lower()
    return "dev" if found == "dev" else "cloud" if found == "cloud" else None


def _read(answer: http.Answer) -> dict[str, Any] | Refusal:
    if answer.status in {401, 403}:  # in plain text, as a rule
        return Refusal(code="key_refused", why=f"HTTP {answer.status}")
    if answer.status == 409:
        return Refusal(code="gone", why="it had ended already")
    if answer.status == 400 and b"Step not found" in answer.body:
        return Refusal(code="no_step", why="the run has no such step")
    if answer.status in {404, 405, 501}:
        return Refusal(code="no_api", why=f"HTTP {answer.status}")
    if answer.status == 429:
        return Refusal(code="limited", why="HTTP 429", wait_s=_wait(answer.headers))
    body = answer.json()
    if answer.status != 200 or not isinstance(body, dict):
        return Refusal(code="error", why=f"HTTP {answer.status}" if answer.status != 200 else "its answer is no JSON")
    return body


def _wait(headers: Mapping[str, str]) -> int:
    text = headers.get("retry-after", "")
    return min(int(text), LONGEST_WAIT_S) if text.isdecimal() else DEFAULT_WAIT_S


def _page(body: Mapping[str, Any]) -> Page:
    rows, page = body.get("data"), body.get("page")
    cursor = page.get("cursor") if isinstance(page, dict) and page.get("hasMore") is True else None
    found = (
        (_run(row, is_listed=True) for row in rows) if isinstance(rows, list) else ()
    )  # `data` is absent when there are none
    return Page(runs=tuple(run for run in found if run), cursor=cursor if isinstance(cursor, str) and cursor else None)


def _run(row: object, *, is_listed: bool) -> RunSeen | None:
    """A row; None where it lacks what makes it a run. The rest may be missing.

    In a list `startedAt` is when the run was scheduled: it says nothing of when it began to work.
    """
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or row.get("status") not in {*FINAL, *OPEN}:
        return None
    return RunSeen(
        id=row["id"][:60],
        app=_text(row.get("app"), "id"),
        function=_text(row.get("function"), "name") or _text(row.get("function"), "id"),
        status=row["status"],
        queued_ms=moment_ms(row.get("queuedAt")),
        started_ms=None if is_listed else moment_ms(row.get("startedAt")),
        ended_ms=moment_ms(row.get("endedAt")),
    )


def _text(value: object, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found[:120] if isinstance(found, str) else ""


def rfc3339(at_ms: int) -> str:
    """A moment as the API takes it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Why there was no answer, by the failure's code.
_WHY: Mapping[str, str] = {
    "name_not_found": "its host name is not known",
    "name_unanswered": "no name server says where it is",
    "no_connection": "no connection came about in time",
    "refused": "nothing listens at its address",
    "unreachable": "there is no network route to it",
    "timeout": "it did not answer in time",
    "closed": "it closed the connection without a full answer",
    "tls_expired": "its TLS certificate has expired",
    "tls_untrusted": "its TLS certificate is not signed by an authority known here",
    "tls_wrong_host": "its TLS certificate is for another host name",
    "tls_failed": "no encrypted connection could be made",
    "too_large": "its answer is larger than 1 MiB, so it was not read",
    "not_http": "what answers is not a web server",
    "compressed": "it answers compressed although asked not to",
    "redirected": "it sends us to another address",
    "fragmented": "its answer comes in thousands of tiny pieces",
    "unsendable": "our request holds a character that HTTP can't carry",
}
