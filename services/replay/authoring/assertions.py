"""promptfoo's assertions as expectations: one table of types, with what each becomes, or why it can't.

Source: promptfoo, *Assertions and metrics* with its pages of each type, read in November 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.replay.authoring.cases import CRITERION, Case, Collected, criterion, slug

Expectation = dict[str, Any]
WITH_PATH = frozenset({"text_contains", "text_forbidden", "json_in_text", "similar", "length"})
EXACT = {"ignore_case": False, "ignore_space": False}
MODEL = frozenset({
    "llm-rubric", "g-eval", "factuality", "model-graded-closedqa", "model-graded-factuality", "answer-relevance",
    "context-faithfulness", "context-recall", "context-relevance", "conversation-relevance", "select-best", "max-score",
    "pi", "classifier", "moderation", "search-rubric", "agent-rubric", "guardrails", "trajectory:goal-success",
})  # fmt: skip
CODE = frozenset({"javascript", "python", "ruby", "webhook"})
VARIABLE = re.compile(r"\{\{-?\s*([\w.]+)\s*-?\}\}")
LOGIC = re.compile(r"\{%|\{\{")


@dataclass(frozen=True, kw_only=True, slots=True)
class Assertion:
    """One assertion as it stands in a file."""

    type: str
    value: Any = None
    threshold: float | None = None
    metric: str = ""
    path: str = ""
    inner: tuple[Mapping[str, Any], ...] = field(default=())


def from_object(raw: Mapping[str, Any], *, path: str) -> Assertion:
    """From `{type, value, threshold, metric}`."""
    inner = raw.get("assert")
    return Assertion(
        type=str(raw.get("type") or ""), value=raw.get("value"), threshold=_number(raw.get("threshold")),
        metric=str(raw.get("metric") or ""), path=path,
        inner=tuple(item for item in inner if isinstance(item, Mapping)) if isinstance(inner, list) else (),
    )  # fmt: skip


_TEXT = re.compile(
    r"^\s*(?P<type>(?:not-)?[a-z][a-z0-9-]*(?::[a-z-]+)?)\s*(?:\(\s*(?P<threshold>[\d.]+)\s*\))?\s*:(?P<value>.*)$",
    re.S,
)


def from_text(text: str, *, path: str) -> Assertion:
    """From a cell such as `contains: Paris` or `similar(0.8): Hello`; one without a type is `equals`."""
    return from_object(as_object(text), path=path)


def as_object(text: str) -> dict[str, Any]:
    """The same as the object that a configuration would hold."""
    found, bare = _TEXT.match(text), text.strip()
    if bare in {"is-json", "contains-json", "is-refusal", "not-is-refusal"}:
        return {"type": bare}
    if found is None or found["type"].removeprefix("not-") not in KNOWN:
        return {"type": "equals", "value": bare}
    value: Any = found["value"].strip()
    if found["type"].removeprefix("not-").endswith(("-any", "-all")):
        value = [part.strip() for part in re.split(r"(?<!\\),", value) if part.strip()]
    return {"type": found["type"], "value": value, "threshold": found["threshold"]}


def taken(made: Collected, place: str, one: Assertion, *, variables: Mapping[str, Any]) -> list[Expectation]:
    """What an assertion becomes; what it can't become is left out or noted there, with the reason."""
    type_ = one.type.removeprefix("not-")
    value = _filled(one.value, variables)
    if value is None and one.value is not None:
        made.leave(place, f"The assertion '{one.type}' uses a template that is more than a variable.",
                   "Write its value out.")  # fmt: skip
        return []
    if isinstance(value, str) and value.startswith("file://"):
        made.leave(place, f"The assertion '{one.type}' reads its value from a file.", "Write its value out.")
        return []
    id_ = slug(one.metric, "_")[:40] or CRITERION
    if type_ == "assert-set":
        return _set(made, place, one, variables)
    if type_ in MODEL:
        made.note(place, f"'{one.type}' is a matter for a model: it became a criterion that --judge llm scores.")
        return [_for_a_model(one, value)]
    if type_ in CODE:
        made.leave(place, f"'{one.type}' runs code of its own.", "Write what it checks as expectations.")
        return []
    make = (NEGATED if one.type.startswith("not-") else KINDS).get(type_)
    found = None if make is None else make(value, one)
    if found is None:
        made.leave(place, f"There is no expectation for the assertion '{one.type[:40]}'.",
                   "Say in other words what must hold; golden/README.md lists what can be said.")  # fmt: skip
        return []
    text = {"path": one.path} if one.path and found["kind"] in WITH_PATH else {}
    return [{"criterion": id_, **found, **text}]


