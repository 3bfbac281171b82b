"""Conditions on what a check finds: `status == 200`, `json.data[*].id has gpt-x`, `cert_days > 14`.

A condition is data: a fact, an operator, a value. JSON is addressed by JSONPath (RFC 9535); no code is evaluated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from jsonpath_rfc9535 import JSONPathQuery

FactType = Literal["number", "text", "texts", "any"]
OPERATORS = ("==", "!=", "<=", ">=", "<", ">", "has", "contains", "matches", "exists", "in")
ORDERED = ("<=", ">=", "<", ">")
LONGEST = 500
SHOWN = 120
MATCH_S = 0.5  # a regular expression that takes longer is stopped
MISSING = "nothing there"
_FITTING: Mapping[FactType, tuple[str, ...]] = {
    "number": ("==", "!=", *ORDERED, "in", "exists"),
    "text": ("==", "!=", "contains", "matches", "in", "exists"),
    "texts": ("has", "contains", "matches", "exists"),
    "any": OPERATORS,
}


class WrongCondition(ValueError):
    """A condition that can't be used; `position` counts its characters from 1."""

    def __init__(self, message: str, position: int) -> None:
        self.position = position
        super().__init__(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One condition. `fact` is a kind's own, or `header` and `json` with what they name."""

    text: str
    fact: str
    name: str
    operator: str
    expected: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A condition and what was found, both in words."""

    condition: str
    expected: str
    actual: str
    met: bool

    def as_row(self) -> dict[str, Any]:
        """As it is kept in a reading's detail."""
        return {"condition": self.condition, "expected": self.expected, "actual": self.actual, "met": self.met}


def parse(text: str, facts: Mapping[str, FactType]) -> Condition:
    """The condition that a text states about these facts. Raises WrongCondition."""
    if len(text) > LONGEST:
        raise WrongCondition(f"it is longer than {LONGEST} characters", LONGEST)
    start = len(text) - len(text.lstrip())
    end = _end_of_left(text, start)
    left = text[start:end]
    fact, name = _fact(left, facts, start)
    begin = end + len(text[end:]) - len(text[end:].lstrip())
    operator = _operator(text, begin)
    rest = text[begin + len(operator) :]
    at = begin + len(operator) + len(rest) - len(rest.lstrip()) + 1
    kind = facts.get(fact)
    if kind is not None and operator not in _FITTING[kind]:
        raise WrongCondition(f"{operator} can't be asked of {fact}; use one of {', '.join(_FITTING[kind])}", begin + 1)
    return Condition(text=text.strip(), fact=fact, name=name, operator=operator,
                     expected=_expected(rest.strip(), operator, kind, at))  # fmt: skip


def _end_of_left(text: str, start: int) -> int:
    """Where the left side ends: at white space or an operator outside brackets and quotes."""
    depth, quote = 0, ""
    for at in range(start, len(text)):
        sign = text[at]
        if quote:
            quote = "" if sign == quote and text[at - 1] != "\\" else quote
        elif sign in "'\"" and depth:
            quote = sign
        elif sign == "[":
            depth += 1
        elif sign == "]":
            depth -= 1
        elif not depth and (sign.isspace() or sign in "=!<>"):
            return at
    if depth or quote:
        raise WrongCondition("a bracket or quotation mark is not closed", len(text))
    return len(text)


def _fact(left: str, facts: Mapping[str, FactType], start: int) -> tuple[str, str]:
    known = ", ".join([*(name for name in facts if name not in {"header", "json"}), *(
        form for name, form in (("header", "header.<name>"), ("json", "json<path>")) if name in facts
    )])  # fmt: skip
    if "header" in facts and left.startswith("header."):
        name = left.removeprefix("header.").lower()
        if not name or any(ord(sign) < 33 or ord(sign) > 126 for sign in name):
            raise WrongCondition("a header's name is missing after header.", start + 8)
        return "header", name
    if "json" in facts and (left == "json" or left.startswith(("json.", "json["))):
        path = "$" + left.removeprefix("json")
        _query(path, start + 4)
        return "json", path
    if left in facts and left not in {"header", "json"}:
        return left, ""
    raise WrongCondition(f"{left[:40]!r} is nothing that can be asked here; use {known}", start + 1)


def _operator(text: str, begin: int) -> str:
    rest = text[begin:]
    for operator in OPERATORS:
        if rest.startswith(operator) and (not operator[0].isalpha() or not rest[len(operator) :][:1].isalnum()):
            return operator
    raise WrongCondition(f"an operator is expected here: {' '.join(OPERATORS)}", begin + 1)


def _expected(rest: str, operator: str, kind: FactType | None, at: int) -> Any:
    if operator == "exists":
        if rest:
            raise WrongCondition("nothing follows exists", at)
        return None
    if not rest:
        raise WrongCondition(f"a value is expected after {operator}", at)
    if operator == "in":
        return tuple(_of_kind(value, kind, at) for value in _listed(rest, at))
    if operator == "matches":
        pattern = _text(_value(rest))
        _compiled(pattern, at)
        return pattern
    if operator == "contains":
        return _text(_value(rest))
    value = _value(rest)
    if operator in ORDERED and not _is_number(value):
        raise WrongCondition(f"a number is expected after {operator}", at)
    return _of_kind(value, kind, at)


def _of_kind(value: Any, kind: FactType | None, at: int) -> Any:
    if kind == "number" and not _is_number(value):
        raise WrongCondition("a number is expected here", at)
    return _text(value) if kind in {"text", "texts"} else value


def _value(text: str) -> Any:
    """A JSON value, or the text itself where it is none: `gpt-x` needs no quotation marks."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] == "'" else text
    usable = not isinstance(found, (dict, list)) and not (isinstance(found, float) and not math.isfinite(found))
    return found if usable else text


def _listed(text: str, at: int) -> list[Any]:
    if text.startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = [_value(part.strip()) for part in text[1:-1].split(",")] if text.endswith("]") else None
        if not isinstance(found, list) or not found or any(isinstance(item, (dict, list)) for item in found):
            raise WrongCondition("a list of values is expected after in, such as [200, 204]", at)
        return found
    return [_value(part.strip()) for part in text.split(",")]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@lru_cache(maxsize=500)
def _query(path: str, start: int = 0) -> JSONPathQuery:
    from jsonpath_rfc9535 import JSONPathError, compile

    try:
        return compile(path)
    except (JSONPathError, ValueError, RecursionError) as error:
        token = getattr(error, "token", None)
        position = start + (getattr(token, "index", 0) or 0)
        raise WrongCondition(
            f"the path is not JSONPath as RFC 9535 has it ({str(error).splitlines()[0][:80]})", position
        ) from None


@lru_cache(maxsize=500)
def _compiled(pattern: str, at: int = 0) -> Any:
    import regex

    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        raise WrongCondition(f"the pattern is no regular expression ({str(error)[:80]})", at) from None


def evaluate(texts: Iterable[str], types: Mapping[str, FactType], facts: Mapping[str, Any]) -> tuple[Result, ...]:
    """Each condition against what was found. `facts` holds a value per fact; `header` a mapping, `json` a value."""
    return tuple(_evaluated(parse(text, types), facts) for text in texts)


def _evaluated(condition: Condition, facts: Mapping[str, Any]) -> Result:
    found = _found(condition, facts)
    met = bool(found) if condition.operator == "exists" else _met(condition, found)
    return Result(condition=condition.text, expected=_in_words(condition), actual=_actual(found), met=met)


def _found(condition: Condition, facts: Mapping[str, Any]) -> list[Any]:
    """The values that a condition speaks of: none, one, or those that a path finds."""
    if condition.fact == "header":
        value = facts.get("header", {}).get(condition.name)
        return [] if value is None else [value]
    if condition.fact == "json":
        if "json" not in facts:
            return []
        try:
            return list(_query(condition.name).find(facts["json"]).values())
        except (RecursionError, ValueError, TypeError):
            return []
    value = facts.get(condition.fact)
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _met(condition: Condition, found: Sequence[Any]) -> bool:
    """`has`, `contains` and `matches` ask for one value that does; all others for all values, and for at least one."""
    expected, operator = condition.expected, condition.operator
    if operator == "has":
        return any(_equal(value, expected) for value in found)
    if operator == "contains":
        return any(expected in _text(value) for value in found)
    if operator == "matches":
        return any(_matches(expected, _text(value)) for value in found)
    if not found:
        return False
    if operator == "==":
        return all(_equal(value, expected) for value in found)
    if operator == "!=":
        return not any(_equal(value, expected) for value in found)
    if operator == "in":
        return all(any(_equal(value, item) for item in expected) for value in found)
    return all(_is_number(value) and _ordered(operator, value, expected) for value in found)


def _equal(value: Any, expected: Any) -> bool:
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    return bool(value == expected)


def _ordered(operator: str, value: float, expected: float) -> bool:
    return {"<": value < expected, "<=": value <= expected, ">": value > expected, ">=": value >= expected}[operator]


def _matches(pattern: str, text: str) -> bool:
    try:
        return _compiled(pattern).search(text, timeout=MATCH_S) is not None
    except TimeoutError:
        return False


def _in_words(condition: Condition) -> str:
    if condition.operator == "exists":
        return "exists"
    expected = condition.expected
    value = ", ".join(_text(item) for item in expected) if isinstance(expected, tuple) else _text(expected)
    return f"{condition.operator} {value}"[:SHOWN]


def _actual(found: Sequence[Any]) -> str:
    if not found:
        return MISSING
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    text = ", ".join(_shown(value) for value in found[:5]) + more
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else _text(value)
