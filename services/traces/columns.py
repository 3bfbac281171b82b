"""Many lines of the kit's envelope at once, column by column.

A line is known where each of its fields has the form that the kit writes; every other line is named, to be read by
itself (`lines`). Texts are cleaned by the same functions, once for each different text. So a line gives the same span
whichever way it is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.traces.cleaning import Cleaner
from services.traces.conventions import kind_of
from services.traces.lines import LATEST_MS, error_of, spans_of, status_of
from services.traces.model import COLUMNS, Span

FEWEST = 500  # lines: for fewer, starting the query engine takes longer than reading them one by one
MOST_LINE = 1 << 20
_BATCHES = 4  # that the engine works on side by side
_FEW = 4096  # different attributes in one reading: more are judged by their shape
_NAMES = ("tool", "model", "version", "function", "step")
_IDS = ("trace_id", "span_id", "parent_id", "run_id", "input_sha256", "correlation_id")
_NUMBERS = ("duration_ms", "cost_usd", "input_tokens", "output_tokens")
_SHAPE = json.dumps(
    dict.fromkeys(("at", "action", "status", "environment", "attributes", *_NAMES, *_IDS, *_NUMBERS), "JSON")
)
_MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+]00:00)?"  # an offset is left to Python

_ID = r'"([0-9a-fA-F-]{0,64}|[0-9A-HJKMNP-TV-Z]{26})"'
_NUMBER = r"[0-9]{1,15}(\.[0-9]{1,17})?"
# A number as a value: the quote before the colon ends a name, since one within a text has a backslash before it.
_VALUE = r'([^\\]":)-?[0-9]{1,15}(?:\.[0-9]{1,17})?([,}])'
_CLEANED = {"attributes": pa.string(), "content": pa.string(), "content_bytes": pa.int64()}
_decode = msgspec.json.Decoder().decode
Known = np.ndarray[Any, np.dtype[np.bool_]]  # a flag for each row
Offsets = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The spans of the lines that are known, a column each; the numbers (from 0) of the others."""

    spans: pa.Table | None
    others: Sequence[int]


