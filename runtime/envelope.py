"""Trace envelopes: what each tool or API call did. One JSON object a line, appended whole by any number of threads and
processes.

An exclusive lock on a neighbour file guards each append and each clean-up, so that a line is never torn and none
is lost while old ones are dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runtime.scrub import scrub, scrub_text

DEFAULT_RETENTION = timedelta(days=30)
DEFAULT_CAP_BYTES = 256 << 20
MAX_LINE_BYTES = 64 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """One call: which tool did what, how it ended, how long it took."""

    at: datetime
    tool: str
    action: str
    status: str
    duration_ms: float
    environment: str
    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    span_id: str = field(default_factory=lambda: secrets.token_hex(8))
    correlation_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None  # of Inngest, with the step: two envelopes of one step and input were paid for twice
    step: str | None = None
    input_sha256: str | None = None  # of `input_hash`
    parent_id: str | None = None  # the span within which it was made
    function: str | None = None
    version: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


def input_hash(value: object) -> str:
    """SHA-256 of a call's input as canonical JSON; of what JSON can't hold, of its text."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvelopeFile:
    """A file of envelopes. `known_secrets` are texts to strike out wherever they turn up."""

    path: Path
    known_secrets: tuple[str, ...] = field(default=(), repr=False)
    retention: timedelta = DEFAULT_RETENTION
    cap_bytes: int = DEFAULT_CAP_BYTES

    def append(self, envelope: Envelope) -> None:
        """Write one line, whole. Raises OSError where the disk refuses it: the caller's work matters more."""
        line = self._line(envelope)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.path):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                _mend_torn_end(self.path, descriptor)
                _write_all(descriptor, line)
            finally:
                os.close(descriptor)

    def clean_up(self, now: datetime) -> int:
        """Drop lines older than the retention, and the oldest beyond the size cap; returns how many.

        Lines that can't be read count as of the line before them.
        """
        if not self.path.exists():
            return 0
        with _locked(self.path):
            lines = self.path.read_bytes().splitlines(keepends=True)
            kept = _young(lines, now - self.retention)
            kept = _within(kept, self.cap_bytes)
            if len(kept) == len(lines):
                return 0
            draft = self.path.with_name(self.path.name + ".draft")
            with draft.open("wb") as stream:
                stream.writelines(kept)
                stream.flush()
                os.fsync(stream.fileno())
            draft.chmod(0o600)
            draft.replace(self.path)
            return len(lines) - len(kept)

    def _line(self, envelope: Envelope) -> bytes:
        known = self.known_secrets
        fields = (
            {
                "at": envelope.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "trace_id": scrub_text(envelope.trace_id, known),
                "span_id": scrub_text(envelope.span_id, known),
                "correlation_id": scrub(envelope.correlation_id, known=known),
                "tool": scrub_text(envelope.tool, known),
                "action": scrub_text(envelope.action, known),
                "status": scrub_text(envelope.status, known),
                "duration_ms": scrub(float(envelope.duration_ms)),
                "environment": scrub_text(envelope.environment, known),
                "attributes": scrub(envelope.attributes, known=known),
            }
            | {
                name: scrub_text(value, known)
                for name in ("run_id", "step", "input_sha256", "parent_id", "function", "version", "model")
                if (value := getattr(envelope, name)) is not None
            }
            | {
                name: scrub(value)
                for name in ("input_tokens", "output_tokens", "cost_usd")
                if (value := getattr(envelope, name)) is not None
            }
        )
        line = _dumps(fields)
        if len(line) > MAX_LINE_BYTES:
            line = _dumps(fields | {"attributes": {"dropped": "larger than 64 KiB"}})
        return line


def _dumps(fields: dict[str, Any]) -> bytes:
    return (json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n").encode()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _mend_torn_end(path: Path, descriptor: int) -> None:
    """A process killed in the middle of a write (or a full disk) leaves half a line: end it before the next."""
    if os.fstat(descriptor).st_size == 0:
        return
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read(1) != b"\n":
            _write_all(descriptor, b"\n")


def _young(lines: list[bytes], limit: datetime) -> list[bytes]:
    kept, keep = [], True
    for line in lines:
        moment = _time_of(line)
        if moment is not None:
            keep = moment >= limit
        if keep:
            kept.append(line)
    return kept


def _time_of(line: bytes) -> datetime | None:
    try:
        moment = datetime.fromisoformat(json.loads(line)["at"])
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, KeyError, TypeError):
        return None


def _within(lines: list[bytes], cap_bytes: int) -> list[bytes]:
    total, first = sum(map(len, lines)), 0
    while total > cap_bytes and first < len(lines):
        total -= len(lines[first])
        first += 1
    return lines[first:]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the exclusive lock of a file's neighbour `….lock`; released by the system when a process dies."""
    with path.with_name(path.name + ".lock").open("a+b") as stream:
        if sys.platform == "win32":
            import msvcrt

            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK, 1)
            try:
                yield
            finally:
                stream.seek(0)
                msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX)
            yield  # closing the file gives the lock back
