"""Redis: reached, written to, and in what condition."""

from pathlib import Path

from services.dependencies.kind import CheckWords, Kind, SliWords

_NEEDS = "Give this environment its REDIS_URL, then press Probe now on Dependency health."

REDIS = Kind(
    name="redis",
    title="Redis",
    gloss="Redis: the fast store that holds queues, limits and short-lived context.",
    folder=Path(__file__).parent,
    checks={
        "redis.ping": CheckWords(title="Redis (the fast store) answers", needs=_NEEDS, unit="ms"),
        "redis.write": CheckWords(title="Redis takes and gives back what is written", needs=_NEEDS, unit="ms"),
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
)  # fmt: skip
