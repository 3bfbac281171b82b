"""Text and JSON from outside, made fit to be stored: the one edge for probes, agents, judges, files and webhooks.

What Python reads is wider than what UTF-8, PostgreSQL and arithmetic take: half a surrogate pair, U+0000, numbers
beyond a double, structures nested deeper than the code that walks them. Here it is made storable once; what can't be
is refused with a reason that never quotes the input.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 100
REPLACEMENT = "\ufffd"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_ESCAPED = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)|\x00")
_INT64 = 1 << 63


class NotJson(ValueError):
    """The input is no JSON that can be used; the message says why, without quoting it."""


def storable(text: str) -> str:
    """The text with each lone surrogate and each U+0000 replaced by U+FFFD; a split pair is joined first."""
    if _UNSTORABLE.search(text) is None:
        return text
    joined = _PAIR.sub(lambda pair: pair.group().encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)
    return _UNSTORABLE.sub(REPLACEMENT, joined)


def storable_value(value: Any) -> Any:
    """The same for all texts of a JSON-like value, keys included; numbers that no double holds become None.

    Raises NotJson where it is nested deeper than 100 levels or holds a type that JSON doesn't have.
    """
    return _clean(value, 0)


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return storable(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else _as_double(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= MAX_DEPTH:
        raise NotJson(f"it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {storable(str(key)): _clean(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(inner, depth + 1) for inner in value]
    raise NotJson(f"it holds a value of type {type(value).__name__}")


def _as_double(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _integer(digits: str) -> int | float | None:
    if len(digits) > 19:
        return _fraction(digits)
    return _clean(int(digits), 0)  # type: ignore[no-any-return]


def _fraction(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def parse_json(data: bytes | str, *, unique_keys: bool = False) -> Any:
    """The JSON value, storable: texts by `storable`, numbers beyond a double as None.

    With `unique_keys`, an object that names a key twice is refused: readers differ on which one counts.
    Raises NotJson.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    try:
        text = raw.decode("utf-8-sig", "surrogatepass")
    except UnicodeDecodeError:
        raise NotJson("it is not UTF-8") from None
    try:
        found = json.loads(
            text,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_refuse_constant,
            object_pairs_hook=_once if unique_keys else None,
        )
    except NotJson:
        raise
    except json.JSONDecodeError as error:
        raise NotJson(f"it is not JSON (line {error.lineno}, column {error.colno})") from None
    except (RecursionError, ValueError):
        raise NotJson(f"it is nested deeper than {MAX_DEPTH} levels") from None
    if _ESCAPED.search(raw) is not None or _UNSTORABLE.search(text) is not None:
        return storable_value(found)
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        _refuse_depth(found)
    return found


def _refuse_depth(value: Any) -> None:
    """What `storable_value` says of depth, of a value whose texts are known to be storable. Raises NotJson."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for each in level:
            if type(each) is dict:
                below += each.values()
            elif type(each) is list:
                below += each
        level = [each for each in below if type(each) is dict or type(each) is list]
        if not level:
            return
    raise NotJson(f"it is nested deeper than {MAX_DEPTH} levels")


def _refuse_constant(_name: str) -> None:
    raise NotJson("it holds NaN or Infinity, which JSON doesn't have")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJson("it names the same field twice")
    return found
