"""Tries the values. The probes, pointed at what a configuration itself says."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SecretStr

from services.advice import Advice
from services.dependencies.app.report import PATH, DependenciesProbe
from services.dependencies.http_client import Watch
from services.dependencies.inngest.route import InngestProbe
from services.dependencies.messages import advice, message
from services.dependencies.model import Probe, Reading
from services.dependencies.redis import address as redis_address
from services.dependencies.redis import wire as redis_wire
from services.dependencies.redis.write import RedisWriteProbe
from services.env_files.document import Document
from services.envs import kinds
from services.envs.findings import Mode
from services.envs.rules import Finding, finding
from services.settings.model import Environment, Inngest, Redis, Report

State = Literal["ok", "failed", "unknown"]
# These say more about the place from which we look than about the value.
OUR_SIDE = ("name_not_found", "unreachable", "late", "fault", "not_configured", "no_token", "signed_only")
NONCE_LIFETIME_S = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """One connection that was asked for: what it showed."""

    name: str
    state: State
    advice: Advice
    latency_ms: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """All connections asked for, and the findings that follow."""

    connections: tuple[Connection, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def could_not_run(self) -> bool:
        """Whether a check that was asked for couldn't be made."""
        return any(connection.state == "unknown" for connection in self.connections)


async def check(
    document: Document,
    mode: Mode,
    environment: Environment | None,
    *,
    connections: bool,
    route: bool,
    others: Mapping[str, Document],
) -> Live:
    """Make the checks that were asked for, side by side. `environment` gives deadlines and expectations."""
    redis = environment.redis if environment is not None else Redis()
    expected = environment.inngest if environment is not None else Inngest(mode=_mode(mode))
    work = []
    if connections:
        work += [_redis(document, redis), _dashboard(document, environment)]
    if route:
        work.append(_route(document, expected))
    parts = list(await asyncio.gather(*work))
    if connections:
        shared = await shared_redis(document, others)
        found = tuple(finding("same_redis_server", "REDIS_URL", others=name) for name in shared)
        parts.append(Live(findings=found))
    return Live(
        connections=tuple(c for part in parts for c in part.connections),
        findings=tuple(f for part in parts for f in part.findings),
    )


def _mode(mode: Mode) -> Literal["cloud", "dev"]:
    return "dev" if mode.inngest_mode == "dev" else "cloud"


async def _redis(document: Document, settings: Redis) -> Live:
    url = document.filled("REDIS_URL")
    probe = RedisWriteProbe(
        url=SecretStr(url) if url else None, prefix=settings.key_prefix, slow_ms=settings.write_slow_ms,
        interval_s=60, deadline_s=settings.deadline_s,
    )  # fmt: skip
    return await _asked("redis", probe, "redis_check_failed", "REDIS_URL")


async def _route(document: Document, expected: Inngest) -> Live:
    url, key = document.filled("INNGEST_WEBHOOK_URL"), document.filled("INNGEST_SIGNING_KEY")
    if kinds.origin(url) is None:
        return _impossible(
            "inngest_route", "INNGEST_WEBHOOK_URL is no address that can be asked", "INNGEST_WEBHOOK_URL"
        )
    if not key and expected.mode == "cloud":
        return _impossible("inngest_route", "INNGEST_SIGNING_KEY is missing", "INNGEST_SIGNING_KEY")
    probe = InngestProbe(
        url=url, expected=expected, signing_key=SecretStr(key) if key else None, interval_s=60,
        deadline_s=expected.deadline_s,
    )  # fmt: skip
    reading = await probe.run({})
    live = _judged("inngest_route", reading, "route_check_failed", "INNGEST_WEBHOOK_URL")
    facts = reading.detail.get("facts") or {}
    app_id = facts.get("app_id")
    if app_id and document.filled("INNGEST_APP_ID") not in {"", app_id}:
        return Live(
            connections=live.connections, findings=(*live.findings, finding("route_other_app", "INNGEST_WEBHOOK_URL"))
        )
    return live


async def _dashboard(document: Document, environment: Environment | None) -> Live:
    token = document.filled("DASHBOARD_AUTH_TOKEN")
    base = environment.base_url if environment is not None else _base(document)
    if base is None:
        return _impossible(
            "dependencies", "neither base_url nor INNGEST_WEBHOOK_URL says where the application is", None
        )
    limits = environment.report if environment is not None else Report()
    probe = DependenciesProbe(
        url=base + PATH, token=SecretStr(token) if token else None, slow_ms=limits.slow_ms, interval_s=60,
        deadline_s=limits.deadline_s,
    )  # fmt: skip
    reading = await probe.run({})
    live = _judged("dependencies", reading, "token_check_failed", "DASHBOARD_AUTH_TOKEN")
    reported = reading.detail.get("reported")
    return Live(
        connections=live.connections,
        findings=(*live.findings, *against_reality(document, reported if isinstance(reported, dict) else {})),
    )


