"""What is evidence, and how is it chained? Pure: records in, hashes out.

Each record's hash is SHA-256 over the previous record's hash and the record's canonical JSON (sorted keys, no
white space), so that a changed, dropped or reordered record breaks every hash after it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["pass", "fail", "unknown"]
GENESIS = "0" * 64
REWRITE_AFTER_MS = 3_600_000  # an unchanged outcome is written again at least hourly
SKEW_MS = 300_000  # by so much may the clocks of two machines that write differ


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One check's outcome, and under what it was taken. `value` and `threshold` are in the check's own unit."""

    environment: str
    check: str
    outcome: Outcome
    at_ms: int
    value: str | float | bool | None = None
    threshold: str | float | bool | None = None
    code: str = ""
    version: str | None = None  # deployed version, as the running app reported it
    fingerprint: str | None = None  # keyed fingerprint of the environment's variables
    golden_sha256: str | None = None
    judge_sha256: str | None = None
    simulated: bool = False
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainBreak:
    """Where a chain stops being trustworthy, and why."""

    seq: int
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A stored record as the chain check needs it."""

    seq: int
    body: str
    previous_hash: str
    hash: str


def canonical(record: Evidence) -> str:
    """The JSON text that the hash covers: keys sorted, no white space, no NaN."""
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__} | {"detail": dict(record.detail)}
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parse(body: str) -> Evidence:
    """The record that `canonical` wrote."""
    return Evidence(**json.loads(body))


def chain_hash(previous: str, body: str) -> str:
    """Hash of a record that follows the record with hash `previous`."""
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()


def due_again(at_ms: int, last_ms: int) -> bool:
    """Whether an unchanged outcome is to be written again; at once where the last one is dated later, as after a clock
    that was set back: it doesn't count."""
    return not -SKEW_MS <= at_ms - last_ms < REWRITE_AFTER_MS


def worth_writing(record: Evidence, last: Evidence | None) -> bool:
    """Write when the outcome, its cause or what it was taken under changed, and at least hourly."""
    if last is None:
        return True
    changed = (record.outcome, record.code, record.version, record.fingerprint) != (
        last.outcome,
        last.code,
        last.version,
        last.fingerprint,
    )
    return changed or due_again(record.at_ms, last.at_ms)


def find_break(links: Iterable[Link]) -> ChainBreak | None:
    """The first record that doesn't follow from the one before it; None for a whole chain."""
    previous, expected_seq = GENESIS, 1
    for link in links:
        if link.previous_hash != previous:
            return ChainBreak(seq=link.seq, why="it does not follow the record before it: one was dropped or moved")
        if link.hash != chain_hash(previous, link.body):
            return ChainBreak(seq=link.seq, why="its content was changed after it was written")
        if link.seq < expected_seq:
            return ChainBreak(seq=link.seq, why="its number was changed")
        previous, expected_seq = link.hash, link.seq + 1
    return None
