"""What is wrong with an expectation before it ever meets an answer: fields of another kind, and what can't fail.

An expectation that can't fail makes a case green that nothing judged; it is refused where the set is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from services.replay import patterns
from services.replay.expectations import select

Problem = tuple[str, str]  # the field ("" for the whole), and what is wrong
_COMMON = frozenset({"criterion", "kind"})
_TEXT = frozenset({"path", "regex", "ignore_case", "ignore_space"})
_CALL = frozenset({"tool", "arguments", "match", "ignore"})

# Which fields a kind reads. One that it doesn't read was meant for another kind, and would be passed over in silence.
FIELDS: Mapping[str, frozenset[str]] = {
    "text_contains": _TEXT | {"equals", "all_of", "any_of"},
    "text_forbidden": _TEXT | {"any_of", "tool_arguments"},
    "json_schema": frozenset({"schema"}),
    "number_range": frozenset({"path", "min", "max"}),
    "tool_required": _CALL | {"status"},
    "tool_forbidden": _CALL | {"tools"},
    "tool_order": frozenset({"tools"}),
    "tool_at_most": frozenset({"tool", "n"}),
    "final_writes": frozenset({"writes", "read_only"}),
    "refusal": frozenset(),
    "approval_asked": frozenset({"tools"}),
    "no_personal_data": frozenset({"paths"}),
    "language": frozenset({"path", "code"}),
    "length": frozenset({"path", "min_chars", "max_chars", "min_words", "max_words"}),
}
# Values that no useful schema takes all of.
_ODD: tuple[Any, ...] = (None, True, False, 0, -1, 1.5, 10**9, "", "x", [], [1], ["x"], {}, {"x": 1}, {"text": "x"})


def problems(expectation: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything that is wrong with an expectation of a known kind, in a case with that context."""
    kind = str(expectation["kind"])
    for name in sorted(set(expectation) - FIELDS[kind] - _COMMON):
        yield name, f"is no field of {kind}"
    for name, pattern in _patterns(expectation):
        try:
            patterns.compiled(pattern)
        except patterns.WrongPattern as error:
            yield name, f"is not a regular expression: {error}"
            return
    check = _CHECKS.get(kind)
    if check is not None:
        yield from check(expectation, context)


def _patterns(expectation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "regex" in expectation:
        yield "regex", expectation["regex"]
    calls = [("", expectation), *((f"writes[{n}].", call) for n, call in enumerate(expectation.get("writes", ())))]
    for where, call in calls:
        if call.get("match") == "regex":
            for name, value in (call.get("arguments") or {}).items():
                yield f"{where}arguments.{name}", str(value)


def _text_contains(wanted: Mapping[str, Any], _context: Mapping[str, Any]) -> Iterator[Problem]:
    if "regex" in wanted and patterns.matches_nothing_at_all(wanted["regex"]):
        yield "regex", "matches every text, so it can't fail"
    yield from _blank(wanted, "is in every text, so it can't fail")


def _text_forbidden(wanted: Mapping[str, Any], _context: Mapping[str, Any]) -> Iterator[Problem]:
    if "regex" in wanted and patterns.matches_nothing_at_all(wanted["regex"]):
        yield "regex", "matches every text, so no answer can pass"
    yield from _blank(wanted, "is in every text, so no answer can pass")


def _blank(wanted: Mapping[str, Any], why: str) -> Iterator[Problem]:
    if wanted.get("ignore_space", True):
        for name in ("all_of", "any_of"):
            for number, item in enumerate(wanted.get(name, ())):
                if not item.strip():
                    yield f"{name}[{number}]", why


def _json_schema(wanted: Mapping[str, Any], _context: Mapping[str, Any]) -> Iterator[Problem]:
    import jsonschema_rs

    try:
        validator = jsonschema_rs.validator_for(wanted["schema"])
        takes_all = all(validator.is_valid(value) for value in _ODD)
    except Exception as error:  # noqa: BLE001 - the library's errors for a wrong schema have no base of their own
        yield "schema", f"is not a JSON Schema ({type(error).__name__})"
        return
    if takes_all:
        yield "schema", "takes every output, so it can't fail"


def _number_range(wanted: Mapping[str, Any], _context: Mapping[str, Any]) -> Iterator[Problem]:
    if "min" not in wanted and "max" not in wanted:
        yield "", "number_range has neither min nor max, so it says nothing"
    yield from _bounds(wanted, "min", "max")


def _length(wanted: Mapping[str, Any], _context: Mapping[str, Any]) -> Iterator[Problem]:
    bounds = [name for name in ("min_chars", "max_chars", "min_words", "max_words") if name in wanted]
    if not bounds or all(name.startswith("min_") and wanted[name] == 0 for name in bounds):
        yield "", "length has no bound that an answer could break, so it can't fail"
    yield from _bounds(wanted, "min_chars", "max_chars")
    yield from _bounds(wanted, "min_words", "max_words")


def _bounds(wanted: Mapping[str, Any], low: str, high: str) -> Iterator[Problem]:
    if low in wanted and high in wanted and wanted[low] > wanted[high]:
        yield low, f"is above {high}, so no answer can pass"


def _no_personal_data(wanted: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[Problem]:
    for number, path in enumerate(wanted["paths"]):
        value = select(context, path)
        items = value if isinstance(value, (list, tuple)) else [value]
        if isinstance(value, Mapping) or any(isinstance(item, (Mapping, list)) for item in items):
            yield f"paths[{number}]", f"{path!r} is no text or number in this case's context"
        elif not any(item is not None and str(item).strip() for item in items):
            yield f"paths[{number}]", f"{path!r} names nothing in this case's context, so it can't fail"


def _calls(wanted: Mapping[str, Any], _context: Mapping[str, Any]) -> Iterator[Problem]:
    if "match" in wanted and "arguments" not in wanted:
        yield "match", "says how arguments are compared, but there are none"
    ignored = set(wanted.get("ignore", ()))
    if wanted.get("arguments") and set(wanted["arguments"]) <= ignored:
        yield "ignore", "leaves out every argument, so they can't fail"


_CHECKS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[Problem]]] = {
    "text_contains": _text_contains,
    "text_forbidden": _text_forbidden,
    "json_schema": _json_schema,
    "number_range": _number_range,
    "length": _length,
    "no_personal_data": _no_personal_data,
    "tool_required": _calls,
    "tool_forbidden": _calls,
}
