"""Quantiles in few bytes, mergeable, to within 1 %. Counts in logarithmic buckets (DDSketch, VLDB 2019).

Bucket i holds values in (γ^(i-1), γ^i]; its middle is within 1 % of each of them. Nothing below ten to the minus nine
is told from zero. Merging adds counts, so the order of arrival never matters.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Iterable, Mapping
from typing import Literal

ACCURACY = 0.01
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_SCALE = 1 / math.log(GAMMA)
LOWEST = math.floor(math.log(1e-9) * _SCALE)
HIGHEST = math.ceil(math.log(1e13) * _SCALE)
_SPARSE, _DENSE = 0, 1
_WIDTHS = {1: "B", 2: "H", 4: "I", 8: "Q"}
_LANE = 8  # bytes of a bucket in a wide sketch
Form = Literal["sparse", "dense", "wide"]

Counts = dict[int, int]  # by bucket; the key LOWEST stands for zero


def bucket(value: float) -> int:
    """The bucket of a value; what is zero, negative or smaller than 1e-9 is in the lowest."""
    if value <= 1e-9:
        return LOWEST
    return min(HIGHEST, max(LOWEST + 1, math.ceil(math.log(value) * _SCALE)))


def middle(index: int) -> float:
    """The value that stands for a bucket."""
    return 0.0 if index <= LOWEST else 2 * math.exp(index / _SCALE) / (GAMMA + 1)


def encode(counts: Counts, *, form: Form = "sparse") -> bytes:
    """The counts as bytes: sparse for few values, dense for many, wide (quickest to merge) for very many."""
    if not counts:
        return b""
    if form == "sparse":
        out = bytearray((_SPARSE,))
        before = LOWEST
        for index in sorted(counts):
            _put(out, index - before)
            _put(out, counts[index])
            before = index
        return bytes(out)
    first, last = min(counts), max(counts)
    if first == LOWEST and last > LOWEST:  # zeros lie far from the rest: they stand apart
        first = min(index for index in counts if index != LOWEST)
    zeros = counts.get(LOWEST, 0) if first > LOWEST else 0
    line = [counts.get(index, 0) for index in range(first, last + 1)]
    width = 8 if form == "wide" else next(size for size in _WIDTHS if max(line) < 1 << (8 * size))
    out = bytearray((_DENSE, width))
    _put(out, zeros)
    _put(out, first - LOWEST)
    return bytes(out) + b"".join(number.to_bytes(width, "little") for number in line)


class Merged:
    """Many sketches added up: dense ones as one long number, 64 bits a bucket, so that an addition adds them all."""

    def __init__(self) -> None:
        self._dense = 0
        self._sparse: Counts = {}

    def add(self, blob: bytes) -> None:
        """Add an encoded sketch."""
        if not blob:
            return
        if blob[0] == _DENSE:
            self._add_dense(blob)
            return
        place, at = LOWEST, 1
        while at < len(blob):
            step, at = _take(blob, at)
            number, at = _take(blob, at)
            place += step
            self._sparse[place] = self._sparse.get(place, 0) + number

    def _add_dense(self, blob: bytes) -> None:
        zeros, at = _take(blob, 2)
        offset, at = _take(blob, at)
        body = blob[at:]
        if blob[1] != _LANE:
            body = array("Q", array(_WIDTHS[blob[1]], body)).tobytes()
        self._dense += int.from_bytes(body, sys.byteorder if blob[1] != _LANE else "little") << (8 * _LANE * offset)
        if zeros:
            self._sparse[LOWEST] = self._sparse.get(LOWEST, 0) + zeros

    def counts(self) -> Counts:
        """By bucket, in order, empty ones left out."""
        found = dict(self._sparse)
        empty = max(0, (self._dense & -self._dense).bit_length() - 1) // (8 * _LANE)  # lanes below the first value
        dense = self._dense >> (8 * _LANE * empty)
        size = -(-dense.bit_length() // (8 * _LANE))
        for place, number in enumerate(struct.unpack(f"<{size}Q", dense.to_bytes(size * _LANE, "little")), empty):
            if number:
                found[place + LOWEST] = found.get(place + LOWEST, 0) + number
        return dict(sorted(found.items()))

    def quantiles(self, wanted: Iterable[float]) -> tuple[float | None, ...]:
        """For each q (ascending) the value at rank floor(q · (n - 1)), within 1 %; None where nothing was counted."""
        counts, asked = self.counts(), tuple(wanted)
        total = sum(counts.values())
        if not total:
            return (None,) * len(asked)
        found: list[float | None] = []
        ranks = [math.floor(q * (total - 1)) for q in asked]
        seen = 0
        for index, number in counts.items():
            seen += number
            while len(found) < len(ranks) and ranks[len(found)] < seen:
                found.append(middle(index))
        return tuple(found)


def place_of(counts: Mapping[int, int], share: float) -> int:
    """The lowest bucket, of counts in order, up to which at least that share lies. Raises ValueError without counts."""
    if not counts:
        raise ValueError("nothing was counted")
    wanted, seen, place = share * sum(counts.values()), 0, LOWEST
    for place, number in counts.items():  # noqa: B007 - the last one is asked for after the loop
        seen += number
        if seen >= wanted:
            break
    return place


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
