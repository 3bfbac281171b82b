"""Evidence that only repeats the record before it, taken out so that the chain still proves the rest.

Older versions wrote a record each time that one good state followed another. A compaction record, itself in the chain,
states for each gap the hash before it, and the hash of the last record in it, which commits to the content of them all;
the records themselves go into an archive file that proves them. Decision record 0021.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from services.errors import StoreCorrupt
from services.evidence import chain
from services.evidence.freshness import is_measured_all_the_time
from services.evidence.model import COMPACTED, Evidence, Gap, chain_hash, parse, worth_writing
from services.store.append_only import lifted
from services.store.engine import Store
from services.store.schema import evidence

FOLDER = "archive"  # in the data folder
PATTERN = "evidence-*.jsonl.gz"
GAPS_A_RECORD = 500
_ROWS = select(evidence.c.seq, evidence.c.previous_hash, evidence.c.hash, evidence.c.body).order_by(evidence.c.seq)


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """The file that holds what was taken out."""

    path: Path
    sha256: str


def find(connection: Connection, before_ms: int, take: Callable[[Any], object]) -> tuple[Gap, ...]:
    """What a compaction would take out, oldest first; each of its rows is handed to `take` as it is met.

    That is a passing record older than `before_ms`, of a check that is measured all the time, that today would not be
    written after the one kept before it, and that is not the newest of its check.
    """
    kept: dict[tuple[str, str], Evidence] = {}
    newest = set(connection.scalars(select(func.max(evidence.c.seq)).group_by(
        evidence.c.environment, evidence.c.check_name)))  # fmt: skip
    fixed = newest | {item.seq for item in chain.redactions(connection)}
    gaps: list[Gap] = []
    end: str | None = None  # hash of the row before, where that is the end of the newest gap
    with connection.execute(_ROWS.execution_options(yield_per=1000)) as rows:
        for row in rows:
            record = parse(row.body)
            check = (record.environment, record.check)
            if row.seq in fixed or record.at_ms >= before_ms or not _repeats(record, kept.get(check)):
                kept[check], end = record, None
                continue
            take(row)
            if end == row.previous_hash:
                gaps[-1] = replace(gaps[-1], last=row.seq, count=gaps[-1].count + 1, after=row.hash)
            else:
                gaps.append(Gap(first=row.seq, last=row.seq, count=1, before=row.previous_hash, after=row.hash))
            end = row.hash
    return tuple(gaps)


def _repeats(record: Evidence, last: Evidence | None) -> bool:
    plain = record.outcome == "pass" and not record.detail and record.judge_sha256 is None
    return plain and is_measured_all_the_time(record.check) and not worth_writing(record, last)


def apply(
    store: Store, connection: Connection, before_ms: int, folder: Path, *, environment: str, by: str, now_ms: int
) -> tuple[int, Archive] | None:
    """Archive and take out, in this one transaction; how many, or None where there is nothing. Raises StoreCorrupt for
    a chain that is broken already: a compaction would hide where. On any error the archive is removed."""
    store.lock_chain(connection)
    if (broken := chain.verify(connection)) is not None:
        raise StoreCorrupt(
            f"The chain of evidence is broken at record {broken.seq}: {broken.why}.",
            fix="Nothing was compacted. Put a backup back, and find out who can write to the database.",
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"evidence-{now_ms}.jsonl.gz"
    path.touch(mode=0o600, exist_ok=False)  # an archive that is there already is neither written over nor removed
    try:
        gaps = _archive(connection, before_ms, path)
        if not gaps:
            path.unlink()
            return None
        archive = Archive(path=path, sha256=_sha256(path))
        _take_out(connection, gaps)
        chain.append(store, connection, _records(gaps, archive, environment, by, now_ms))
        if (broken := chain.verify(connection)) is not None:
            raise StoreCorrupt(
                f"After compaction the chain would be broken at record {broken.seq}; nothing was changed."
            )
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return sum(gap.count for gap in gaps), archive


def _archive(connection: Connection, before_ms: int, path: Path) -> tuple[Gap, ...]:
    """The file is on the disk before anything is deleted."""
    with path.open("wb") as raw:
        with gzip.open(raw, "wt", encoding="utf-8", compresslevel=6) as lines:
            gaps = find(connection, before_ms, lambda row: lines.write(json.dumps(dict(row._mapping)) + "\n"))
        raw.flush()
        os.fsync(raw.fileno())
    return gaps


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _take_out(connection: Connection, gaps: tuple[Gap, ...]) -> None:
    between = delete(evidence).where(evidence.c.seq.between(bindparam("low"), bindparam("high")))
    with lifted(connection, "DELETE"):
        connection.execute(between, [{"low": gap.first, "high": gap.last} for gap in gaps])


def _records(gaps: tuple[Gap, ...], archive: Archive, environment: str, by: str, now_ms: int) -> Iterator[Evidence]:
    for start in range(0, len(gaps), GAPS_A_RECORD):
        part = gaps[start : start + GAPS_A_RECORD]
        said = {"by": by, "archive": archive.path.name, "archive_sha256": archive.sha256}
        yield Evidence(
            environment=environment, check=COMPACTED, outcome="unknown", at_ms=now_ms, code=COMPACTED,
            value=sum(gap.count for gap in part), detail=said | {"gaps": [asdict(gap) for gap in part]},
        )  # fmt: skip


def archived_place(connection: Connection, folder: Path, wanted: str) -> int | None:
    """How many records had been written when this hash was the chain's head, where that record is in an archive that
    the chain vouches for; else None."""
    known = chain.gaps(connection)
    ends = {gap.after: gap for gap in known}
    for path in sorted(folder.glob(PATTERN)):
        for hashes in _proven(path):
            gap = ends.get(hashes[-1])
            if gap is not None and wanted in hashes and gap.count == len(hashes):
                before = chain.place(connection, gap.after)
                assert before is not None  # noqa: S101 - it is the end of a gap
                return before - gap.count + hashes.index(wanted) + 1
    return None


def _proven(path: Path) -> Iterator[list[str]]:
    """Successive hashes of an archive, a list for each run of records that follow each other by their content. What
    can't be read, or was changed, is no proof of anything and is left out."""
    found: list[str] = []
    with contextlib.suppress(OSError, EOFError, ValueError, KeyError), gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if chain_hash(row["previous_hash"], row["body"]) != row["hash"]:
                continue
            if found and row["previous_hash"] != found[-1]:
                yield found
                found = []
            found.append(row["hash"])
    if found:
        yield found
