"""What a file of variables says, line by line: the one reader for settings, probes, validator, diff and writer.

Lossless, by python-dotenv's grammar; a bad line is data, not a crash, and its text is never taken for a name. The file
alone decides: nothing is filled in from the process's environment.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

from services.env_files.encoding import foreign
from services.env_files.lines import NAME, Judged, judged
from services.errors import GreenlightError
from services.outside import storable

BOM = "\ufeff"
MAX_BYTES = 4 << 20
MAX_FILLED = 32_768  # characters of one value with its references filled in
MAX_FILLED_IN_ALL = 4 << 20  # and of all of them together: A1=${A0}${A0}, A2=${A1}${A1}, … doubles with every line
PLATFORM_REFERENCE = re.compile(r"\$\{\{.*?\}\}")  # ${{ shared.NAME }}: only the hosting platform fills it in
Origin = Literal["file", "platform", "variables"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment. `value` is None for a key without `=`; the repr shows no value."""

    key: str
    value: str | None = field(repr=False)
    line: int
    unresolved: tuple[str, ...] = ()  # names in ${…} that nothing before this line defines
    platform: bool = False  # whether it holds a reference that only the hosting platform fills in
    too_long: bool = False  # whether its references were left as they stand, since filled in they are too long
    opens_block: bool = False  # whether its unquoted value is the first of several lines


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
    colon_lines: tuple[int, ...] = ()  # those of the bad lines that have a colon where an equals sign is due
    bad_names: int = 0  # entries of an export without a plausible name
    encoding: str = ""  # UTF-16 or UTF-32, where the file can't be read for that reason
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


class UnreadableSource(GreenlightError):
    """A source that can't be taken for a configuration at all; the message is a sentence without any value."""


def from_bytes(data: bytes, name: str) -> Document:
    """Read an env file. Raises UnreadableSource for what is far too large."""
    if len(data) > MAX_BYTES:
        raise UnreadableSource(f"{name} is larger than {MAX_BYTES >> 20} MiB: that is no env file.")
    encoding = foreign(data)
    if encoding:
        return Document(name=name, origin="file", pieces=(), entries=(), values={}, encoding=encoding)
    return from_text(data.decode("utf-8", "surrogateescape"), name)


def from_text(text: str, name: str) -> Document:
    """Read the text of an env file; bytes that aren't UTF-8 stand in it as lone surrogates."""
    bom = text.startswith(BOM)
    lines = list(judged(parse_stream(io.StringIO(text, newline=""))))  # the parser itself passes over one BOM
    pieces = [_piece(line) for line in lines]
    if bom:
        pieces.insert(0, Piece(BOM, 1, None, False))
    entries = _entries(lines)
    return Document(
        name=name,
        origin="file",
        pieces=tuple(pieces),
        entries=entries,
        values={entry.key: entry.value for entry in entries},
        bad_lines=tuple(_first_line(line.binding) for line in lines if line.bad),
        colon_lines=tuple(_first_line(line.binding) for line in lines if line.colon),
        bom=bom,
        not_utf8_lines=_not_utf8(text),
    )


def _piece(line: Judged) -> Piece:
    original = line.binding.original
    return Piece(original.string, original.line, None if line.bad else line.binding.key, line.bad)


def from_pairs(pairs: Iterable[tuple[str, str]], name: str, origin: Origin) -> Document:
    """A configuration that never was a file: no grammar, no interpolation."""
    named = [(key, value) for key, value in pairs if NAME.fullmatch(key)]
    entries = tuple(
        Entry(key, storable(value), number, platform=PLATFORM_REFERENCE.search(value) is not None)
        for number, (key, value) in enumerate(named, 1)
    )
    values = {entry.key: entry.value for entry in entries}
    return Document(name=name, origin=origin, pieces=(), entries=entries, values=values)


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
    nested = next((number for number, (_, value) in enumerate(found, 1) if isinstance(value, list)), None)
    if nested is not None:
        raise UnreadableSource(f"{name}: entry {nested} is not text but a list or object.")
    read = from_pairs([(key, _plain(value)) for key, value in found], name, "platform")
    return replace(read, bad_names=len(found) - len(read.entries))


def read_any(data: bytes, name: str) -> Document:
    """An env file, or a platform's export where it begins like a JSON object. Raises UnreadableSource."""
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return from_platform_json(data.removeprefix(b"\xef\xbb\xbf"), name) if start == b"{" else from_bytes(data, name)


def _plain(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _entries(lines: Iterable[Judged]) -> tuple[Entry, ...]:
    """Assignments in order, ${…} filled from what stands before, as python-dotenv does; never from this process."""
    seen: dict[str, str | None] = {}
    entries = []
    left = MAX_FILLED_IN_ALL
    for line in lines:
        binding = line.binding
        if binding.key is None or line.bad:
            continue
        value = binding.value
        unresolved: tuple[str, ...] = ()
        platform = too_long = False
        if value is not None and "${" in value:
            platform = PLATFORM_REFERENCE.search(value) is not None
            filled, unresolved = (None, ()) if platform else _fill(value, seen, most=min(left, MAX_FILLED))
            too_long = filled is None and not platform
            value = value if filled is None else filled
            left -= 0 if filled is None else len(filled)
        seen[binding.key] = value
        at = _first_line(binding) if binding.original.string[:1] in "\r\n \t#" else binding.original.line
        entries.append(Entry(binding.key, value, at, unresolved, platform, too_long, line.opens_block))
    return tuple(entries)


def _fill(value: str, seen: Mapping[str, str | None], *, most: int) -> tuple[str | None, tuple[str, ...]]:
    """The value with its references filled in, and the names that nothing defines; None where it gets too long."""
    atoms = list(parse_variables(value))
    missing = [
        atom.name  # type: ignore[attr-defined]  # only a variable has a name
        for atom in atoms
        if getattr(atom, "name", None) is not None and atom.default is None and atom.name not in seen  # type: ignore[attr-defined]
    ]
    parts = [atom.resolve(seen) for atom in atoms]
    if sum(len(part) for part in parts) > most:
        return None, ()
    return "".join(parts), tuple(dict.fromkeys(name for name in missing if NAME.fullmatch(name)))


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
