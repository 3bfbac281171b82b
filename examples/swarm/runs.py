"""What Inngest would list of this application's runs. Simulated: each cron moment of the past as a run that completed.

No Inngest server runs beside the demonstration, so this answers as v1.43 does (`/v2/runs`), for anyone who has the key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from examples.swarm.mover import Mover

EVERY = timedelta(minutes=15)
FUNCTION = "pipeline-scan"
KIND = {"X-Inngest-Server-Kind": "cloud"}
WAIT, TAKES = timedelta(milliseconds=300), timedelta(seconds=2)
STEPS = (("collect", 0.3), ("rank", 0.7))  # with their shares of that time


class Runs:
    """The routes: runs that ended in [from, until], oldest first, a page at a time; one by itself; and run again.

    As with the real server, a list's `startedAt` is when a run was scheduled; a run by itself says when it began.
    """

    def __init__(
        self, app_id: str, signing_key: str | None, failing: Callable[[], bool], *, event_key: str | None = None
    ) -> None:
        self._app_id, self._key, self._failing, self._event_key = app_id, signing_key, failing, event_key
        self.mover = Mover(signing_key)
        self._again: list[dict[str, Any]] = []

    @property
    def routes(self) -> list[Route]:
        """To be added to an application."""
        return [
            Route("/health", self.health),
            Route("/v2/runs", self.listed),
            Route("/v2/runs/{id}", self.one),
            Route("/v2/runs/{id}/rerun", self.rerun, methods=["POST"]),
            Route("/v2/events/{id}/runs", self.of_event),
            Route("/v0/gql", self.graphql, methods=["POST"]),
            Route("/fn/register", self.register, methods=["POST"]),
            Route("/e/{key}", self.event, methods=["POST"]),
        ]

    async def health(self, _request: Request) -> Response:
        """Alive, and of which kind."""
        return _answer({"status": 200, "message": "OK"})

    async def listed(self, request: Request) -> Response:
        """A page of runs."""
        if not _opened(request, self._key):
            return _refused()
        query = request.query_params
        try:
            low, high = (datetime.fromisoformat(query[name]) for name in ("from", "until"))
            limit, start = min(int(query.get("limit", "50")), 100), int(query.get("cursor") or 0)
        except (KeyError, ValueError):
            return _answer({"errors": [{"code": "invalid_field_format"}]}, 400)
        wanted = query.getlist("status")
        rows = [row for row in self._rows(low, min(high, datetime.now(UTC))) if row["status"] in wanted]
        part = [row | {"startedAt": row["queuedAt"]} for row in rows[start : start + limit]]
        page = {"hasMore": start + limit < len(rows), "cursor": str(start + limit), "limit": limit}
        return _answer(({"data": part} if part else {}) | {"page": page})

    async def one(self, request: Request) -> Response:
        """One of the last day's."""
        if not _opened(request, self._key):
            return _refused()
        found = self._find(request.path_params["id"])
        return _answer({"data": found}) if found else _answer({"errors": [{"code": "not_found"}]}, 404)

    async def graphql(self, request: Request) -> Response:
        """The trace of one of the last day's runs: the only question that is answered."""
        try:
            asked = await request.json()
            found = self._find(str(asked["variables"]["id"]))
        except (ValueError, KeyError, TypeError):
            found = None
        if found is None or not found.get("endedAt"):
            return _answer({"data": None, "errors": [{"message": "not found"}]})
        begun, spans = datetime.fromisoformat(found["startedAt"]), []
        for name, share in STEPS:
            took = (datetime.fromisoformat(found["endedAt"]) - datetime.fromisoformat(found["startedAt"])) * share
            spans.append({"name": name, "status": "COMPLETED", "stepOp": "RUN", "startedAt": _text(begun),
                          "endedAt": _text(begun + took), "childrenSpans": []})  # fmt: skip
            begun += took
        return _answer({"data": {"runTrace": {"startedAt": found["startedAt"], "childrenSpans": spans}}})

    async def rerun(self, request: Request) -> Response:
        """Run one again: it completes."""
        if not _opened(request, self._key):
            return _refused()
        found = self._find(request.path_params["id"])
        if found is None:
            return _answer({"errors": [{"code": "not_found"}]}, 404)
        now = datetime.now(UTC)
        new = found | {"id": "01" + secrets.token_hex(12).upper(), "status": "COMPLETED", "queuedAt": _text(now),
                       "startedAt": _text(now + WAIT), "endedAt": _text(now + WAIT + TAKES)}  # fmt: skip
        self._again.append(new)
        return _answer({"data": {"runId": new["id"]}})

    async def of_event(self, request: Request) -> Response:
        """The runs that an event started."""
        if not _opened(request, self._key):
            return _refused()
        found = self.mover.rows(request.path_params["id"])
        return _answer(({"data": found} if found else {}) | {"page": {"hasMore": False, "limit": 50}})

    async def register(self, request: Request) -> Response:
        """An application registers its functions and where it is."""
        if not _opened(request, self._key):
            return _refused()
        try:
            self.mover.register(await request.json())
        except (KeyError, TypeError, ValueError):
            return _answer({"error": "At least one function is invalid", "data": None, "status": 400}, 400)
        return _answer({"ok": True, "modified": True, "sync_id": secrets.token_hex(8), "app_id": "simulated"})

    async def event(self, request: Request) -> Response:
        """Events come in: the functions that wait for them run."""
        if not self._event_key or not hmac.compare_digest(
            request.path_params["key"].encode(), self._event_key.encode()
        ):
            return _answer({"status": 401, "message": "", "error": "Event key not found"}, 401)
        try:
            found = await request.json()
        except ValueError:
            return _answer({"status": 400, "error": "no JSON"}, 400)
        sent = [event for event in (found if isinstance(found, list) else [found]) if isinstance(event, dict)]
        return _answer({"ids": [self.mover.take(event) for event in sent], "status": 200})

    def _find(self, id_: str) -> dict[str, Any] | None:
        now = datetime.now(UTC)
        return next((row for row in self._rows(now - timedelta(days=1, hours=1), now) if row["id"] == id_), None)

    def _rows(self, low: datetime, high: datetime) -> list[dict[str, Any]]:
        again = [row for row in self._again if low <= datetime.fromisoformat(row["endedAt"]) <= high]
        moved = [
            row for row in self.mover.rows() if low <= datetime.fromisoformat(row["endedAt"] or row["queuedAt"]) <= high
        ]
        rows = [*_rows(self._app_id, low, high, self._failing()), *again, *moved]
        return sorted(rows, key=lambda row: str(row["endedAt"]))


