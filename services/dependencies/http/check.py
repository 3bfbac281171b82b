"""One request to an HTTP address, and what an answer says about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.dependencies import http_client as http
from services.dependencies.fronts import front_of, front_words
from services.dependencies.http_client import exchange_detail
from services.dependencies.kind import Context, Found
from services.dependencies.model import Failure
from services.dependencies.tables import filled

if TYPE_CHECKING:
    from services.dependencies.http.kind import HttpTable


async def run(table: HttpTable, context: Context) -> Found | Failure:
    """Send the request, and turn the answer into facts."""
    headers = {name: filled(text, context.variables) for name, text in table.headers.items()}
    body = filled(table.body, context.variables).encode()
    if table.method == "GET" and not body and table.follow_redirects:
        answer = await http.get(table.url, deadline_s=table.deadline_s, headers=headers)
    else:
        answer = await http.send(table.method, table.url, body, deadline_s=table.deadline_s, headers=headers,
                                 redirects_fail=table.follow_redirects)  # fmt: skip
    if isinstance(answer, Failure):
        return answer
    return facts_of(table, answer)


def facts_of(table: HttpTable, answer: http.Answer) -> Found:
    """An answer's facts. A status that nobody asked for is named by what gave it."""
    facts: dict[str, Any] = {
        "status": answer.status, "ms": answer.timings["total"], "size": len(answer.body),
        "cert_days": answer.certificate_days, "header": answer.headers,
        "body": answer.body.decode("utf-8", "replace"),
    }  # fmt: skip
    body = answer.json()
    if body is not None:
        facts["json"] = body
    code, words = "", {"status": answer.status}
    if not any(text.lstrip().startswith("status") for text in table.expect) and not 200 <= answer.status < 300:
        front = front_of(answer)
        code = front.code if front else "bad_status"
        words |= front_words(front)
    return Found(facts=facts, latency_ms=answer.timings["total"], code=code, words=words,
                 detail=exchange_detail(answer) | {"size": len(answer.body)})  # fmt: skip
