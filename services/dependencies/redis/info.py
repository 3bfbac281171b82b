"""The condition of Redis: memory, evictions, connections, snapshots, role. From INFO, where it is reported.

A hosted Redis may leave fields out: they are None, *not reported*, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from services.dependencies.model import Check, Reading
from services.dependencies.redis import session as redis_session
from services.dependencies.redis.wire import RedisTrouble, Session

if TYPE_CHECKING:
    from services.settings.model import Environment

CHECK = "redis.condition"

# Shown name → INFO field. Source: redis.io/commands/info.
NUMBERS: Mapping[str, str] = {
    "used_memory_bytes": "used_memory",
    "max_memory_bytes": "maxmemory",
    "evicted_keys": "evicted_keys",
    "connected_clients": "connected_clients",
    "max_clients": "maxclients",
    "rejected_connections": "rejected_connections",
    "uptime_s": "uptime_in_seconds",
}
TEXTS: Mapping[str, str] = {
    "version": "redis_version",
    "role": "role",
    "memory_policy": "maxmemory_policy",
    "last_save": "rdb_last_bgsave_status",
    "append_only": "aof_enabled",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisInfoProbe:
    """One INFO; denied INFO is unknown, not down: the server works, it only doesn't tell."""

    url: SecretStr | None
    memory_warn: float
    clients_warn: float
    interval_s: float
    deadline_s: float
    name: str = "redis.info"

    @classmethod
    def from_settings(cls, environment: Environment) -> RedisInfoProbe:
        """The probe that an environment's settings ask for."""
        return cls(
            url=environment.secrets.redis_url,
            memory_warn=environment.redis.memory_warn_fraction,
            clients_warn=environment.redis.clients_warn_fraction,
            interval_s=environment.intervals.redis_info,
            deadline_s=environment.redis.deadline_s,
        )

    async def run(self, previous: Mapping[str, Any]) -> Reading:
        """One INFO."""

        async def info(session: Session) -> Reading:
            reply = await session.call("info", "INFO")
            detail = redis_session.session_detail(session)
            try:
                redis_session.raise_if_error(reply, session)
            except RedisTrouble as trouble:
                if trouble.failure.code not in {"no_permission", "no_key_permission", "error"}:
                    raise
                return Reading(code="redis.info_denied", detail=detail, checks=(Check(name=CHECK, outcome="unknown"),))
            if not isinstance(reply, bytes):
                raise RedisTrouble(session.watch.failed("not_redis", "INFO was not answered by text"))
            facts = read_info(reply.decode("utf-8", "replace"))
            code, words = judge(facts, previous.get("facts") or {}, self.memory_warn, self.clients_warn)
            return Reading(
                code=code,
                latency_ms=session.watch.timings["info"],
                detail=detail | {"facts": facts},
                words=words,
                checks=(Check(name=CHECK, outcome="pass" if code == "redis.info_ok" else "fail", value=code),),
            )

        return await redis_session.run(self.url, deadline_s=self.deadline_s, measure=info, on_failure=((), CHECK))


def read_info(text: str) -> dict[str, int | str | None]:
    """The fields of interest; None for each that is not reported (or not a number where one is due)."""
    pairs = dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))
    facts: dict[str, int | str | None] = {
        shown: int(pairs[name]) if pairs.get(name, "").strip().isdigit() else None for shown, name in NUMBERS.items()
    }
    return facts | {shown: pairs[name].strip()[:60] if name in pairs else None for shown, name in TEXTS.items()}


def judge(
    facts: Mapping[str, Any], before: Mapping[str, Any], memory_warn: float, clients_warn: float
) -> tuple[str, dict[str, Any]]:
    """The gravest shortage that the fields show, with its number."""
    used, limit = facts["used_memory_bytes"], facts["max_memory_bytes"]
    if used is not None and limit and used / limit > memory_warn:
        return "redis.memory_high", {"percent": round(100 * used / limit)}
    evicted, earlier = facts["evicted_keys"], before.get("evicted_keys")
    if evicted is not None and isinstance(earlier, int) and evicted > earlier:
        return "redis.evicting", {"count": evicted - earlier}
    clients, most = facts["connected_clients"], facts["max_clients"]
    if clients is not None and most and clients / most > clients_warn:
        return "redis.clients_high", {"percent": round(100 * clients / most)}
    if facts["last_save"] not in {None, "ok"}:
        return "redis.save_failed", {}
    return "redis.info_ok", {}
