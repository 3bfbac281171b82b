"""Reads trace files as they grow: by inode and offset, through rotation, replacement and truncation.

Each step returns what was read and where the reader stands then; who keeps both together reads each line once. Where a
file was replaced or cut, the line that was read last says where to go on: it is looked for in the new content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from services.traces.columns import MOST_LINE, Columns
from services.traces.keep import SCHEMA, table_of
from services.traces.lines import WrongLine
from services.traces.model import Span, Wrong

CHUNK = 16 << 20
LINE_BREAK = 10
TOO_LONG = "it is larger than 1 MiB"
MOST_WRONG = 50  # are kept with their place
TAIL = 512  # bytes before the offset that are remembered


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Where one file's reader stands. `tail` is what was read last, in hex; `skipping`: within a line too long."""

    inode: int = 0
    offset: int = 0
    lines: int = 0
    tail: str = ""
    wrong: int = 0
    examples: tuple[tuple[str, str], ...] = ()
    skipping: bool = False
    trouble: str = ""
    spans: int = 0

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Standing:
        """As it was kept; a fresh one for what can't be read."""
        try:
            known = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
            known["examples"] = tuple((str(place), str(why)) for place, why in raw.get("examples", ()))
            return cls(**known)
        except (TypeError, ValueError):
            return cls()

    def to_json(self) -> dict[str, Any]:
        """To be kept."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What one step read, and where the reader stands after it; `more`: there is more to read at once."""

    spans: pa.Table  # of keep.SCHEMA
    standing: Standing
    more: bool


def step(path: Path, before: Standing, columns: Columns) -> Step:
    """Read on in a file, at most 16 MiB. Trouble with the file itself stands in the result; never raises for it."""
    try:
        source, standing = _place(path, before)
        with source.open("rb") as stream:
            stream.seek(standing.offset)
            data = stream.read(CHUNK)
    except FileNotFoundError:
        return Step(spans=SCHEMA.empty_table(), standing=replace(before, trouble="The file is not there."), more=False)
    except OSError as error:
        said = f"The file can't be read ({error.strerror})."
        return Step(spans=SCHEMA.empty_table(), standing=replace(before, trouble=said), more=False)
    is_old = source != path
    if is_old and data and b"\n" not in data and len(data) < CHUNK:
        data += b"\n"  # a file that nobody writes to any more ends its last line, too
    found, after = _read(data, replace(standing, trouble=""), path, columns)
    return Step(spans=found, standing=after, more=len(data) >= CHUNK or is_old)


def _place(path: Path, before: Standing) -> tuple[Path, Standing]:
    """The file to read now and where: the one that was renamed is read to its end first."""
    now = path.stat()
    if now.st_ino == before.inode or not before.inode:
        if before.inode and _continues(path, before, now.st_size):
            return path, before
        return path, _found_again(path, replace(before, inode=now.st_ino))
    old = _renamed(path, before)
    if old is not None:
        return old, before
    return path, _found_again(path, replace(before, inode=now.st_ino))


def _continues(path: Path, before: Standing, size: int) -> bool:
    """Whether what stands before the offset was read last: a file may be cut and grow again between two steps."""
    if size < before.offset:
        return False
    tail = bytes.fromhex(before.tail)
    with path.open("rb") as stream:
        stream.seek(before.offset - len(tail))
        return stream.read(len(tail)) == tail


def _renamed(path: Path, before: Standing) -> Path | None:
    """The file under its new name, while there is something left to read in it."""
    for other in path.parent.iterdir():
        if other != path and other.name.startswith(path.name.split(".")[0]):
            seen = other.stat()
            if seen.st_ino == before.inode and seen.st_size > before.offset and _continues(other, before, seen.st_size):
                return other
    return None


def _found_again(path: Path, before: Standing) -> Standing:
    """Behind the line that was read last, where the new content holds it; else at its beginning.

    A file from which old lines were dropped holds it, or holds nothing that was read.
    """
    last = bytes.fromhex(before.tail)
    line = last.rstrip(b"\n").rpartition(b"\n")[2] if last else b""
    fresh = replace(before, offset=0, lines=0, tail="", skipping=False)
    if len(line) < 40:  # too short to be told from another line
        return fresh
    place, rest = 0, b""
    with path.open("rb") as stream:
        while data := stream.read(CHUNK):
            block = rest + data
            at = block.rfind(line + b"\n")
            if at >= 0:
                end = place - len(rest) + at + len(line) + 1
                stream.seek(0)
                return replace(fresh, offset=end, tail=before.tail, lines=stream.read(end).count(b"\n"))
            place += len(data)
            rest = block[-len(line) - 1 :]
    return fresh


def _read(data: bytes, standing: Standing, path: Path, columns: Columns) -> tuple[pa.Table, Standing]:
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == LINE_BREAK) + 1
    used, lines, skipping = int(ends[-1]) if len(ends) else 0, standing.lines, standing.skipping
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    examples, wrong, spans = list(standing.examples), standing.wrong, []
    if skipping and len(ends):  # the rest of a line that was too long
        offsets, lines, skipping = offsets[1:], lines + 1, False

    def note(number: int, why: str) -> None:
        nonlocal wrong
        wrong += 1
        examples.append((f"{path.name}, line {number}", why))

    found = columns.read(data, offsets)
    for number in found.others:
        try:
            spans += _one(data[offsets[number] : offsets[number + 1]], columns)
        except WrongLine as error:
            note(lines + number + 1, str(error))
    lines += len(offsets) - 1
    if len(data) - used > MOST_LINE and not skipping:
        note(lines + 1, TOO_LONG)
        skipping = True
    if skipping:
        used = len(data)
    table = table_of(spans) if found.spans is None else found.spans
    if found.spans is not None and spans:
        table = pa.concat_tables([found.spans.cast(SCHEMA), table_of(spans)])
    tail = (bytes.fromhex(standing.tail) + data[:used])[-TAIL:] if used else bytes.fromhex(standing.tail)
    after = replace(
        standing, offset=standing.offset + used, lines=lines, tail=tail.hex(), wrong=wrong, skipping=skipping,
        examples=tuple(examples[-MOST_WRONG:]), spans=standing.spans + table.num_rows,
    )  # fmt: skip
    return table, after


def _one(line: bytes, columns: Columns) -> list[Span]:
    """The spans of a line that is read by itself; none for a blank one. Raises WrongLine."""
    text = line.strip().removeprefix(b"\xef\xbb\xbf")
    if len(text) > MOST_LINE:
        raise WrongLine(TOO_LONG)
    return columns.line(text) if text else []


def wrong_lines(standing: Standing) -> tuple[Wrong, ...]:
    """The newest lines that could not be read, with their places."""
    return tuple(Wrong(place=place, why=why) for place, why in reversed(standing.examples))
