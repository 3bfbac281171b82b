"""What all Redis probes share: open a session under one deadline, run one check, turn trouble into a reading."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import hiredis
from pydantic import SecretStr

from services.dependencies.http_client import Watch, rounded
from services.dependencies.model import Check, Failure, Measure, Reading
from services.dependencies.redis import address as redis_address
from services.dependencies.redis import wire as redis_wire

Measuring = Callable[[redis_wire.Session], Awaitable[Reading]]


async def run(
    url: SecretStr | None,
    *,
    deadline_s: float,
    measure: Measuring,
    on_failure: tuple[tuple[Measure, ...], str],
    not_configured: str = "redis.not_configured",
    key: str = "",
) -> Reading:
    """Connect, measure, close. `on_failure` gives the measures and the check's name for a check that failed, `key` the
    beginning of the keys that it asks for."""
    measures, check = on_failure
    if url is None:
        return Reading(code=not_configured, checks=(Check(name=check, outcome="unknown"),))
    address = redis_address.read(url.get_secret_value())
    if isinstance(address, redis_address.Trouble):
        reading = _reading(Failure(code="bad_url", detail=address.what), measures, check, 0)
        return replace(reading, words={"what": address.what, "how": address.how})
    session: redis_wire.Session | None = None
    watch = Watch()
    try:
        async with asyncio.timeout(deadline_s):
            session = await redis_wire.connect(address, watch)
            return await measure(session)
    except TimeoutError:
        failure = watch.late(deadline_s)
        if failure.code == "tls_failed":  # a server without TLS waits for a command
            failure = replace(failure, code="tls_not_expected")
    except redis_wire.RedisTrouble as trouble:
        failure = trouble.failure
    finally:
        if session is not None:
            session.close()
    reading = _reading(failure, measures, check, session.commands if session else 0)
    return replace(reading, words=dict(reading.words) | {"key": key}) if key else reading


def _reading(failure: Failure, measures: tuple[Measure, ...], check: str, commands: int) -> Reading:
    return Reading(
        code=f"redis.{failure.code}",
        detail={
            "error": failure.detail,
            "phase": failure.phase,
            "timings_ms": rounded(failure.timings),
            "commands": commands,
        },
        words={"error": failure.detail, "command": failure.phase.upper() or "that it needs"},
        measures=measures,
        checks=(Check(name=check, outcome="fail", value=failure.code),),
    )


def raise_if_error(reply: object, session: redis_wire.Session) -> None:
    """Turn an error reply into RedisTrouble."""
    if isinstance(reply, hiredis.ReplyError):
        raise redis_wire.RedisTrouble(session.watch.failed(redis_wire.error_code(reply), str(reply)[:120]))


def session_detail(session: redis_wire.Session) -> dict[str, object]:
    """Timings and certificate of a session, for engineers."""
    detail: dict[str, object] = {"timings_ms": rounded(session.watch.finish()), "commands": session.commands}
    if session.certificate_expires is not None and session.certificate_days is not None:
        detail["certificate"] = {
            "expires": session.certificate_expires,
            "days_left": round(session.certificate_days, 1),
        }
    return detail
