"""What is wrong with an expectation before it ever meets an answer: fields of another kind, and what can't fail.

An expectation that can't fail makes a case green that nothing judged; it is refused where the set is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from services.replay import matching, patterns, toolcalls
from services.replay.kinds import COMMON, KINDS
from services.replay.reading import select

Problem = tuple[str, str]  # the field ("" for the whole), and what is wrong
# Values that no useful schema takes all of.
_ODD: tuple[Any, ...] = (None, True, False, 0, -1, 1.5, 10**9, "", "x", [], [1], ["x"], {}, {"x": 1}, {"text": "x"})


def problems(expectation: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything that is wrong with an expectation of a known kind, in a case with that context."""
    kind = str(expectation["kind"])
    for name in sorted(set(expectation) - KINDS[kind].fields - COMMON):
        yield name, f"is no field of {kind}"
    for name, pattern in _patterns(expectation):
        try:
            patterns.compiled(pattern)
        except patterns.WrongPattern as error:
            yield name, f"is not a regular expression: {error}"
            return
    yield from _everywhere(expectation)
    check = _CHECKS.get(kind)
    if check is not None:
        yield from check(expectation, context)


def _patterns(expectation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "regex" in expectation:
        yield "regex", expectation["regex"]
    for where, call in _with_arguments(expectation):
        arguments = call.get("arguments") or {}
        if call.get("match") == "regex":
            yield from ((f"{where}arguments.{name}", str(value)) for name, value in arguments.items())
        else:
            yield from _marked_patterns(arguments, f"{where}arguments")
    for name in ("is", "has"):
        yield from _marked_patterns(expectation.get(name), name)


def _everywhere(expectation: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong in the same way in several kinds: patterns that name everything, values that nothing matches."""
    for name in ("ignore", "read_only", "optional"):
        for number, pattern in enumerate(expectation.get(name, ())):
            if matching.names_everything(pattern):
                yield f"{name}[{number}]", "names everything, so nothing is left that could fail"
    for where, call in _with_arguments(expectation):
        if where and any(matching.names_everything(pattern) for pattern in call.get("ignore", ())):
            yield f"{where}ignore", "names everything, so nothing is left that could fail"
        if matching.is_impossible(call.get("arguments")):
            yield f"{where}arguments", "asks for one of no values, so no answer can pass"
    for name in ("is", "has"):
        if matching.is_impossible(expectation.get(name)):
            yield name, "asks for one of no values, so no answer can pass"


def _with_arguments(expectation: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "", expectation
    for name in ("writes", "optional_writes"):
        yield from ((f"{name}[{n}].", call) for n, call in enumerate(expectation.get(name, ())))


def _marked_patterns(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """The patterns of `$regex` within a wanted value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "$regex":
                yield f"{path}.$regex", str(inner)
            else:
                yield from _marked_patterns(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _marked_patterns(inner, f"{path}[{number}]")


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
    deep = wanted.get("match") in {"deep", "deep_equal"}
    for name in sorted(matching.FIELDS - {"ignore"}):
        if name in wanted and not deep:
            yield name, 'is read with "match": "deep" or "deep_equal" alone'
    ignored = set(wanted.get("ignore", ()))
    arguments = wanted.get("arguments")
    if arguments and set(arguments) <= ignored:
        yield "ignore", "leaves out every argument, so they can't fail"
    if deep and arguments and wanted.get("match") == "deep" and all(map(matching.is_certain, arguments.values())):
        yield "arguments", "take every value, so they can't fail"


def _final_writes(wanted: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[Problem]:
    shared = {name: wanted[name] for name in matching.FIELDS if name in wanted}
    for name in ("writes", "optional_writes"):
        for number, call in enumerate(wanted.get(name, ())):
            merged = {**(shared if call.get("match") in {"deep", "deep_equal"} else {}), **call}
            yield from ((f"{name}[{number}].{field}".rstrip("."), what) for field, what in _calls(merged, context))
    for number, call in enumerate(wanted["writes"]):
        if toolcalls.named(call["tool"], wanted.get("read_only", ())):
            yield f"writes[{number}].tool", "is one of read_only, which don't count, so no answer can pass"


def _any_of(wanted: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[Problem]:
    for number, option in enumerate(wanted["options"]):
        for n, each in enumerate(option):
            where = f"options[{number}][{n}]"
            if each["kind"] not in KINDS:
                yield f"{where}.kind", f"is not known: {each['kind']!r}"
                continue
            if "criterion" in each or "weight" in each:
                yield where, "is part of an expectation: only that has a criterion and a weight"
            yield from ((f"{where}.{field}".rstrip("."), what) for field, what in problems(each, context))


def _bounded(wanted: Mapping[str, Any], _context: Mapping[str, Any]) -> Iterator[Problem]:
    if "max" not in wanted and wanted.get("min", 0) <= 0:
        yield "min", "is met by every number, so it can't fail"
    if wanted.get("max", 0) < 0:
        yield "max", "is below 0, so no answer can pass"
    yield from _bounds(wanted, "min", "max")


def _end_state(wanted: Mapping[str, Any], _context: Mapping[str, Any]) -> Iterator[Problem]:
    said = [name for name in ("is", "has", "absent", "changed", "sha256") if name in wanted]
    if len(said) > 1:
        yield said[1], f"is asked for beside {said[0]}: write an expectation for each"
    for name in ("is", "has"):
        if name in wanted and (matching.is_certain(wanted[name]) or (name == "has" and wanted[name] == {})):
            yield name, "takes every state, so it can't fail"
    if "changed" in wanted and wanted.get("when") == "before":
        yield "when", "is not read with changed, which compares before and after"


def _json_in_text(wanted: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[Problem]:
    if "schema" in wanted:
        yield from _json_schema(wanted, context)


def _contains_number(wanted: Mapping[str, Any], _context: Mapping[str, Any]) -> Iterator[Problem]:
    asked = (*([wanted["value"]] if "value" in wanted else ()), *wanted.get("all_of", ()), *wanted.get("any_of", ()))
    least = min((abs(number) for number in asked if number), default=None)
    if least is not None and wanted.get("tolerance", 0) >= least:
        yield "tolerance", f"is as large as the number {least:g} itself, so nearly every number passes"


def _similar(wanted: Mapping[str, Any], _context: Mapping[str, Any]) -> Iterator[Problem]:
    if any(not each.strip() for each in wanted["to"]):
        yield "to", "holds an empty text"


_CHECKS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[Problem]]] = {
    "text_contains": _text_contains,
    "text_forbidden": _text_forbidden,
    "json_schema": _json_schema,
    "number_range": _number_range,
    "length": _length,
    "no_personal_data": _no_personal_data,
    "tool_required": _calls,
    "tool_forbidden": _calls,
    "final_writes": _final_writes,
    "any_of": _any_of,
    "call_count": _bounded,
    "step_count": _bounded,
    "end_state": _end_state,
    "json_in_text": _json_in_text,
    "similar": _similar,
    "contains_number": _contains_number,
}