def _set(made: Collected, place: str, one: Assertion, variables: Mapping[str, Any]) -> list[Expectation]:
    found = [
        item for raw in one.inner for item in taken(made, place, from_object(raw, path=one.path), variables=variables)
    ]
    if one.threshold is not None and one.threshold < 1 and len(found) > 1:
        made.note(place, f"Of this assert-set a share of {one.threshold:g} was enough; here all of it must be met.")
    return found


def _for_a_model(one: Assertion, value: Any) -> Expectation:
    text = " ".join(str(value or one.type).split())
    id_ = slug(one.metric or text, "_")[:40].strip("_") or "judged"
    return {"criterion": id_, "kind": "", "title": text[:200], "negated": one.type.startswith("not-")}


def criteria_of(found: Sequence[Expectation]) -> list[Case]:
    """The criteria that expectations name, in their order; those for a model carry their text."""
    made: dict[str, Case] = {}
    for item in found:
        id_ = item["criterion"]
        if id_ in made:
            continue
        if item["kind"]:
            title = "The answer is as expected" if id_ == CRITERION else id_.replace("_", " ").capitalize()
            made[id_] = criterion(id_, title)
        else:
            good, bad = item["title"], f"Not so: {item['title']}"
            made[id_] = criterion(id_, item["title"], good=bad if item["negated"] else good,
                                  bad=good if item["negated"] else bad)  # fmt: skip
    return list(made.values())


def checkable(found: Sequence[Expectation]) -> list[Expectation]:
    """Those that are checked without a model."""
    return [item for item in found if item["kind"]]


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:
    """The value with its `{{variables}}` filled in; None where a template asks for more."""
    if isinstance(value, str):
        text = VARIABLE.sub(lambda found: _variable(found, variables), value)
        return None if LOGIC.search(text) else text
    if isinstance(value, list):
        inner = [_filled(item, variables) for item in value]
        return None if any(item is None for item in inner) else inner
    return value


def _variable(found: re.Match[str], variables: Mapping[str, Any]) -> str:
    value: Any = variables
    for part in found[1].split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return found[0] if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def filled(text: str, variables: Mapping[str, Any]) -> str | None:
    """A prompt with its variables filled in; None where its template asks for more."""
    found = _filled(text, variables)
    return found if isinstance(found, str) else None


def _number(value: Any) -> float | None:
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _several(value: Any) -> list[str] | None:
    items = value if isinstance(value, list) else str(value or "").split(",")
    kept = [str(item) for item in items if str(item).strip()]
    return kept or None


Maker = Callable[[Any, Assertion], Expectation | None]


def _contains(*, any_: bool = False, several: bool = False, exact: bool) -> Maker:
    def made(value: Any, _one: Assertion) -> Expectation | None:
        items = _several(value) if several else [str(value)] if value not in (None, "") else None
        if items is None:
            return None
        how = {"any_of": items} if any_ else {"all_of": items}
        return {"kind": "text_contains", **how, **(EXACT if exact else {"ignore_space": False})}

    return made


def _lacks(*, several: bool = False, exact: bool) -> Maker:
    def made(value: Any, _one: Assertion) -> Expectation | None:
        items = _several(value) if several else [str(value)] if value not in (None, "") else None
        return None if items is None else {"kind": "text_forbidden", "any_of": items,
                                           **(EXACT if exact else {"ignore_space": False})}  # fmt: skip

    return made


