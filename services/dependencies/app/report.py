"""What the application itself reports of its dependencies. `GET /api/runtime/dependencies`, with its token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from services.dependencies import http_client as http
from services.dependencies.app.readiness import failed
from services.dependencies.fronts import front_of, front_words
from services.dependencies.http_client import exchange_detail
from services.dependencies.model import Check, Failure, Reading
from services.dependencies.tables import STRICT
from services.evidence.model import Outcome

if TYPE_CHECKING:
    from services.settings.model import Environment

PATH = "/api/runtime/dependencies"
CHECK = "dependencies.ready"
MAX_DEPENDENCIES = 30  # that are kept; all are judged
NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Reported:
    """One dependency as the application reports it; None where it doesn't say."""

    name: str
    required: bool | None
    healthy: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DependenciesProbe:
    """The application's own report. The token travels in a header, never in the address."""

    url: str
    token: SecretStr | None
    slow_ms: float
    interval_s: float
    deadline_s: float
    strict: tuple[str, ...] = STRICT
    name: str = "dependencies"

    @classmethod
    def from_settings(cls, environment: Environment) -> DependenciesProbe:
        """The probe that an environment's settings ask for."""
        return cls(
            url=environment.base_url + PATH,
            token=environment.secrets.dashboard_token,
            slow_ms=environment.report.slow_ms,
            interval_s=environment.intervals.dependencies,
            deadline_s=environment.report.deadline_s,
            strict=environment.strict,
        )

    async def run(self, previous: Mapping[str, Any]) -> Reading:  # noqa: ARG002 - needs no memory
        """One request; without a token too, because some applications serve the report openly."""
        headers = {"Authorization": f"Bearer {self.token.get_secret_value()}"} if self.token else {}
        answer = await http.get(self.url, deadline_s=self.deadline_s, headers=headers)
        return judge(answer, slow_ms=self.slow_ms, token_known=self.token is not None, strict=self.strict)


def judge(
    answer: http.Answer | Failure, *, slow_ms: float, token_known: bool, strict: tuple[str, ...] = STRICT
) -> Reading:
    """Read the report against the contract: ready = every required dependency is healthy."""
    if isinstance(answer, Failure):
        return failed("dependencies", answer, (), CHECK)
    body = answer.json()
    # A report may come with 200 or, from applications that are not ready, with 503.
    if answer.status not in {200, 503} or not _is_report(body):
        front = front_of(answer)
        code = f"dependencies.{front.code}" if front else _refusal(answer.status, token_known=token_known)
        outcome: Outcome = "unknown" if code == "dependencies.no_token" else "fail"
        return Reading(
            code=code,
            latency_ms=answer.timings["total"],
            detail=exchange_detail(answer),
            words={"status": answer.status} | front_words(front),
            checks=(Check(name=CHECK, outcome=outcome, value=answer.status),),
        )
    return _judge_report(answer, body, slow_ms=slow_ms, strict=strict)


def _judge_report(answer: http.Answer, body: dict[str, Any], *, slow_ms: float, strict: tuple[str, ...]) -> Reading:
    reported = read_report(body)
    total = answer.timings["total"]
    failing_required = [item.name for item in reported if item.required and item.healthy is False]
    failing = [item.name for item in reported if item.healthy is False]
    unclear = [item.name for item in reported if item.healthy is None or (not item.healthy and item.required is None)]
    ready = body.get("ready")
    if (ready is True and (failing_required or answer.status != 200)) or (
        ready is False and not (failing_required or unclear)
    ):
        code = "dependencies.ready_contradicts"
    elif failing_required or ready is False:
        code = "dependencies.unhealthy"
    elif unclear or ready is not True:
        code = "dependencies.unclear"
    elif failing:
        code = "dependencies.degraded"
    else:
        code = "dependencies.slow" if total > slow_ms else "dependencies.ok"
    good = code in {"dependencies.ok", "dependencies.slow", "dependencies.degraded"}
    outcome: Outcome = "unknown" if code == "dependencies.unclear" else "pass" if good else "fail"
    flags = tuple(
        Check(
            name=f"{item.name}.required",
            outcome="unknown" if item.required is None else "pass" if item.required else "fail",
            value=item.required,
            threshold=True,
        )
        for item in reported
        if item.name in strict
    )
    return Reading(
        code=code,
        latency_ms=total,
        detail=exchange_detail(answer)
        | {
            "ready": ready if isinstance(ready, bool) else None,
            "reported": {i.name: {"required": i.required, "healthy": i.healthy} for i in _shown(reported)},
        },
        words={
            "names": ", ".join((failing_required or unclear or failing)[:NAMED]) or "a dependency",
            "what": ", ".join(unclear[:NAMED]) or "ready",
            "latency": round(total),
            "limit": round(slow_ms),
        },
        checks=(Check(name=CHECK, outcome=outcome, value=good, threshold=True), *flags),
    )


def _shown(reported: tuple[Reported, ...]) -> list[Reported]:
    """As many as are kept, those first that are not well."""
    return sorted(reported, key=lambda item: item.healthy is True)[:MAX_DEPENDENCIES]


def _is_report(body: Any) -> bool:
    return isinstance(body, dict) and bool(read_report(body))


def read_report(body: dict[str, Any]) -> tuple[Reported, ...]:
    """The dependencies in a report, whether listed under `dependencies` or at its top.

    What stands under `dependencies` is one, whatever it says; at the top, only what says a word of the contract.
    """
    listed = body.get("dependencies")
    nested = isinstance(listed, dict)
    found = []
    for name, entry in (listed if isinstance(listed, dict) else body).items():
        said = entry if isinstance(entry, dict) else {}
        if nested or "healthy" in said or "required" in said:
            found.append(
                Reported(
                    name=str(name)[:40],
                    required=said["required"] if isinstance(said.get("required"), bool) else None,
                    healthy=said["healthy"] if isinstance(said.get("healthy"), bool) else None,
                )
            )
    return tuple(found)


def _refusal(status: int, *, token_known: bool) -> str:
    if status in {401, 403}:
        return "dependencies.token_refused" if token_known else "dependencies.no_token"
    if status == 404:
        return "dependencies.not_mounted"
    return "dependencies.bad_body" if status in {200, 503} else "dependencies.bad_status"
