"""Checks that the application says that it is ready. `GET /api/health/ready`, open to all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services import deployed
from services.dependencies import http_client as http
from services.dependencies.fronts import front_of, front_words
from services.dependencies.http_client import exchange_detail, rounded
from services.dependencies.model import Check, Failure, Measure, Reading

if TYPE_CHECKING:
    from services.settings.model import Environment

PATH = "/api/health/ready"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadinessProbe:
    """The readiness route, with every phase of the exchange timed."""

    url: str
    slow_ms: float
    interval_s: float
    deadline_s: float
    name: str = "readiness"

    @classmethod
    def from_settings(cls, environment: Environment) -> ReadinessProbe:
        """The probe that an environment's settings ask for."""
        return cls(
            url=environment.base_url + PATH,
            slow_ms=environment.readiness.slow_ms,
            interval_s=environment.intervals.readiness,
            deadline_s=environment.readiness.deadline_s,
        )

    async def run(self, previous: Mapping[str, Any]) -> Reading:  # noqa: ARG002 - needs no memory
        """One request."""
        return judge(await http.get(self.url, deadline_s=self.deadline_s), slow_ms=self.slow_ms)


def judge(answer: http.Answer | Failure, *, slow_ms: float) -> Reading:
    """Read an answer against the contract: 200 whose JSON says `"ready": true` is ready, and nothing else is."""
    if isinstance(answer, Failure):
        return failed("readiness", answer, _measures(None, good=False), "readiness.ready")
    total = answer.timings["total"]
    body = answer.json()
    front = None if _says_ready(body) is not None else front_of(answer)
    code = f"readiness.{front.code}" if front else _code(answer.status, body, slow=total > slow_ms)
    good = code in {"readiness.ok", "readiness.slow"}
    version = deployed.name(body.get("version")) if isinstance(body, dict) else None
    return Reading(
        code=code,
        latency_ms=total,
        detail=exchange_detail(answer) | {"body": shown_body(body), "version": version},
        words={"status": answer.status, "latency": round(total), "limit": round(slow_ms)} | front_words(front),
        measures=_measures(total, good=good),
        checks=(Check(name="readiness.ready", outcome="pass" if good else "fail", value=answer.status, threshold=200),),
        version=version,
    )


def _says_ready(body: Any) -> bool | None:
    """What the contract's field says; None where it isn't there as true or false."""
    found = body.get("ready") if isinstance(body, dict) else None
    return found if isinstance(found, bool) else None


def _code(status: int, body: Any, *, slow: bool) -> str:
    ready = _says_ready(body)
    if status == 503:
        return {False: "readiness.not_ready", True: "readiness.contradicts_503", None: "readiness.bad_503"}[ready]
    if status == 404:
        return "readiness.not_mounted"
    if status != 200:
        return "readiness.bad_status"
    if not isinstance(body, dict):
        return "readiness.bad_body"
    if ready is None:
        return "readiness.not_said"
    if ready is False:
        return "readiness.contradicts_itself"
    return "readiness.slow" if slow else "readiness.ok"


def _measures(total_ms: float | None, *, good: bool) -> tuple[Measure, ...]:
    return (Measure(sli="readiness_uptime", value=total_ms, good=good),)


def failed(dependency: str, failure: Failure, measures: tuple[Measure, ...], check: str) -> Reading:
    """The reading of an exchange that gave no answer to judge."""
    return Reading(
        code=f"{dependency}.{failure.code}",
        detail={"error": failure.detail, "phase": failure.phase, "timings_ms": rounded(failure.timings)},
        measures=measures,
        checks=(Check(name=check, outcome="fail", value=failure.code),),
    )


def shown_body(body: Any) -> Any:
    """A JSON object's plain values, bounded in number and length: raw evidence, not a copy of whatever came."""
    if not isinstance(body, dict):
        return None
    plain = {str(k)[:60]: v for k, v in list(body.items())[:20] if isinstance(v, (str, int, float, bool))}
    return {k: v[:120] if isinstance(v, str) else v for k, v in plain.items()}