def _answer(body: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse(body, status, headers=KIND)


def _refused() -> Response:
    return PlainTextResponse("Authentication failed", 401, headers=KIND)


def _opened(request: Request, signing_key: str | None) -> bool:
    bare = re.sub(r"^signkey-\w+-", "", signing_key or "")
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    return bool(bare) and hmac.compare_digest(given, hashlib.sha256(bytes.fromhex(bare)).hexdigest())


def _rows(app_id: str, low: datetime, high: datetime, failing: bool) -> Iterator[dict[str, Any]]:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    due = epoch + (low - epoch) // EVERY * EVERY
    newest = epoch + (high - WAIT - TAKES - epoch) // EVERY * EVERY  # the last one that has ended
    while due + WAIT + TAKES <= high:
        ended = due + WAIT + TAKES
        if ended >= low:
            failed = failing and due == newest
            yield {
                "id": "01" + hashlib.sha256(f"{app_id}{due}".encode()).hexdigest()[:24].upper(),
                "status": "FAILED" if failed else "COMPLETED",
                "queuedAt": _text(due),
                "startedAt": _text(due + WAIT),
                "endedAt": _text(ended),
                "app": {"id": app_id},
                "function": {"id": FUNCTION, "name": FUNCTION},
            }
        due += EVERY


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