def _equals(value: Any, _one: Assertion) -> Expectation | None:
    if isinstance(value, (dict, list)):
        return {"kind": "json_schema", "schema": {"const": value}}
    return None if value in (None, "") else {"kind": "text_contains", "equals": str(value), **EXACT}


def _pattern(make: Callable[[str], str], kind: str) -> Maker:
    def made(value: Any, _one: Assertion) -> Expectation | None:
        return None if value in (None, "") else {"kind": kind, "regex": make(str(value)), "ignore_case": False}

    return made


def _refusal(_value: Any, _one: Assertion) -> Expectation:
    return {"kind": "refusal"}


def _word_count(value: Any, _one: Assertion) -> Expectation | None:
    if isinstance(value, Mapping):
        low, high = _number(value.get("min")), _number(value.get("max"))
    else:
        low = high = _number(value)
    bounds = {name: int(bound) for name, bound in (("min_words", low), ("max_words", high)) if bound is not None}
    return {"kind": "length", **bounds} if bounds else None


def _json(value: Any, _one: Assertion) -> Expectation | None:
    """JSON in the text, of that form where a schema is given; one in another file can't be seen here."""
    if value in (None, ""):
        return {"kind": "json_in_text", "schema": {"type": ["object", "array"]}}
    return {"kind": "json_in_text", "schema": value} if isinstance(value, Mapping) else None


def _levenshtein(value: Any, one: Assertion) -> Expectation | None:
    """A distance in characters as a share of the longer text: of one that is as long as what is asked."""
    most = 5.0 if one.threshold is None else one.threshold
    if not isinstance(value, str) or not value or most >= len(value):
        return None
    return {"kind": "similar", "to": [value], "ratio": round(1 - most / len(value), 4), **EXACT}


def _at_most(kind: str, field_: str) -> Maker:
    def made(_value: Any, one: Assertion) -> Expectation | None:
        return {"kind": kind, field_: one.threshold} if one.threshold else None

    return made


def _ended(value: Any, _one: Assertion) -> Expectation:
    return {"kind": "ended", **({"ended": [str(value)]} if value else {})}


KINDS: Mapping[str, Maker] = {
    "equals": _equals,
    "contains": _contains(exact=True),
    "icontains": _contains(exact=False),
    "contains-all": _contains(several=True, exact=True),
    "icontains-all": _contains(several=True, exact=False),
    "contains-any": _contains(several=True, any_=True, exact=True),
    "icontains-any": _contains(several=True, any_=True, exact=False),
    "starts-with": _pattern(lambda text: r"\A" + re.escape(text), "text_contains"),
    "regex": _pattern(str, "text_contains"),
    "is-refusal": _refusal,
    "word-count": _word_count,
    "is-json": _json,
    "contains-json": _json,
    "levenshtein": _levenshtein,
    "cost": _at_most("cost", "max_usd"),
    "latency": _at_most("latency", "max_ms"),
    "finish-reason": _ended,
}
NEGATED: Mapping[str, Maker] = {
    "equals": _pattern(lambda text: r"\A" + re.escape(text) + r"\Z", "text_forbidden"),
    "contains": _lacks(exact=True),
    "icontains": _lacks(exact=False),
    "contains-any": _lacks(several=True, exact=True),
    "icontains-any": _lacks(several=True, exact=False),
    "starts-with": _pattern(lambda text: r"\A" + re.escape(text), "text_forbidden"),
    "regex": _pattern(str, "text_forbidden"),
}
OTHERS = frozenset({
    "similar", "rouge-n", "bleu", "gleu", "meteor",
    "perplexity", "perplexity-score", "is-html", "contains-html", "is-sql", "contains-sql", "is-xml", "contains-xml",
    "is-valid-function-call", "is-valid-openai-function-call", "is-valid-openai-tools-call", "tool-call-f1",
    "trace-span-count", "trace-span-duration", "trace-error-spans", "skill-used",
})  # fmt: skip
KNOWN = frozenset({*KINDS, *MODEL, *CODE, *OTHERS, "assert-set"})