class Columns:
    """Reads lines with one cleaner. Holds a query engine of its own: not to be shared between threads."""

    def __init__(self, cleaner: Cleaner, *, environment: str = "", simulated: bool = False) -> None:
        self._cleaner, self._environment, self._simulated = cleaner, environment, simulated
        self._engine: duckdb.DuckDBPyConnection | None = None

    def read(self, data: bytes, offsets: Offsets) -> Found:
        """The lines of `data`: each from one offset to the next."""
        count = len(offsets) - 1
        if count < FEWEST:
            return Found(spans=None, others=range(count))
        columns, known = self._columns(self._fields(_texts(data, offsets)))
        known &= np.diff(offsets) <= MOST_LINE
        table = pa.table([columns[name] for name in COLUMNS], names=COLUMNS)
        if known.all():
            return Found(spans=table, others=())
        return Found(spans=table.filter(pa.array(known)), others=np.flatnonzero(~known).tolist())

    def line(self, text: bytes) -> list[Span]:
        """One line by itself. Raises WrongLine."""
        return spans_of(text, self._cleaner, environment=self._environment, simulated=self._simulated)

    def _fields(self, lines: pa.Array) -> dict[str, pa.Array]:
        """Each field as JSON text; `moment` in microseconds, NULL where `at` is none."""
        if self._engine is None:
            self._engine = duckdb.connect(":memory:", config={"threads": 2})
        step = -(-len(lines) // _BATCHES)
        batches = [pa.record_batch([lines[at : at + step]], names=["line"]) for at in range(0, len(lines), step)]
        self._engine.register("lines", pa.Table.from_batches(batches))
        try:
            found = self._engine.sql(_query("line")).to_arrow_table()
        except duckdb.InvalidInputException:  # one is no JSON; to ask each before takes half as long again
            found = self._engine.sql(_query("CASE WHEN json_valid(line) THEN line END")).to_arrow_table()
        return {name: found[name].combine_chunks() for name in found.schema.names}

    def _columns(self, fields: dict[str, pa.Array]) -> tuple[dict[str, pa.Array], Known]:
        moment = _numpy(fields["moment"].cast(pa.float64()))  # NaN where there is none
        known: Known = _numpy(pc.fill_null(fields["fits"], False)) & (moment > 0) & (moment < LATEST_MS * 1000)
        made: dict[str, pa.Array] = {"duration_ms": fields["duration_ms"], "cost_usd": fields["cost_usd"]}

        def take(name: str, field: str, change: Callable[[Any], str]) -> None:
            made[name], read = _each(fields[field], change)
            np.logical_and(known, read, out=known)

        for name in _IDS:
            made[name], may_stay = self._ids(fields[name])
            known &= may_stay
        for name in _NAMES:
            take(name, name, self._cleaner.name)
        take("operation", "action", self._cleaner.name)
        take("environment", "environment", lambda raw: self._cleaner.name(raw) or self._environment)
        take("status", "status", status_of)
        take("error", "status", lambda raw: error_of(raw, self._cleaner))
        known &= self._attributes(fields["attributes"], fields["shape"], made)
        took = _numpy(made["duration_ms"].fill_null(0.0))
        made["start_ms"] = pa.array(np.rint(np.where(known, moment / 1000 - took, 0)).astype(np.int64))
        for name in ("input_tokens", "output_tokens"):
            made[name] = pc.if_else(pa.array(known), pc.trunc(fields[name]), None).cast(pa.int64())
        made["kind"] = _kinds(made)
        made["provider"] = made["service"] = _constant("", len(known))
        made["simulated"] = pa.array(np.full(len(known), self._simulated))
        return made, known

    def _ids(self, raw: pa.Array) -> tuple[pa.Array, Known]:
        """Ids without their quotes, and which hold no secret. That they have the form of ids is asked elsewhere."""
        if raw.null_count == len(raw):
            return _constant("", len(raw)), np.ones(len(raw), dtype=bool)
        texts = pc.binary_slice(pc.fill_null(raw, '""').cast(pa.binary()), 1, -1)
        may_stay: Known = np.ones(len(raw), dtype=bool)
        if self._cleaner.in_ids:
            may_stay = ~_numpy(pc.match_substring_regex(raw.fill_null(""), self._cleaner.in_ids))
        return texts.view(pa.string()), may_stay

    def _attributes(self, raw: pa.Array, shape: pa.Array, made: dict[str, pa.Array]) -> Known:
        """Attributes, content and its size, cleaned. Those that differ in their numbers only are judged once."""
        raw, shapes = raw.cast(pa.string()).fill_null("{}"), shape.fill_null("{}").dictionary_encode()
        as_they_are: Known = np.zeros(len(raw), dtype=bool)
        if len(shapes.dictionary) <= _FEW:
            stay = np.array([self._stays(each) for each in shapes.dictionary.to_pylist()], dtype=bool)
            as_they_are = stay[_numpy(shapes.indices)]
        known: Known = np.ones(len(raw), dtype=bool)
        made["attributes"], made["content"] = raw, _constant("", len(raw))
        made["content_bytes"] = pa.array(np.zeros(len(raw), dtype=np.int64))
        if not as_they_are.all():
            mask = pa.array(~as_they_are)
            encoded = raw.filter(mask).dictionary_encode()
            cleaned = [self._cleaned(text) for text in encoded.dictionary.to_pylist()]
            for number, (name, type_) in enumerate(_CLEANED.items()):
                values = pa.array([each[number] for each in cleaned], type_).take(encoded.indices)
                made[name] = pc.replace_with_mask(made[name].cast(type_), mask, values)
            known[~as_they_are] = np.array([each[3] for each in cleaned], dtype=bool)[_numpy(encoded.indices)]
        return known

    def _cleaned(self, text: str) -> tuple[str, str, int, bool]:
        """(attributes, content, bytes of content, whether it could be read)."""
        try:
            given = _decode(text)
        except (msgspec.DecodeError, RecursionError):
            return "{}", "", 0, False
        return *self._cleaner.attributes(given if isinstance(given, dict) else {}), True

    def _stays(self, text: str) -> bool:
        """Whether attributes of this shape are kept as they came."""
        kept, content, size, _ = self._cleaned(text)
        return kept == text and not content and not size


def _query(line: str) -> str:
    """Each field as JSON text; what is judged by its form alone is judged here, where two cores share the work."""
    ids = " AND ".join(f"(f.{name} IS NULL OR regexp_full_match(f.{name}, '{_ID}'))" for name in _IDS)
    numbers = " AND ".join(f"(f.{name} IS NULL OR regexp_full_match(f.{name}, '{_NUMBER}'))" for name in _NUMBERS)
    values = ", ".join(f"TRY_CAST(f.{name} AS DOUBLE) AS {name}" for name in _NUMBERS)
    return (
        f"SELECT f.* REPLACE ({values}), f.tool IS NOT NULL AND f.trace_id <> '\"\"' AND f.span_id <> '\"\"' "  # noqa: S608 - made of our own constants
        f"AND {ids} AND {numbers} AS fits, CASE WHEN regexp_full_match(f.at, '\"{_MOMENT}\"') "
        "THEN epoch_us(TRY_CAST(f.at[2:-2] AS TIMESTAMP)) END AS moment, "
        rf"regexp_replace(f.attributes::VARCHAR, '{_VALUE}', '\10\2', 'g') AS shape "
        f"FROM (SELECT json_transform({line}, '{_SHAPE}') AS f FROM lines)"
    )


def _texts(data: bytes, offsets: Offsets) -> pa.Array:
    """The lines as texts, without a copy; one that is no UTF-8 is blank."""
    made = pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))
    try:
        made.validate(full=True)
    except pa.ArrowInvalid:
        changed = bytearray(data)
        for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
            try:
                data[start:end].decode()
            except UnicodeDecodeError:
                changed[start:end] = b" " * (end - start)
        made = pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(bytes(changed)))
    return made


