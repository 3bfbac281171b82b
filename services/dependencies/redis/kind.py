"""Redis: reached, written to, and in what condition."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from services.advice import Advice
from services.dependencies.conflict import Conflict, is_down, reported_healthy, works
from services.dependencies.kind import CheckWords, Fact, Kind, SliWords
from services.units import as_found, number, part, size

_NEEDS = "Give this environment its REDIS_URL, then press Probe now on Dependency health."

_INFO = (
    ("used_memory_bytes", "Memory used", "under 90 % of the limit"),
    ("max_memory_bytes", "Memory limit", "set (0 B = none)"),
    ("memory_policy", "When full", "noeviction for queues"),
    ("evicted_keys", "Evicted keys", "0"),
    ("connected_clients", "Connections", "under 90 % of the limit"),
    ("rejected_connections", "Connections refused", "0"),
    ("role", "Role", "master"),
    ("last_save", "Last snapshot", "ok"),
    ("version", "Version", "–"),
)


def _facts(_environment: Any, probe: str, facts: Mapping[str, Any]) -> Sequence[Fact]:
    if probe != "redis.info":
        return ()
    return [
        Fact(label=label, expected=expected,
             actual=size(found) if key.endswith("_bytes") and isinstance(found := facts.get(key), int)
             else as_found(facts.get(key)))
        for key, label, expected in _INFO
    ]  # fmt: skip


def _own_load(environment: Any) -> str:
    from services.dependencies.redis.budget import command_share  # needs the address's parser, which settings don't

    share = command_share(environment)
    if share is None:
        return ""
    text = f"Greenlight itself sends at most {number(share.per_month)} Redis commands a month"
    if share.budget is None or share.fraction is None:
        return f"{text}; no budget is set for this environment (redis.command_budget_per_month)."
    return f"{text}: {part(share.fraction)} of the plan's {number(share.budget)}."


REDIS = Kind(
    name="redis",
    title="Redis",
    gloss="Redis: the fast store that holds queues, limits and short-lived context.",
    folder=Path(__file__).parent,
    checks={
        "redis.ping": CheckWords(
            title="Redis (the fast store) answers", needs=_NEEDS, unit="ms", rule="dependencies", probe="redis.ping",
        ),
        "redis.write": CheckWords(
            title="Redis takes and gives back what is written", needs=_NEEDS, unit="ms", rule="dependencies",
            probe="redis.write",
        ),
    },
    slis={
        "redis_ping_latency": SliWords(
            title="Redis PING latency", short="PING", unit="ms", probe="redis.ping",
            threshold=lambda environment: environment.redis.ping_slow_ms,
        ),
        "redis_write_latency": SliWords(
            title="Redis write latency", short="write round trip", unit="ms", probe="redis.write",
            threshold=lambda environment: environment.redis.write_slow_ms,
        ),
    },
    titles={
        "redis": "Redis", "redis.ping": "Redis PING", "redis.write": "Redis write", "redis.info": "Redis condition",
    },
    states={
        "redis.memory_high": "nearly full", "redis.clients_high": "nearly full", "redis.evicting": "losing keys",
        "redis.save_failed": "not saved",
    },
    breaks={
        "redis.ping": "Redis did not answer",
        "redis.write": "Redis did not take or give back what was written",
    },
    strict=("redis.ping", "redis.write"),
    conflicts=(
        Conflict(
            name="ready_but_no_writes", probes=("readiness", "redis.write"),
            found=lambda states: (
                works(states, "readiness") and works(states, "redis.ping") and is_down(states, "redis.write")
            ),
            advice=Advice(
                what="The application says ready, but Redis refuses our write.",
                fix="Believe the failed write: the application's own check only asks whether Redis answers. Fix Redis.",
            ),
        ),
        Conflict(
            name="redis_healthy_but_silent", probes=("dependencies", "redis.ping"),
            found=lambda states: reported_healthy(states, "redis") is True and is_down(states, "redis.ping"),
            advice=Advice(
                what="The application reports Redis healthy, but our PING fails.",
                fix="Compare REDIS_URL here with the application's: they may be different servers, or networks.",
            ),
        ),
        Conflict(
            name="redis_answers_but_reported_ill", probes=("redis.ping", "dependencies"),
            found=lambda states: (
                works(states, "redis.ping") and works(states, "redis.write")
                and reported_healthy(states, "redis") is False
            ),
            advice=Advice(
                what="Redis answers and takes our write, but the application reports it unhealthy.",
                fix="Compare REDIS_URL here with the application's, and restart the application if they are equal.",
            ),
        ),
    ),
    minor=frozenset({"redis.info_denied"}),
    slow_ms=lambda environment: {
        "redis.ping": environment.redis.ping_slow_ms, "redis.write": environment.redis.write_slow_ms,
    },
    facts=_facts,
    inputs=lambda environment: (f"REDIS_URL of {environment.name} (rediss://…)",),
    own_load=_own_load,
)  # fmt: skip
