"""Queues in Redis: how old waiting work is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from services.dependencies.kind import CheckWords, Fact, Kind, SliWords
from services.units import as_found, seconds


def _facts(_environment: Any, _probe: str, facts: Mapping[str, Any]) -> Sequence[Fact]:
    return (
        Fact(label="Waiting items", expected="any", actual=as_found(facts.get("depth"))),
        Fact(label="Oldest item", expected="–", actual=seconds(facts.get("oldest_s"))),
        Fact(label="95th percentile age", expected="the limit", actual=seconds(facts.get("p95_s"))),
        Fact(
            label="Items read", expected="–", actual=f"{facts.get('sampled')}; the percentile is {facts.get('p95_is')}"
        ),
    )


QUEUE = Kind(
    name="queue",
    title="Queue",
    gloss="Queue: work that waits to be done.",
    folder=Path(__file__).parent,
    checks={
        "queue:": CheckWords(
            title="Work waiting in {} is picked up in time", unit="s",
            needs="Give this environment its REDIS_URL, so that its queues can be read.", rule="queues",
        ),
    },
    slis={
        "queue_aging_p95": SliWords(title="Age of waiting work", short="age of waiting work (p95)", unit="s"),
    },
    states={"queue.late": "late"},
    facts=_facts,
)  # fmt: skip
