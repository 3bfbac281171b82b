"""The expectations that can be checked without a model. A table of kinds; each answers met or not, and why."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.redact import scrub
from services.replay import code, limits, numbers, patterns, state, toolcalls
from services.replay.model import Answer, GoldenCase
from services.replay.reading import select, shown, text_of
from services.replay.toolcalls import Result

FORBIDDING = frozenset({"text_forbidden", "no_personal_data"})  # what may not be said may be said in no turn
MOST_ASKED = 200  # characters of an expectation, in a reason
LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pl", "pt")
REFUSAL = re.compile(
    r"\b(can(no|')t|cannot|won't|will not|unable to|not able to|not allowed|must not|may not|declin\w+|refus\w+)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """One expectation, checked."""

    criterion: str
    kind: str
    met: bool
    why: str
    asked: str = ""
    weight: float = 1.0


def check_all(case: GoldenCase, answer: Answer) -> tuple[Checked, ...]:
    """Every expectation of a case against an answer, in order."""
    return tuple(
        Checked(
            criterion=e["criterion"],
            kind=e["kind"],
            met=met,
            why=why,
            weight=float(e.get("weight", 1)),
            asked="" if met else _asked(e),
        )
        for e in case.expectations
        for met, why in [check(e, case, answer)]
    )


def _asked(expectation: Mapping[str, Any]) -> str:
    """An expectation as its set writes it, short."""
    rest = {name: value for name, value in expectation.items() if name not in {"criterion", "kind", "weight"}}
    text = scrub(" ".join(json.dumps(rest, ensure_ascii=False).split()))
    return f"{expectation['kind']} {text if len(text) <= MOST_ASKED else text[:MOST_ASKED] + '…'}"


def check(wanted: Mapping[str, Any], case: GoldenCase, answer: Answer) -> Result:
    """One expectation against an answer, or against the turns of it that it names."""
    kind = wanted["kind"]
    turn, made = wanted.get("turn", "every" if kind in FORBIDDING and answer.turns else None), KINDS[kind]
    if turn is None:
        return made(wanted, case, answer)
    turns = answer.turns or (answer,)
    if isinstance(turn, int):
        return made(wanted, case, turns[turn - 1]) if turn <= len(turns) else (False, f"there was no turn {turn}")
    if turn == "last":
        return made(wanted, case, turns[-1])
    found = [made(wanted, case, each) for each in turns]
    is_met = turn == "any"
    number = next((n for n, (met, _) in enumerate(found) if met is is_met), None)
    if turn == "any":
        return (True, found[number][1]) if number is not None else (False, f"in no turn: {found[-1][1]}")
    return (False, f"in turn {number + 1}: {found[number][1]}") if number is not None else (True, found[-1][1])


def _prepared(text: str, wanted: Mapping[str, Any]) -> str:
    for char in wanted.get("ignore_chars", ""):
        text = text.replace(char, "")
    if wanted.get("ignore_space", True):
        text = " ".join(text.split())
    return text.casefold() if wanted.get("ignore_case", True) else text


def _found(text: str, wanted: Mapping[str, Any], name: str) -> Iterator[tuple[str, bool]]:
    prepared = _prepared(text, wanted)
    for item in wanted.get(name, ()):
        yield item, _prepared(item, wanted) in prepared


def _text_contains(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    text = text_of(answer, wanted)
    if "equals" in wanted and _prepared(text, wanted) != _prepared(wanted["equals"], wanted):
        return False, f"the text is {shown(text)}, asked was {wanted['equals']!r}"
    missing = [item for item, there in _found(text, wanted, "all_of") if not there]
    if missing:
        return False, f"the text lacks {missing[0]!r}"
    if "any_of" in wanted and not any(there for _, there in _found(text, wanted, "any_of")):
        return False, "the text holds none of: " + ", ".join(map(repr, wanted["any_of"]))
    flags = patterns.IGNORE_CASE if wanted.get("ignore_case", True) else 0
    if "regex" in wanted and not patterns.found(wanted["regex"], text, flags):
        return False, f"the text does not match {wanted['regex']!r}: it is {shown(text)}"
    return True, "the text holds what it must"


def _text_forbidden(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    text = text_of(answer, wanted)
    if wanted.get("tool_arguments", False):
        text += " " + json.dumps([dict(call.arguments) for call in answer.tool_calls], ensure_ascii=False)
    hit = next((item for item, there in _found(text, wanted, "any_of") if there), None)
    if hit is not None:
        return False, f'contains the forbidden text "{hit}"'
    flags = patterns.IGNORE_CASE if wanted.get("ignore_case", True) else 0
    if "regex" in wanted and patterns.found(wanted["regex"], text, flags):
        return False, f"contains text that the pattern {wanted['regex']!r} forbids"
    return True, "the text holds nothing forbidden"


def _json_schema(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    import jsonschema_rs

    error = next(iter(jsonschema_rs.validator_for(wanted["schema"]).iter_errors(answer.output)), None)
    if error is None:
        return True, "the output has the expected form"
    where = ".".join(str(part) for part in error.instance_path) or "its top"
    return False, f"the output's form is wrong at {where}: {scrub(error.message[:160])}"


def _number_range(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    value = select(answer.output, wanted["path"])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False, f"{wanted['path']} is {shown(value)}, asked was a number"
    low, high = wanted.get("min"), wanted.get("max")
    fits = (low is None or value >= low) and (high is None or value <= high)
    bounds = f"{'any' if low is None else low} to {'any' if high is None else high}"
    return fits, f"{wanted['path']} is {value:g}; {bounds} is expected"


def _refusal(_wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    decision = select(answer.output, "decision")
    if decision in {"refused", "declined"}:
        return True, "it refused"
    text = text_of(answer, {"path": "text"} if isinstance(answer.output, Mapping) else {})
    return bool(REFUSAL.search(text)), "it refused" if REFUSAL.search(text) else "it did not refuse"


def _approval_asked(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    tools = wanted.get("tools", ("approval.request",))
    asked = any(call.tool in tools for call in answer.tool_calls)
    return asked, "approval was asked for" if asked else "approval was not asked for"


def _no_personal_data(wanted: Mapping[str, Any], case: GoldenCase, answer: Answer) -> Result:
    """Values at these paths of the context appear neither in the output nor in what tools were given."""
    said = json.dumps([answer.output, [dict(c.arguments) for c in answer.tool_calls]], ensure_ascii=False, default=str)
    folded, digits = said.casefold(), re.sub(r"\D", "", said)
    for path in wanted["paths"]:
        value = select(case.context, path)
        for item in value if isinstance(value, (list, tuple)) else [value]:
            text = str(item or "").strip()
            if not text:
                continue
            number = re.sub(r"\D", "", text)
            is_number = len(number) >= 6 and len(number) >= len(re.sub(r"\s", "", text)) / 2
            if text.casefold() in folded or (is_number and number in digits):
                return False, f"personal data from {path} is in the answer"
    return True, "no personal data is in the answer"


def _language(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    text = text_of(answer, wanted)
    if len(text) < 20:
        return False, "the text is too short to tell its language"
    found = identify(text)
    return found == wanted["code"], f"the text is in {found!r}; {wanted['code']!r} is expected"


def identify(text: str) -> str:
    """The language of a text, as ISO 639-1."""
    import py3langid

    global _limited  # noqa: PLW0603 - the library's model is one for the process
    if not _limited:
        py3langid.set_languages(list(LANGUAGES))
        _limited = True
    return str(py3langid.classify(text)[0])


_limited = False


def _length(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    text = text_of(answer, wanted)
    words = len(text.split())
    for name, value in (("chars", len(text)), ("words", words)):
        low, high = wanted.get(f"min_{name}"), wanted.get(f"max_{name}")
        if (low is not None and value < low) or (high is not None and value > high):
            return False, f"the text has {value} {name}; {low or 0} to {high or 'any'} are expected"
    return True, f"the text has {words} words"


def _contains_number(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    text, tolerance = text_of(answer, wanted), float(wanted.get("tolerance", 0))
    asked = [wanted["value"]] if "value" in wanted else []
    missing = [n for n in (*asked, *wanted.get("all_of", ())) if not numbers.holds(text, n, tolerance=tolerance)]
    if missing:
        return False, f"the text does not name the number {missing[0]:g}: it is {shown(text)}"
    several = wanted.get("any_of")
    if several is not None and not any(numbers.holds(text, n, tolerance=tolerance) for n in several):
        return False, f"the text names none of the numbers {', '.join(f'{n:g}' for n in several)}: it is {shown(text)}"
    return True, "the text names the number"


def _similar(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    from rapidfuzz.distance import Levenshtein

    text = _prepared(text_of(answer, wanted), wanted)
    found = max(Levenshtein.normalized_similarity(text, _prepared(each, wanted)) for each in wanted["to"])
    return found >= wanted["ratio"], f"the text is {found:.2f} of 1 like what is asked; {wanted['ratio']:g} is needed"


def _any_of(wanted: Mapping[str, Any], case: GoldenCase, answer: Answer) -> Result:
    missed = []
    for option in wanted["options"]:
        found = [check(each, case, answer) for each in option]
        if all(met for met, _ in found):
            return True, "one of the allowed outcomes was met: " + "; ".join(why for _, why in found)
        missed.append(next(why for met, why in found if not met))
    return False, "none of the allowed outcomes was met: " + "; or ".join(missed)


def _on_calls(check: Callable[..., Result]) -> Callable[[Mapping[str, Any], GoldenCase, Answer], Result]:
    return lambda wanted, _case, answer: check(answer.tool_calls, wanted)


KINDS: Mapping[str, Callable[[Mapping[str, Any], GoldenCase, Answer], Result]] = {
    "text_contains": _text_contains,
    "text_forbidden": _text_forbidden,
    "json_schema": _json_schema,
    "number_range": _number_range,
    "tool_required": _on_calls(toolcalls.required),
    "tool_forbidden": _on_calls(toolcalls.forbidden),
    "tool_order": _on_calls(toolcalls.order),
    "tool_at_most": _on_calls(toolcalls.at_most),
    "final_writes": _on_calls(toolcalls.final_writes),
    "refusal": _refusal,
    "approval_asked": _approval_asked,
    "no_personal_data": _no_personal_data,
    "language": _language,
    "length": _length,
    "contains_number": _contains_number,
    "similar": _similar,
    "any_of": _any_of,
    "json_in_text": state.json_in_text,
    "end_state": state.end_state,
    "call_count": limits.call_count,
    "step_count": limits.step_count,
    "cost": limits.cost,
    "tokens": limits.tokens,
    "latency": limits.latency,
    "ended": limits.ended,
    "python": code.python,
}