def _each(raw: pa.Array, change: Callable[[Any], str]) -> tuple[pa.Array, Known]:
    """What `change` makes of each value, asked once for each different one; and which values could be read."""
    encoded = raw.cast(pa.string()).fill_null("null").dictionary_encode()
    made, read = [], []
    for text in encoded.dictionary.to_pylist():
        try:
            made.append(change(_decode(text)))
            read.append(True)
        except (msgspec.DecodeError, RecursionError):
            made.append("")
            read.append(False)
    return _dictionary(encoded.indices, made), np.array(read, dtype=bool)[_numpy(encoded.indices)]


def _kinds(made: dict[str, pa.Array]) -> pa.Array:
    """The kind of each call, asked once for each different one."""
    names = [made[name] for name in ("model", "operation", "tool")]
    texts = [name.dictionary.to_pylist() for name in names]
    calls = np.zeros(len(names[0]), dtype=np.int64)
    for name, own in zip(names, texts, strict=True):
        calls = calls * len(own) + _numpy(name.indices)
    different, indices = np.unique(calls, return_inverse=True)
    kinds = []
    for call in different.tolist():
        rest, tool = divmod(call, len(texts[2]))
        model, operation = divmod(rest, len(texts[1]))
        kinds.append("model" if texts[0][model] else kind_of(texts[1][operation], texts[2][tool], ""))
    return _dictionary(pa.array(indices.reshape(-1).astype(np.int32)), kinds)


def _constant(value: str, count: int) -> pa.Array:
    return _dictionary(pa.array(np.zeros(count, dtype=np.int32)), [value])


def _dictionary(indices: pa.Array, values: Sequence[str]) -> pa.Array:
    """Texts by their numbers in a list; each stands once in what is made, as a Parquet file asks."""
    different = list(dict.fromkeys(values))
    if len(different) < len(values):
        places = {value: number for number, value in enumerate(different)}
        indices = pa.array([places[value] for value in values], pa.int32()).take(indices)
    return pa.DictionaryArray.from_arrays(indices, pa.array(different, pa.string()))


def _numpy(array: pa.Array) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = array.to_numpy(zero_copy_only=False)
    return found if found.flags.writeable else found.copy()
