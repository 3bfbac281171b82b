"""Whether a value is the wanted one, compared deeply, and what differs where it isn't. Pure.

In a wanted value an object with one key of these says more than equality, at any depth:
`{"$any_of": [a, b]}` one of them; `{"$optional": a}` may be left out, else is a; `{"$regex": "…"}` a text that matches;
`{"$absent": true}` must be left out; `{"$any": true}` may be anything, but is there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.redact import scrub
from services.replay import patterns
from services.replay.assignment import assigned

MOST_SHOWN = 80
MOST_UNORDERED = 200  # items of a list that are compared in any order: pairs grow with the square
MARKS = frozenset({"$any_of", "$optional", "$regex", "$absent", "$any"})
FIELDS = frozenset({"ignore", "unordered", "paired", "tolerance", "relative", "numbers_as_text", "ignore_case",
                    "ignore_space", "ignore_chars"})  # fmt: skip
_MISSING: Any = object()


@dataclass(frozen=True, kw_only=True, slots=True)
class Compare:
    """How values are compared. `whole`: objects hold nothing more than what is wanted.

    `tolerance` is absolute, `relative` a share of the wanted number; the larger of both counts. `unordered` is True for
    all lists, or names their paths; `paired` names lists of one object whose items belong together by their place.
    """

    whole: bool = False
    ignore: tuple[str, ...] = ()
    unordered: bool | tuple[str, ...] = False
    paired: tuple[tuple[str, ...], ...] = ()
    tolerance: float = 0.0
    relative: float = 0.0
    numbers_as_text: bool = False
    ignore_case: bool = False
    ignore_space: bool = False
    ignore_chars: str = ""

    @classmethod
    def from_expectation(cls, wanted: Mapping[str, Any], *, whole: bool = False) -> Compare:
        """As an expectation says."""
        unordered = wanted.get("unordered", False)
        return cls(
            whole=whole, ignore=tuple(wanted.get("ignore", ())),
            unordered=tuple(unordered) if isinstance(unordered, list) else bool(unordered),
            paired=tuple(tuple(group) for group in wanted.get("paired", ())),
            tolerance=float(wanted.get("tolerance", 0)), relative=float(wanted.get("relative", 0)),
            numbers_as_text=bool(wanted.get("numbers_as_text", False)),
            ignore_case=bool(wanted.get("ignore_case", False)), ignore_space=bool(wanted.get("ignore_space", False)),
            ignore_chars=str(wanted.get("ignore_chars", "")),
        )  # fmt: skip


def difference(actual: Any, wanted: Any, how: Compare, path: str = "") -> str | None:
    """None where it is the wanted value; else the first difference in words. Raises PatternStopped."""
    if path and any(_names(pattern, path) for pattern in how.ignore):
        return None
    mark = _mark(wanted)
    if mark:
        return _marked(actual, mark, wanted[mark], how, path)
    if actual is _MISSING:
        return f"{path or 'it'} is left out, asked was {shown(wanted)}"
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        return _objects(actual, wanted, how, path)
    if _is_list(wanted) and _is_list(actual):
        return _lists(actual, wanted, how, path)
    if _same(actual, wanted, how):
        return None
    return f"{path + ' is ' if path else ''}{shown(actual)}, asked was {shown(wanted)}"


def shown(value: Any) -> str:
    """A value as a reason quotes it: short, and without what looks like a secret."""
    text = scrub(" ".join(json.dumps(value, ensure_ascii=False, default=str).split()))
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"


def names_everything(pattern: str) -> bool:
    """Whether a path, or a tool's pattern, names all there is: nothing is left to compare."""
    return not pattern.replace("[*]", "").strip("*?.[]")


def is_impossible(wanted: Any) -> bool:
    """Whether no value matches: one of none is asked for, at any depth."""
    if isinstance(wanted, Mapping):
        return wanted.get("$any_of") == [] or any(is_impossible(inner) for inner in wanted.values())
    return isinstance(wanted, (list, tuple)) and any(is_impossible(inner) for inner in wanted)


def is_certain(wanted: Any) -> bool:
    """Whether every value matches: an expectation of it alone can't fail."""
    mark = _mark(wanted)
    if mark == "$any_of":
        return any(is_certain(inner) for inner in wanted[mark])
    if mark == "$optional":
        return is_certain(wanted[mark])
    return mark == "$any"


def _mark(wanted: Any) -> str:
    if not isinstance(wanted, Mapping) or len(wanted) != 1:
        return ""
    key = str(next(iter(wanted)))
    return key if key in MARKS else ""


