"""Evidence, and how it is chained. Pure: records in, hashes out.

Each record's hash is SHA-256 over the previous record's hash and the record's canonical JSON (sorted keys, no
white space), so that a changed, dropped or reordered record breaks every hash after it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from services.clock import HOUR_MS, SKEW_MS

Outcome = Literal["pass", "fail", "unknown"]
GENESIS = "0" * 64
REWRITE_AFTER_MS = HOUR_MS  # an unchanged outcome is written again at least hourly


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
    """A stored record as the chain check needs it; `columns` is what it is selected by beside its content."""

    seq: int
    body: str
    previous_hash: str
    hash: str
    columns: tuple[str, str, str, int] | None = None  # environment, check, outcome, at_ms


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
    """Write when the outcome changed, or the cause of one that isn't good, or what it was taken under; else hourly.

    One good state that follows another says nothing new: a queue that is now empty, now not, would write for ever.
    """
    if last is None:
        return True
    changed = (record.outcome, record.version, record.fingerprint) != (last.outcome, last.version, last.fingerprint)
    other_cause = record.outcome != "pass" and record.code != last.code
    return changed or other_cause or due_again(record.at_ms, last.at_ms)


REDACTED = "evidence.redacted"  # the check of a record that says which earlier one had a text taken out


@dataclass(frozen=True, kw_only=True, slots=True)
class Redaction:
    """What a redaction record says of an earlier one: its place, its unchanged hash, the hash of its content now."""

    seq: int
    hash: str
    body_sha256: str


def redactions_of(record: Evidence) -> tuple[Redaction, ...]:
    """The redactions that a record states; () for any other record."""
    if record.check != REDACTED:
        return ()
    return tuple(Redaction(**item) for item in record.detail.get("records", ()))


COMPACTED = "evidence.compacted"  # the check of a record that says which earlier ones were taken out for their number


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Successive records that a compaction record says were taken out: `before` is the hash of the record that the
    first one followed, `after` the last one's own hash, which commits to the content of them all."""

    first: int  # numbers of the first and the last record
    last: int
    count: int
    before: str
    after: str


def gaps_of(record: Evidence) -> tuple[Gap, ...]:
    """The gaps that a record states; () for any other record."""
    if record.check != COMPACTED:
        return ()
    return tuple(Gap(**item) for item in record.detail.get("gaps", ()))


def body_sha256(body: str) -> str:
    """The hash by which a redaction names a redacted content."""
    return hashlib.sha256(body.encode()).hexdigest()


def agrees(columns: tuple[str, str, str, int], record: Evidence) -> bool:
    """Whether what a record is selected by says the same as its content, which alone the hash covers."""
    return columns == (record.environment, record.check, record.outcome, record.at_ms)


def find_break(
    links: Iterable[Link], redactions: Iterable[Redaction] = (), gaps: Iterable[Gap] = ()
) -> ChainBreak | None:
    """The first record that doesn't follow from the one before it; None for a whole chain.

    A redacted record keeps its hash; its content must be what a redaction in the chain says that it is now. Records may
    be missing only where a compaction in the chain says between which two hashes.
    """
    known = {item.seq: item for item in redactions}
    taken_out = {item.before: item.after for item in gaps}
    previous, expected_seq = GENESIS, 1
    for link in links:
        while previous != link.previous_hash and previous in taken_out:
            previous = taken_out.pop(previous)
        if link.previous_hash != previous:
            return ChainBreak(seq=link.seq, why="it does not follow the record before it: one was dropped or moved")
        redacted = known.get(link.seq)
        stated = redacted is not None and (redacted.hash, redacted.body_sha256) == (link.hash, body_sha256(link.body))
        if link.hash != chain_hash(previous, link.body) and not stated:
            return ChainBreak(seq=link.seq, why="its content was changed after it was written")
        if link.columns is not None and not agrees(link.columns, parse(link.body)):
            return ChainBreak(seq=link.seq, why="what it is found by was changed after it was written")
        if link.seq < expected_seq:
            return ChainBreak(seq=link.seq, why="its number was changed")
        previous, expected_seq = link.hash, link.seq + 1
    return None
