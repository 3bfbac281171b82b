"""What Inngest would list of this application's runs. Simulated: each cron moment of the past as a run that completed.

No Inngest server runs beside the demonstration, so this answers as one would (`/v2/runs`), for anyone who has the key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

EVERY = timedelta(minutes=15)
FUNCTION = "pipeline-scan"
WAIT, TAKES = timedelta(milliseconds=300), timedelta(seconds=2)


def listing(app_id: str, signing_key: str | None, failing: Callable[[], bool]) -> Callable[[Request], Any]:
    """The route: runs that ended in [from, until], oldest first, a page at a time."""

    async def runs(request: Request) -> Response:
        if not _opened(request, signing_key):
            return JSONResponse({"errors": [{"code": "unauthorized"}]}, 401)
        query = request.query_params
        try:
            low, high = (datetime.fromisoformat(query[name]) for name in ("from", "until"))
            limit, start = min(int(query.get("limit", "50")), 100), int(query.get("cursor") or 0)
        except (KeyError, ValueError):
            return JSONResponse({"errors": [{"code": "invalid_field_format"}]}, 400)
        wanted = query.getlist("status")
        rows = [row for row in _rows(app_id, low, min(high, datetime.now(UTC)), failing()) if row["status"] in wanted]
        part = rows[start : start + limit]
        page = {"hasMore": start + limit < len(rows), "cursor": str(start + limit), "limit": limit}
        return JSONResponse(({"data": part} if part else {}) | {"page": page})

    return runs


def _opened(request: Request, signing_key: str | None) -> bool:
    bare = re.sub(r"^signkey-\w+-", "", signing_key or "")
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    return bool(bare) and hmac.compare_digest(given, hashlib.sha256(bytes.fromhex(bare)).hexdigest())


def _rows(app_id: str, low: datetime, high: datetime, failing: bool) -> Iterator[dict[str, Any]]:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    due = epoch + (low - epoch) // EVERY * EVERY
    newest = epoch + (high - epoch) // EVERY * EVERY
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
