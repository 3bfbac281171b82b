"""What does an env file say, line by line? Lossless, by python-dotenv's grammar; a bad line is data, not a crash."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

BOM = "\ufeff"
MAX_BYTES = 4 << 20
Origin = Literal["file", "platform", "variables"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment. `value` is None for a key without `=`; the repr shows no value."""

    key: str
    value: str | None = field(repr=False)
    line: int
    unresolved: tuple[str, ...] = ()  # names in ${…} that nothing before this line defines


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the file, byte for byte: an assignment, comments and blank lines, or a bad line."""

    text: str = field(repr=False)
    line: int
    key: str | None
    error: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A configuration as read. `values` holds what counts: the last assignment of each key."""

    name: str
    origin: Origin
    pieces: tuple[Piece, ...] = field(repr=False)
    entries: tuple[Entry, ...]
    values: Mapping[str, str | None] = field(repr=False)
    bad_lines: tuple[int, ...] = ()
    bom: bool = False
    not_utf8_lines: tuple[int, ...] = ()

    @property
    def newline(self) -> str:
        """The line end that the file uses; LF for one without any."""
        text = "".join(piece.text for piece in self.pieces)
        crlf = text.count("\r\n")
        return "\r\n" if crlf > text.count("\n") - crlf else "\n"

    def filled(self, key: str) -> str:
        """The key's value without the white space around it; empty where it is absent."""
        return (self.values.get(key) or "").strip()


class UnreadableSource(Exception):
    """A source that can't be taken for a configuration at all; the message is a sentence without any value."""


def from_bytes(data: bytes, name: str) -> Document:
    """Read an env file. Raises UnreadableSource for what is far too large."""
    if len(data) > MAX_BYTES:
        raise UnreadableSource(f"{name} is larger than {MAX_BYTES >> 20} MiB: that is no env file.")
    text = data.decode("utf-8", "surrogateescape")
    return from_text(text, name)


def from_text(text: str, name: str) -> Document:
    """Read the text of an env file; bytes that aren't UTF-8 stand in it as lone surrogates."""
    bom = text.startswith(BOM)
    bindings = list(parse_stream(io.StringIO(text, newline="")))  # the parser itself passes over one BOM
    pieces = [Piece(b.original.string, b.original.line, b.key, b.error) for b in bindings]
    if bom:
        pieces.insert(0, Piece(BOM, 1, None, False))
    entries = _entries(bindings)
    return Document(
        name=name,
        origin="file",
        pieces=tuple(pieces),
        entries=entries,
        values={entry.key: entry.value for entry in entries},
        bad_lines=tuple(_first_line(b) for b in bindings if b.error),
        bom=bom,
        not_utf8_lines=_not_utf8(text),
    )


def from_pairs(pairs: Iterable[tuple[str, str]], name: str, origin: Origin) -> Document:
    """A configuration that never was a file: no grammar, no interpolation."""
    entries = tuple(Entry(key, value, number) for number, (key, value) in enumerate(pairs, 1))
    return Document(
        name=name, origin=origin, pieces=(), entries=entries, values={entry.key: entry.value for entry in entries}
    )


def from_platform_json(data: bytes, name: str) -> Document:
    """A hosting platform's export: one JSON object of variables. Raises UnreadableSource."""
    if len(data) > MAX_BYTES:
        raise UnreadableSource(f"{name} is larger than {MAX_BYTES >> 20} MiB: that is no export of variables.")
    try:
        found = json.loads(data, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise UnreadableSource(f"{name} is not valid JSON.") from error
    if not isinstance(found, list) or not all(isinstance(item, tuple) for item in found):
        raise UnreadableSource(f"{name} is not one JSON object of variables.")
    nested = [key for key, value in found if isinstance(value, list)]
    if nested:
        raise UnreadableSource(f"{name}: the variable {nested[0][:80]!r} is not text but a list or object.")
    return from_pairs(((key, _plain(value)) for key, value in found), name, "platform")


def read_any(data: bytes, name: str) -> Document:
    """An env file, or a platform's export where it begins like a JSON object."""
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return from_platform_json(data.removeprefix(b"\xef\xbb\xbf"), name) if start == b"{" else from_bytes(data, name)


def _plain(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _entries(bindings: Iterable[Binding]) -> tuple[Entry, ...]:
    """Assignments in order, ${…} filled from what stands before, as python-dotenv does; never from this process."""
    seen: dict[str, str | None] = {}
    entries = []
    for binding in bindings:
        if binding.key is None or binding.error:
            continue
        value = binding.value
        unresolved: tuple[str, ...] = ()
        if value is not None and "${" in value:
            value, unresolved = _fill(value, seen)
        seen[binding.key] = value
        line = _first_line(binding) if binding.original.string[:1] in "\r\n \t#" else binding.original.line
        entries.append(Entry(binding.key, value, line, unresolved))
    return tuple(entries)


def _fill(value: str, seen: Mapping[str, str | None]) -> tuple[str, tuple[str, ...]]:
    atoms = list(parse_variables(value))
    missing = [
        atom.name  # type: ignore[attr-defined]  # only a variable has a name
        for atom in atoms
        if getattr(atom, "name", None) is not None and atom.default is None and atom.name not in seen  # type: ignore[attr-defined]
    ]
    return "".join(atom.resolve(seen) for atom in atoms), tuple(missing)


def _first_line(binding: Binding) -> int:
    """The line on which a binding's own text begins, after the blank lines before it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())].replace("\r\n", "\n").replace("\r", "\n")
    return binding.original.line + blank.count("\n")


def _not_utf8(text: str) -> tuple[int, ...]:
    if text.isascii() or not any("\udc80" <= c <= "\udcff" for c in text):
        return ()
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return tuple(n for n, line in enumerate(lines, 1) if any("\udc80" <= c <= "\udcff" for c in line))
