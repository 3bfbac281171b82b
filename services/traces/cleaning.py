"""What becomes of texts before they are kept: credentials go, length is bounded, content is left out unless asked for.

The same few names come a million times, so what was scrubbed once is remembered.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from services.outside import storable
from services.redact import REMOVED, pieces, removing, scrub
from services.traces import conventions

MOST_TEXT = 200  # characters of a name
MOST_VALUE = 1000  # of an attribute
MOST_ATTRIBUTES = 100
MOST_CONTENT = 64 << 10  # characters of what was said in one span
_SIMPLE = re.compile(r"[0-9a-fA-F-]{1,64}|[0-9A-HJKMNP-TV-Z]{26}")
_SIMPLE_PART = re.compile(r"[0-9a-fA-F-]*|[0-9A-HJKMNP-TV-Z]*")
MOST_PIECES = 2000
_HEX = re.compile(r"[0-9a-f]{16,64}")
_encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class Cleaner:
    """Cleans what comes from outside. `secrets` are texts that are taken out wherever they turn up."""

    def __init__(self, *, content: bool = False, secrets: tuple[str, ...] = ()) -> None:
        self.keeps_content = content
        self._remove = removing(secrets)
        self._named = lru_cache(maxsize=50_000)(self._clean)
        self._has_secrets = bool(secrets)
        self.in_ids = _in_ids(secrets)  # finds what may be a secret in a text that has the form of an id; "" for none
        self._in_id = re.compile(self.in_ids)

    def name(self, value: object) -> str:
        """A short text such as a tool's name; "" for anything else."""
        return self._named(value, MOST_TEXT) if isinstance(value, str) else ""

    def identity(self, value: object) -> str:
        """An id: as it is where it can hold nothing else, else cleaned."""
        if not isinstance(value, str):
            return ""
        if _SIMPLE.fullmatch(value) and not (self.in_ids and self._in_id.search(value)):
            return value
        return self._clean(value, MOST_TEXT)

    def _clean(self, text: str, most: int) -> str:
        found = self._remove(scrub(storable(text)))
        return found if len(found) <= most else found[:most] + "…"

    def attributes(self, given: Mapping[str, Any]) -> tuple[str, str, int]:
        """(attributes as JSON, content as JSON or "", bytes of content)."""
        kept: dict[str, Any] = {}
        said: dict[str, Any] = {}
        size = 0
        for name, value in given.items():
            if conventions.is_content(name):
                raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else _json(value)
                size += len(raw)
                kept[f"{self.name(name)}.sha256"] = hashlib.sha256(raw).hexdigest()
                kept[f"{self.name(name)}.bytes"] = len(raw)
                if self.keeps_content:
                    said[self.name(name)] = self._value(value, MOST_CONTENT)
            elif len(kept) < MOST_ATTRIBUTES:
                kept[self.name(name)] = self._under(name, value)
        content = _json(said).decode() if said else ""
        if len(content) > MOST_CONTENT:
            content = _json({"dropped": "larger than 64 KiB"}).decode()
        return _json(kept).decode() if kept else "{}", content, size

    def _under(self, name: str, value: Any) -> Any:
        """A value under its name: what is called a token is one, whatever it looks like."""
        if isinstance(value, str):
            if _HEX.fullmatch(value) and not self._has_secrets and not _is_secret(name):
                return value
            return REMOVED if value and _is_secret(name) else self._named(value, MOST_VALUE)
        return self._value(value, MOST_VALUE)

    def _value(self, value: Any, most: int, depth: int = 0) -> Any:
        if isinstance(value, str):
            return self._clean(value, most)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return value if math.isfinite(value) and abs(value) < 1e300 else None
        if depth > 20:
            return "nested too deep"
        if isinstance(value, Mapping):
            return {self.name(str(k)): (REMOVED if isinstance(v, str) and v and _is_secret(str(k))
                                        else self._value(v, most, depth + 1)) for k, v in value.items()}  # fmt: skip
        if isinstance(value, (list, tuple)):
            return [self._value(inner, most, depth + 1) for inner in value[:200]]
        return None


def _in_ids(secrets: tuple[str, ...]) -> str:
    """A pattern for the pieces of secrets that may stand in an id. Too many to look for: it finds something always."""
    found = sorted(piece for piece in pieces(secrets) if _SIMPLE_PART.fullmatch(piece))
    return "|".join(map(re.escape, found)) if len(found) <= MOST_PIECES else "."


@lru_cache(maxsize=10_000)
def _is_secret(name: str) -> bool:
    """Whether what stands under such a name is a credential."""
    return scrub(f"{name}=abcdefgh") != f"{name}=abcdefgh"


def _json(value: Any) -> bytes:
    return _encode(value)
