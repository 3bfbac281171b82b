"""Checks that the application's Inngest route is there, in the right mode, with keys and functions, and closed to
strangers.

Reads every case that `inngest.md` §1 lists. The signed answer contains the signing key's hash, which works as a
bearer token: it is looked at for presence and dropped here, at the edge.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from services import clock
from services.dependencies import http_client as http
from services.dependencies.app.readiness import failed
from services.dependencies.fronts import front_of, front_words
from services.dependencies.http_client import exchange_detail
from services.dependencies.inngest import sdk as inngest_sdk
from services.dependencies.model import Check, Failure, Reading

if TYPE_CHECKING:
    from services.settings.model import Environment, Inngest

CHECK = "inngest.route"
CLOUD_API = "https://api.inngest.com"
EMPTY_KEY = ""
FORGE_EVERY_MS = 600_000


@dataclass(frozen=True, kw_only=True, slots=True)
class InngestProbe:
    """The route's introspection: signed where the key is known, and once more signed with the empty key."""

    url: str
    expected: Inngest
    signing_key: SecretStr | None
    interval_s: float
    deadline_s: float
    name: str = "inngest"

    @classmethod
    def from_settings(cls, environment: Environment) -> InngestProbe:
        """The probe that an environment's settings ask for."""
        return cls(
            url=environment.base_url + environment.inngest.path,
            expected=environment.inngest,
            signing_key=environment.secrets.inngest_signing_key,
            interval_s=environment.intervals.inngest,
            deadline_s=environment.inngest.deadline_s,
        )

    async def run(self, previous: Mapping[str, Any]) -> Reading:
        """Two or three requests, each with a third of the deadline. Where the key is known, a stranger's request
        is only made if the signed one fails, so as not to fill the application's log."""
        signed = await self._ask(self.signing_key.get_secret_value() if self.signing_key else None)
        if isinstance(signed, Failure):
            return failed("inngest", signed, (), CHECK)
        plain = signed
        if self.signing_key is not None and signed.status != 200:
            retried = await self._ask(None)
            plain = retried if isinstance(retried, http.Answer) else signed
        guarded = _mode_of(signed) != "dev" and plain.status in {200, 401} and _is_due(previous)
        forged = await self._ask(EMPTY_KEY) if guarded else None
        return judge(
            Answers(plain=plain, signed=signed if self.signing_key is not None else None, forged=forged),
            expected=self.expected,
            best_before=_best_before(previous),
            forged_ms=clock.now_ms() if guarded else previous.get("forged_ms"),
        )

    async def _ask(self, key: str | None) -> http.Answer | Failure:
        headers = {} if key is None else {"X-Inngest-Signature": signature(key, clock.now_ms() // 1000)}
        return await http.get(self.url, deadline_s=self.deadline_s / 3, headers=headers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """The answers to a stranger's request, one signed with the environment's key, one signed with the empty key.

    `plain` is the signed answer where that was let in and no stranger's request was needed.
    """

    plain: http.Answer
    signed: http.Answer | None
    forged: http.Answer | Failure | None


def signature(signing_key: str, at_s: int) -> str:
    """The X-Inngest-Signature of a request without a body. Source: inngest.md §1."""
    secret = inngest_sdk.bare_key(signing_key).encode()
    digest = hmac.new(secret, str(at_s).encode(), hashlib.sha256).hexdigest()
    return f"t={at_s}&s={digest}"


def judge(answers: Answers, *, expected: Inngest, best_before: int | None, forged_ms: int | None = None) -> Reading:
    """Read the answers into one code; the gravest finding wins."""
    best = answers.signed or answers.plain
    body = best.json()
    facts = _facts(body) if isinstance(body, dict) else {}
    total = best.timings["total"]
    code, words = _code(answers, best, facts, expected, best_before)
    if code in {"inngest.ok", "inngest.ok_dev"} and total > expected.slow_ms:
        code, words = "inngest.slow", {"latency": round(total), "limit": round(expected.slow_ms)}
    good = code in {"inngest.ok", "inngest.ok_dev", "inngest.slow"}
    count = facts.get("function_count")
    outcome: Any = "pass" if good else "unknown" if code == "inngest.signed_only" else "fail"
    return Reading(
        code=code,
        latency_ms=total,
        detail=exchange_detail(best)
        | {
            "sdk": best.headers.get("x-inngest-sdk", "not named")[:60],
            "signed": answers.signed is not None,
            "unsigned_status": answers.plain.status,
            "accepts_empty_key": _accepted(answers.forged),
            "forged_ms": forged_ms,
            "facts": facts,
            "best_function_count": count if good else best_before,
        },
        words=words,
        checks=(
            Check(name=CHECK, outcome=outcome, value=facts.get("mode") or code, threshold=expected.mode),
            Check(
                name="inngest.functions",
                outcome="unknown" if count is None else "pass" if count >= expected.expected_functions else "fail",
                value=count,
                threshold=expected.expected_functions,
            ),
        ),
    )


def _code(
    answers: Answers, best: http.Answer, facts: Mapping[str, Any], expected: Inngest, best_before: int | None
) -> tuple[str, dict[str, Any]]:
    if _accepted(answers.forged):
        return "inngest.open_door", {}
    front = None if facts else front_of(best)
    if front is not None:
        return f"inngest.{front.code}", {"status": best.status} | front_words(front)
    by_status = _by_status(answers, best)
    if by_status is not None:
        return by_status, {"status": best.status}
    if not facts:
        return "inngest.bad_body", {}
    if facts["mode"] != expected.mode:
        return ("inngest.mode_dev" if facts["mode"] == "dev" else "inngest.mode_cloud"), {}
    if expected.mode == "cloud":
        keys = _key_trouble(facts, expected)
        if keys is not None:
            return keys
    count = facts["function_count"]
    if count < expected.expected_functions:
        return "inngest.function_count", {"found": count, "expected": expected.expected_functions}
    if best_before is not None and count < best_before:
        return "inngest.fewer_functions", {"found": count, "expected": best_before}
    return ("inngest.ok" if expected.mode == "cloud" else "inngest.ok_dev"), {}


def _by_status(answers: Answers, best: http.Answer) -> str | None:
    """The code where the status alone tells; None for a 200 whose body must be read."""
    if best.status == 200:
        return None
    if best.status == 401:
        return "inngest.key_refused" if answers.signed is not None else "inngest.signed_only"
    if best.status >= 500 and answers.signed is not None and answers.plain.status == 401:
        return "inngest.key_not_hex"
    named = {403: "inngest.kind_mismatch", 404: "inngest.not_mounted", 405: "inngest.wrong_method"}
    return named.get(best.status, "inngest.server_error")


def _key_trouble(facts: Mapping[str, Any], expected: Inngest) -> tuple[str, dict[str, Any]] | None:
    if not facts["has_signing_key"] or facts.get("signing_key_hash_present") is False:
        return "inngest.signing_key_missing", {}
    if not facts["has_event_key"] or facts.get("event_key_hash_present") is False:
        return "inngest.event_key_missing", {}
    found, wanted = facts.get("api_origin"), expected.api_url or CLOUD_API
    if found is not None and _origin(found) != _origin(wanted):
        return "inngest.wrong_api", {"found": _origin(found)}
    return None


def _facts(body: dict[str, Any]) -> dict[str, Any]:
    """The parts of an introspection body that may be kept; {} where it is none. Hashes become their presence."""
    mode, count = body.get("mode"), body.get("function_count")
    if mode not in ("cloud", "dev") or not isinstance(count, int) or isinstance(count, bool):
        return {}
    facts: dict[str, Any] = {
        "mode": mode,
        "function_count": count,
        "has_event_key": body.get("has_event_key") is True,
        "has_signing_key": body.get("has_signing_key") is True,
    }
    if "signing_key_hash" in body:
        facts["signing_key_hash_present"] = bool(body["signing_key_hash"])
        facts["event_key_hash_present"] = bool(body.get("event_key_hash"))
        facts["app_id"] = str(body.get("app_id"))[:100]
        for key in ("api_origin", "event_api_origin"):
            if isinstance(body.get(key), str):
                facts[key] = _origin(body[key])
        facts["sdk_version"] = str(body.get("sdk_version"))[:20]
    return facts


def _origin(url: str) -> str:
    """Scheme, host and port alone: user names and paths stay outside."""
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        port = parts.port
    except ValueError:
        return "unreadable"
    host = (parts.hostname or "")[:100]
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _mode_of(answer: http.Answer) -> Any:
    body = answer.json()
    return body.get("mode") if isinstance(body, dict) else None


def _accepted(forged: http.Answer | Failure | None) -> bool:
    """Whether a request signed with the empty key was let in: only then does the long body come back."""
    if not isinstance(forged, http.Answer) or forged.status != 200:
        return False
    body = forged.json()
    return isinstance(body, dict) and body.get("authentication_succeeded") is True


def _is_due(previous: Mapping[str, Any]) -> bool:
    """Whether to try the empty key again: now and then, as each refusal is an error in the application's log; and at
    every check while it was let in."""
    last = previous.get("forged_ms")
    return (
        previous.get("accepts_empty_key") is True
        or not isinstance(last, int)
        or (abs(clock.now_ms() - last) > FORGE_EVERY_MS)
    )


def _best_before(previous: Mapping[str, Any]) -> int | None:
    found = previous.get("best_function_count")
    return found if isinstance(found, int) else None
