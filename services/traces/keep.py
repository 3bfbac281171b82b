"""Spans as Parquet files by day: written whole or not at all, together with where their readers stand.

    traces/day=2026-12-01/…parquet     the spans that began on that day
    traces/standing.json               where each followed file was read to, and what could not be read
    traces/pending.json                a change on its way: files to put in place, the standing after it

A change is written down before it is made, and made again after a crash: a batch counts once, whenever a process dies.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from services import clock
from services.clock import DAY_MS
from services.traces.model import COLUMNS, Span

log = logging.getLogger(__name__)
FOLDER = "traces"
SCHEMA = pa.schema([
    (name, {"start_ms": pa.int64(), "duration_ms": pa.float64(), "input_tokens": pa.int64(),
            "output_tokens": pa.int64(), "cost_usd": pa.float64(), "content_bytes": pa.int64(),
            "simulated": pa.bool_()}.get(name, pa.string()))
    for name in COLUMNS
])  # fmt: skip
GROUP_ROWS = 10_000  # small row groups: one trace is found without reading the day
INDEXED = ["trace_id", "start_ms"]  # columns whose least and greatest value each row group tells
ORDER = [("trace_id", "ascending"), ("start_ms", "ascending")]
OFTEN_THE_SAME = [name for name in COLUMNS if SCHEMA.field(name).type == pa.string() and name not in
                  {"trace_id", "span_id", "attributes", "content"}]  # fmt: skip
FILES_A_DAY = 8  # more small files than this are made one
LOCK_S = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped:
    """What retention took: days by age, and days for want of room."""

    aged: tuple[str, ...] = ()
    for_room: tuple[str, ...] = ()


class Kept:
    """The folder of an installation's traces; several processes share it by a lock."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / FOLDER
        self._lock = FileLock(str(self.folder / ".lock"), timeout=LOCK_S)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock; finish what a killed process began."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._lock:
            self._finish()
            yield

    def standing(self) -> dict[str, Any]:
        """Where the readers stand; {} before the first."""
        try:
            found = json.loads((self.folder / "standing.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            log.error("traces/standing.json can't be read: followed files are read from their beginning")
            return {}
        return found if isinstance(found, dict) else {}

    def add(self, spans: Sequence[Span], standing: Mapping[str, Any] | None = None) -> None:
        """Keep spans, and where their readers stand now. Within `changing`. Raises OSError; nothing is kept then."""
        self.add_table(table_of(spans), standing)

    def add_table(self, spans: pa.Table, standing: Mapping[str, Any] | None = None) -> None:
        """The same for rows of SCHEMA."""
        puts = [self._draft(day, own) for day, own in _by_day(spans)]
        self._change(puts, (), standing)

    def compact(self, day: str, *, now_ms: int) -> bool:
        """Make one file of a day's many, sorted by trace; False where there are few. Within `changing`."""
        files = self.files(day)
        if len(files) < 2 or (len(files) <= FILES_A_DAY and day == _day(now_ms)):
            return False
        # A span that a reader saw twice (a file that was replaced while its reader was down) is kept once.
        table = pa.concat_tables([pq.read_table(file, schema=SCHEMA) for file in files])
        table = table.sort_by(ORDER)
        self._change([self._draft(day, _once(table))], [str(file.relative_to(self.folder)) for file in files], None)
        return True

    def days(self) -> list[str]:
        """The days that are kept, oldest first."""
        found = (path.name.removeprefix("day=") for path in self.folder.glob("day=*") if path.is_dir())
        return sorted(day for day in found if _is_day(day))

    def files(self, day: str) -> list[Path]:
        """A day's files."""
        return sorted((self.folder / f"day={day}").glob("*.parquet"))

    def bytes(self, day: str) -> int:
        """How much a day takes."""
        return sum(file.stat().st_size for file in self.files(day))

    def retain(self, now_ms: int, *, days: int, most_bytes: int) -> Dropped:
        """Drop days that are too old, then the oldest until the rest fits; today stays. Within `changing`."""
        limit = _day(now_ms - days * DAY_MS)
        aged = [day for day in self.days() if day < limit]
        rest = [day for day in self.days() if day >= limit]
        sizes = {day: self.bytes(day) for day in rest}
        for_room = []
        while len(rest) > 1 and sum(sizes[day] for day in rest) > most_bytes:
            for_room.append(rest.pop(0))
        for day in (*aged, *for_room):
            for file in self.files(day):
                file.unlink(missing_ok=True)
            (self.folder / f"day={day}").rmdir()
        return Dropped(aged=tuple(aged), for_room=tuple(for_room))

    def _draft(self, day: str, table: pa.Table) -> tuple[str, str]:
        """A finished file under a name that no reader takes, and the one that it will have."""
        folder = self.folder / f"day={day}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{secrets.token_hex(8)}.parquet"
        draft = folder / f".{name}.draft"
        with draft.open("wb") as stream:
            pq.write_table(table, stream, compression="zstd", row_group_size=GROUP_ROWS, write_statistics=INDEXED,
                           use_dictionary=OFTEN_THE_SAME, store_schema=False)  # fmt: skip
            stream.flush()
            os.fsync(stream.fileno())
        return str(draft.relative_to(self.folder)), str((folder / name).relative_to(self.folder))

    def _change(
        self, puts: Sequence[tuple[str, str]], removes: Sequence[str], standing: Mapping[str, Any] | None
    ) -> None:
        pending = {"puts": puts, "removes": list(removes), "standing": standing}
        _write(self.folder / "pending.json", pending)
        self._finish()

    def _finish(self) -> None:
        """Make the change that is written down, as far as it isn't made yet."""
        file = self.folder / "pending.json"
        try:
            pending = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        for draft, name in pending["puts"]:
            if (self.folder / draft).exists():
                (self.folder / draft).replace(self.folder / name)
        for name in pending["removes"]:
            (self.folder / name).unlink(missing_ok=True)
        if pending["standing"] is not None:
            _write(self.folder / "standing.json", pending["standing"])
        file.unlink()

    def tidy(self) -> None:
        """Remove drafts that no change names: their process was killed before it wrote the change down. Within
        `changing`, where nobody else writes."""
        for draft in self.folder.glob("day=*/.*.draft"):
            draft.unlink(missing_ok=True)


def rows_of_trace(file: Path, trace_id: str) -> list[dict[str, Any]]:
    """A trace's rows in one file, from the row groups that may hold it: no query engine has to start for that."""
    parquet = pq.ParquetFile(file)
    column = SCHEMA.get_field_index("trace_id")
    groups = []
    for number in range(parquet.metadata.num_row_groups):
        known = parquet.metadata.row_group(number).column(column).statistics
        if known is None or not known.has_min_max or known.min <= trace_id <= known.max:
            groups.append(number)
    rows: list[dict[str, Any]] = []
    for number in groups:  # many, where the file isn't sorted yet: its ids are read before the rest
        own = pc.equal(parquet.read_row_group(number, columns=["trace_id"], use_threads=False)["trace_id"], trace_id)
        if pc.any(own).as_py():
            rows += parquet.read_row_group(number, use_threads=False).filter(own).to_pylist()
    return rows


def table_of(spans: Sequence[Span]) -> pa.Table:
    """Spans as a table."""
    columns = {name: [getattr(span, name) for span in spans] for name in COLUMNS}
    return pa.table(columns, schema=SCHEMA)


def _once(table: pa.Table) -> pa.Table:
    """Each span once: by its trace and its id."""
    keys = table.select(["trace_id", "span_id"]).to_pandas()
    mask = ~keys.duplicated(keep="last")
    return table if bool(mask.all()) else table.filter(pa.array(mask))


def _by_day(spans: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    numbers = spans["start_ms"].to_numpy() // DAY_MS
    for number in np.unique(numbers).tolist():
        own = numbers == number
        yield _day(number * DAY_MS), (spans if own.all() else spans.filter(pa.array(own)))


def _day(at_ms: int) -> str:
    return clock.from_ms(at_ms).date().isoformat()


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _write(file: Path, value: Any) -> None:
    """The file with this JSON: whole, and on the disk when this returns."""
    draft = file.with_name(f".{file.name}.draft")
    with draft.open("w", encoding="utf-8") as stream:
        json.dump(value, stream, separators=(",", ":"))
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
