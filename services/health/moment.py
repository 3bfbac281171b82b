"""What was seen of an environment in a stretch of time: the states its checks went through, and the evidence."""

from __future__ import annotations

from dataclasses import dataclass

from services.evidence import chain
from services.evidence.model import Evidence
from services.store import Store, spans
from services.store.spans import ENVIRONMENT, Span

MOST = 500  # rows of each list
_WORST = {"down": 0, "not_ready": 0, "slow": 1, "degraded": 1, "unknown": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """`[from_ms, until_ms)` of an environment: states that reach into it, worst first; evidence, newest first.

    `spans_cut` and `evidence_cut`: there is more than is listed.
    """

    environment: str
    from_ms: int
    until_ms: int
    spans: tuple[Span, ...]
    evidence: tuple[tuple[int, str, Evidence], ...]  # number, hash, record
    spans_cut: bool
    evidence_cut: bool


def read(store: Store, environment: str, from_ms: int, until_ms: int) -> Moment:
    """What the store keeps of that time; older than its retention, nothing. Raises StoreError."""
    with store.read() as connection:
        states = spans.load(connection, environment, since_ms=from_ms, before_ms=until_ms, limit=MOST + 1)
        proofs = chain.history(connection, environment, since_ms=from_ms, before_ms=until_ms, limit=MOST + 1)
    checks = [span for span in states[:MOST] if span.probe != ENVIRONMENT]
    return Moment(
        environment=environment,
        from_ms=from_ms,
        until_ms=until_ms,
        spans=tuple(sorted(checks, key=lambda span: (_WORST.get(span.state, 3), span.from_ms))),
        evidence=proofs[:MOST],
        spans_cut=len(states) > MOST,
        evidence_cut=len(proofs) > MOST,
    )
