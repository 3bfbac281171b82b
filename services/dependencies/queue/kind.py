"""Queues in Redis: how old waiting work is."""

from pathlib import Path

from services.dependencies.kind import CheckWords, Kind, SliWords

QUEUE = Kind(
    name="queue",
    title="Queue",
    gloss="Queue: work that waits to be done.",
    folder=Path(__file__).parent,
    checks={
        "queue:": CheckWords(
            title="Work waiting in {} is picked up in time", unit="s",
            needs="Give this environment its REDIS_URL, so that its queues can be read.",
        ),
    },
    slis={
        "queue_aging_p95": SliWords(title="Age of waiting work", short="age of waiting work (p95)", unit="s"),
    },
    states={"queue.late": "late"},
)  # fmt: skip
