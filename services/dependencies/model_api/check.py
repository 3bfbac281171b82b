"""The list of a provider's models. Sources: OpenAI's and Anthropic's API references, *Models*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from services.dependencies import http_client as http
from services.dependencies.fronts import front_of, front_words
from services.dependencies.http_client import exchange_detail
from services.dependencies.kind import Context, Found
from services.dependencies.model import Failure
from services.outside import storable

if TYPE_CHECKING:
    from services.dependencies.model_api.kind import ModelApiTable

MOST = 2000
# How providers say that nothing is left to spend, whatever the status.
_QUOTA = ("insufficient_quota", "exceeded your current quota", "credit balance is too low", "billing_not_active",
          "payment required", "billing hard limit")  # fmt: skip
_GONE = ("model_not_found", "not_found_error", "does not exist", "deprecated", "not found")


async def run(table: ModelApiTable, context: Context) -> Found | Failure:
    """Ask for the list; where the model is not on it, for the model itself, as aliases are listed nowhere."""
    secret = context.variables[table.key].get_secret_value()
    headers = {"Authorization": f"Bearer {secret}"}
    query = ""
    if table.provider == "anthropic":
        headers, query = {"x-api-key": secret, "anthropic-version": "2023-06-01"}, "?limit=1000"
    answer = await http.get(f"{table.address}/models{query}", deadline_s=table.deadline_s, headers=headers)
    if isinstance(answer, Failure):
        return answer
    found = judge(table, answer)
    if found.code or not table.model or table.model in found.facts["models"]:
        return found
    left_s = table.deadline_s - answer.timings["total"] / 1000
    one = await http.get(
        f"{table.address}/models/{quote(table.model, safe='/:')}", deadline_s=max(0.1, left_s), headers=headers
    )
    if isinstance(one, Failure):
        return one
    return found if one.status == 200 and one.json() is not None else _with(found, "model_gone")


def judge(table: ModelApiTable, answer: http.Answer) -> Found:
    """What the answer to the list says."""
    body = answer.json()
    names = _names(body)
    facts: dict[str, Any] = {
        "status": answer.status, "ms": answer.timings["total"], "cert_days": answer.certificate_days, "models": names,
        "count": len(names), "header": answer.headers,
    }  # fmt: skip
    if body is not None:
        facts["json"] = body
    code = _code(answer, body, names)
    front = front_of(answer) if code in {"bad_status", "bad_body", "rate_limited"} and body is None else None
    words = {"status": answer.status, "model": table.model or "a model", "count": len(names)} | front_words(front)
    return Found(facts=facts, latency_ms=answer.timings["total"], code=front.code if front else code, words=words,
                 detail=exchange_detail(answer) | {"models": len(names), "model": table.model})  # fmt: skip


def _names(body: Any) -> list[str]:
    listed = body.get("data") if isinstance(body, dict) else body
    if not isinstance(listed, list):
        return []
    return [
        storable(item["id"]) for item in listed[:MOST] if isinstance(item, dict) and isinstance(item.get("id"), str)
    ]


def _code(answer: http.Answer, body: Any, names: list[str]) -> str:
    text = answer.body[:20_000].decode("utf-8", "replace").lower()
    if answer.status != 200 and any(words in text for words in _QUOTA):
        return "no_quota"
    if answer.status == 401:
        return "key_refused"
    if answer.status == 403:
        return "key_forbidden" if isinstance(body, dict) else "bad_status"
    if answer.status == 429:
        return "rate_limited"
    if answer.status in {503, 529}:
        return "overloaded" if isinstance(body, dict) else "bad_status"
    if answer.status != 200:
        return "bad_status"
    return "" if names else "bad_body"


def _with(found: Found, code: str) -> Found:
    return Found(facts=found.facts, latency_ms=found.latency_ms, code=code, detail=found.detail, words=found.words)
