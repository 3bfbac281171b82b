"""The rows of a CSV file as spreadsheets write it: its encoding, its separator, and the line of each row."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator, Mapping

from services.replay.authoring.cases import Collected

MOST_ROWS = 50_000


def decoded(made: Collected, data: bytes) -> str:
    """UTF-8, UTF-16 with its mark, or else Windows-1252, as Excel saves a plain CSV."""
    with contextlib.suppress(UnicodeDecodeError):
        return data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    made.note("line 1", "The file is not UTF-8; it was read as Windows-1252.", "Check letters with accents.")
    return data.decode("cp1252", "replace")


def rows(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Each row with the line that it begins in; ; and tab are separators too, as spreadsheets write them."""
    first = text.splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t", key=lambda mark: _outside_quotes(first, mark))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [name.strip() for name in next(reader, [])]
    begins = reader.line_num + 1
    for number, row in enumerate(reader):
        if number >= MOST_ROWS:
            raise csv.Error(f"more than {MOST_ROWS:,} rows")
        if any(cell.strip() for cell in row):
            yield begins, dict(zip(header, (cell.strip() for cell in row), strict=False))
        begins = reader.line_num + 1


def _outside_quotes(line: str, mark: str) -> int:
    return sum(part.count(mark) for part in line.split('"')[::2])