def _marked(actual: Any, mark: str, value: Any, how: Compare, path: str) -> str | None:
    name = path or "it"
    if mark == "$absent":
        return None if actual is _MISSING else f"{name} is {shown(actual)}, asked was that it is left out"
    if mark == "$optional":
        return None if actual is _MISSING else difference(actual, value, how, path)
    if actual is _MISSING:
        return f"{name} is left out"
    if mark == "$any":
        return None
    if mark == "$regex":
        text = actual if isinstance(actual, str) else json.dumps(actual, ensure_ascii=False)
        fits = patterns.found(str(value), text, patterns.IGNORE_CASE if how.ignore_case else 0)
        return None if fits else f"{name} is {shown(actual)}, which does not match {value!r}"
    if any(difference(actual, each, how, path) is None for each in value):
        return None
    return f"{name} is {shown(actual)}, asked was one of {shown(value)}"


def _objects(actual: Mapping[str, Any], wanted: Mapping[str, Any], how: Compare, path: str) -> str | None:
    paired = {name for group in how.paired if all(name in wanted for name in group) for name in group}
    for group in how.paired:
        if all(name in wanted for name in group) and (found := _pairs(actual, wanted, group, how, path)):
            return found
    for name, inner in wanted.items():
        if name not in paired:
            where = f"{path}.{name}" if path else name
            found = difference(actual.get(name, _MISSING), inner, how, where)
            if found:
                return found
    if how.whole:
        for name in actual:
            where = f"{path}.{name}" if path else str(name)
            if name not in wanted and not any(_names(pattern, where) for pattern in how.ignore):
                return f"{where} is {shown(actual[name])}, asked was nothing"
    return None


def _pairs(
    actual: Mapping[str, Any], wanted: Mapping[str, Any], group: Sequence[str], how: Compare, path: str
) -> str | None:
    """Lists whose items belong together by their place are compared as one list of tuples, in any order."""
    words = f"{path + '.' if path else ''}{' and '.join(group)}"
    if not all(_is_list(actual.get(name)) for name in group):
        return f"{words} are not all lists"
    if len({len(actual[name]) for name in group}) != 1:
        return f"{words} are of different lengths"
    made = [list(items) for items in zip(*(actual[name] for name in group), strict=True)]
    asked = [list(items) for items in zip(*(wanted[name] for name in group), strict=False)]
    return _any_order(made, asked, how, words)


def _lists(actual: Sequence[Any], wanted: Sequence[Any], how: Compare, path: str) -> str | None:
    if len(actual) != len(wanted):
        return f"{path or 'it'} has {len(actual)} items, asked were {len(wanted)}: {shown(actual)}"
    is_free = how.unordered is True or (how.unordered and any(_names(each, path) for each in how.unordered))
    if is_free and len(wanted) <= MOST_UNORDERED:
        return _any_order(actual, wanted, how, path)
    for number, (left, right) in enumerate(zip(actual, wanted, strict=True)):
        if found := difference(left, right, how, f"{path}[{number}]"):
            return found
    return None


def _any_order(actual: Sequence[Any], wanted: Sequence[Any], how: Compare, path: str) -> str | None:
    """Each wanted item has one of its own."""
    if len(actual) != len(wanted):
        return f"{path or 'it'} has {len(actual)} items, asked were {len(wanted)}: {shown(actual)}"
    _, missing = assigned([[difference(a, w, how, f"{path}[]") is None for a in actual] for w in wanted])
    return None if missing is None else f"{path or 'it'} lacks {shown(wanted[missing])}: it is {shown(actual)}"


def _same(actual: Any, wanted: Any, how: Compare) -> bool:
    if isinstance(actual, bool) or isinstance(wanted, bool) or actual is None or wanted is None:
        return actual is wanted
    left, right = (_number(value, how) for value in (actual, wanted))
    if left is not None and right is not None:
        margin = max(how.tolerance, how.relative * abs(right))
        # Two decimals apart by exactly the tolerance are no binary fractions: the last bits are forgiven.
        return left == right or abs(left - right) <= margin * (1 + 1e-9) + (1e-12 * abs(right) if margin else 0)
    if isinstance(actual, str) and isinstance(wanted, str):
        return plain(actual, how) == plain(wanted, how)
    return bool(actual == wanted and type(actual) is type(wanted))


def plain(text: str, how: Compare) -> str:
    """A text as it is compared."""
    for char in how.ignore_chars:
        text = text.replace(char, "")
    if how.ignore_space:
        text = " ".join(text.split())
    return text.casefold() if how.ignore_case else text


def _number(value: Any, how: Compare) -> float | int | None:
    if isinstance(value, (int, float)):
        return value
    if how.numbers_as_text and isinstance(value, str):
        try:
            found = float(value.strip())
        except ValueError:
            return None
        return found if math.isfinite(found) else None
    return None


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _names(pattern: str, path: str) -> bool:
    """Whether a pattern names a path: `*` is one name or index, `**` any number of them; `[3]` is a part of its own."""
    return _match(_parts(pattern), _parts(path))


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("[", ".[").split(".") if part]


def _match(pattern: Sequence[str], path: Sequence[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_match(pattern[1:], path[number:]) for number in range(len(path) + 1))
    return (
        bool(path)
        and pattern[0] in {"*", path[0], "[*]" if path[0].startswith("[") else path[0]}
        and _match(pattern[1:], path[1:])
    )
