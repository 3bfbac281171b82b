"""How are quantiles kept in few bytes, mergeable, to within 1 %? Counts in logarithmic buckets (DDSketch, VLDB 2019).

Bucket i holds values in (γ^(i-1), γ^i]; its middle is within 1 % of each of them. Nothing below ten to the minus nine
is told from zero. Merging adds counts, so the order of arrival never matters.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from operator import add

ACCURACY = 0.01
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_SCALE = 1 / math.log(GAMMA)
LOWEST = math.floor(math.log(1e-9) * _SCALE)
HIGHEST = math.ceil(math.log(1e13) * _SCALE)
_SPARSE, _DENSE = 0, 1
_WIDTHS = {1: "B", 2: "H", 4: "I", 8: "Q"}

Counts = dict[int, int]  # by bucket; the key LOWEST stands for zero


def bucket(value: float) -> int:
    """The bucket of a value; what is zero, negative or smaller than 1e-9 is in the lowest."""
    if value <= 1e-9:
        return LOWEST
    return min(HIGHEST, max(LOWEST + 1, math.ceil(math.log(value) * _SCALE)))


def middle(index: int) -> float:
    """The value that stands for a bucket."""
    return 0.0 if index <= LOWEST else 2 * math.exp(index / _SCALE) / (GAMMA + 1)


def encode(counts: Counts, *, dense: bool = False) -> bytes:
    """The counts as bytes: sparse for few values, dense (quick to merge) for many."""
    if not counts:
        return b""
    first, last = min(counts), max(counts)
    if not dense:
        out = bytearray((_SPARSE,))
        before = LOWEST
        for index in sorted(counts):
            _put(out, index - before)
            _put(out, counts[index])
            before = index
        return bytes(out)
    lowest = counts.get(LOWEST, 0)
    others = [index for index in counts if index != LOWEST]
    first, last = (min(others), max(others)) if others else (LOWEST + 1, LOWEST)
    line = [counts.get(index, 0) for index in range(first, last + 1)]
    peak = max(line, default=0)
    width = next(size for size in _WIDTHS if peak < 1 << (8 * size))
    out = bytearray((_DENSE, width))
    _put(out, lowest)
    _put(out, first - LOWEST)
    return bytes(out) + b"".join(number.to_bytes(width, "little") for number in line)


class Merged:
    """Many sketches added up."""

    def __init__(self) -> None:
        self._line = [0] * (HIGHEST - LOWEST + 1)
        self.count = 0

    def add(self, blob: bytes) -> None:
        """Add an encoded sketch."""
        if not blob:
            return
        if blob[0] == _DENSE:
            self._add_dense(blob)
            return
        place, at = 0, 1
        while at < len(blob):
            step, at = _take(blob, at)
            number, at = _take(blob, at)
            place += step
            self._line[place] += number
            self.count += number

    def _add_dense(self, blob: bytes) -> None:
        lowest, at = _take(blob, 2)
        offset, at = _take(blob, at)
        line = array(_WIDTHS[blob[1]])
        line.frombytes(blob[at:])
        self._line[offset : offset + len(line)] = map(add, self._line[offset : offset + len(line)], line)
        self._line[0] += lowest
        self.count += lowest + sum(line)

    def quantiles(self, wanted: Iterable[float]) -> tuple[float | None, ...]:
        """For each q (ascending) the value at rank floor(q · (n - 1)), within 1 %; None where nothing was counted."""
        asked = tuple(wanted)
        if not self.count:
            return (None,) * len(asked)
        found: list[float | None] = []
        ranks = [math.floor(q * (self.count - 1)) for q in asked]
        seen = 0
        for place, number in enumerate(self._line):
            if not number:
                continue
            seen += number
            while len(found) < len(ranks) and ranks[len(found)] < seen:
                found.append(middle(place + LOWEST))
            if len(found) == len(ranks):
                break
        return tuple(found)

    def counts(self) -> Counts:
        """By bucket, empty ones left out."""
        return {place + LOWEST: number for place, number in enumerate(self._line) if number}


def merged(blobs: Iterable[bytes]) -> Merged:
    """The sum of encoded sketches."""
    total = Merged()
    for blob in blobs:
        total.add(blob)
    return total


def _put(out: bytearray, number: int) -> None:
    """A number in base 128, as Protocol Buffers do."""
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _take(blob: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = blob[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