def _base(document: Document) -> str | None:
    for key in ("INNGEST_SERVE_ORIGIN", "INNGEST_WEBHOOK_URL"):
        found = kinds.origin(document.filled(key))
        if found is not None:
            scheme, host, port = found
            return f"{scheme}://{f'[{host}]' if ':' in host else host}" + (f":{port}" if port else "")
    return None


def against_reality(document: Document, reported: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What the file intends beside what the running application reports of its REQUIRED flags."""
    found = []
    for name, key in (("redis", "REDIS_REQUIRED"), ("inngest", "INNGEST_REQUIRED")):
        entry, text = reported.get(name), document.filled(key)
        running = entry.get("required") if isinstance(entry, dict) else None
        if not isinstance(running, bool) or not (kinds.is_true(text) or kinds.is_false(text)):
            continue
        saved = kinds.is_true(text)
        if saved != running:
            rule = "saved_not_deployed" if saved else "deployed_not_saved"
            words = {True: "true", False: "false"}
            found.append(finding(rule, key, saved=words[saved], running=words[running]))
    return tuple(found)


async def _asked(name: str, probe: Probe, rule: str, key: str) -> Live:
    return _judged(name, await probe.run({}), rule, key)


def _judged(name: str, reading: Reading, rule: str, key: str) -> Live:
    code = reading.code
    said = advice(code, reading.words)
    outcome = message(code).outcome
    # A report of something unhealthy came through: the connection itself works.
    works = outcome in {"ok", "slow"} or code in {"dependencies.unhealthy", "dependencies.ready_contradicts"}
    if works:
        state: State = "ok"
        found: tuple[Finding, ...] = ()
    elif code.endswith(OUR_SIDE):
        state, found = (
            "unknown",
            (finding("check_could_not_run", key, check=_TITLES[name], what=said.what, then=said.fix),),
        )
    else:
        state, found = "failed", (finding(rule, key, what=said.what, then=said.fix),)
    made = Connection(name=name, state=state, advice=said, latency_ms=reading.latency_ms)
    return Live(connections=(made,), findings=found)


_TITLES = {"redis": "Redis", "inngest_route": "The Inngest route", "dependencies": "The dependency report"}


def _impossible(name: str, why: str, key: str | None) -> Live:
    then = "Fill it in, then check again."
    made = Connection(name=name, state="unknown", advice=Advice(what=f"It could not be checked: {why}.", fix=then))
    found = finding("check_could_not_run", key, check=_TITLES[name], what=f"{why}.", then=then)
    return Live(connections=(made,), findings=(found,))


async def shared_redis(document: Document, others: Mapping[str, Document], deadline_s: float = 5.0) -> tuple[str, ...]:
    """The environments whose Redis holds what was just written through this one's address, though theirs differs."""
    url = document.filled("REDIS_URL")
    candidates = {
        name: other.filled("REDIS_URL") for name, other in others.items() if other.filled("REDIS_URL") not in {"", url}
    }
    if not url or not candidates:
        return ()
    nonce = secrets.token_hex(16)
    key = f"greenlight:probe:same:{nonce}"
    if await _call(url, deadline_s, "SETEX", key, NONCE_LIFETIME_S, nonce) is None:
        return ()
    try:
        answers = await asyncio.gather(*(_call(other, deadline_s, "GET", key) for other in candidates.values()))
    finally:
        await _call(url, deadline_s, "DEL", key)
    return tuple(name for name, answer in zip(candidates, answers, strict=True) if answer == nonce.encode())


async def _call(url: str, deadline_s: float, *command: str | int) -> object:
    """One command on a connection of its own; None where it didn't come through (the Redis check says why)."""
    address = redis_address.read(url)
    if isinstance(address, redis_address.Trouble):
        return None
    session = None
    try:
        async with asyncio.timeout(deadline_s):
            session = await redis_wire.connect(address, Watch())
            answer = await session.call(str(command[0]).lower(), *command)
    except (TimeoutError, redis_wire.RedisTrouble):
        return None
    finally:
        if session is not None:
            session.close()
    return None if isinstance(answer, Exception) else answer
