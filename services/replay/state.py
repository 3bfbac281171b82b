"""The state that an agent reports in the end, and JSON within its text, compared deeply."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from services.replay import matching
from services.replay.matching import Compare
from services.replay.model import Answer, GoldenCase
from services.replay.reading import text_of
from services.replay.toolcalls import Result

_NOTHING: Any = object()
MOST_TRIED = 200  # places in a text where JSON may begin


def end_state(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    """What the agent reports of its world, at a path."""
    if answer.state is None:
        return False, "the state is not reported"
    when, path = wanted.get("when", "after"), wanted.get("path", "")
    if when not in answer.state:
        return False, f"the state {when} is not reported"
    found = at(answer.state[when], path)
    how = Compare.from_expectation(wanted)
    if "changed" in wanted:
        if "before" not in answer.state:
            return False, "the state before is not reported"
        before = at(answer.state["before"], path)
        is_changed = not _equal(before, found, how)
        said = "changed" if is_changed else "did not change"
        return is_changed is wanted["changed"], f"{path or 'the state'} {said}"
    if "absent" in wanted:
        return found is _NOTHING, f"{path or 'the state'} is {'absent' if found is _NOTHING else 'there'}"
    if found is _NOTHING:
        return False, f"{path or 'the state'} is absent"
    if "sha256" in wanted:
        return hash_of(found) == wanted["sha256"], f"{path or 'the state'} has the hash {hash_of(found)[:12]}…"
    if "is" in wanted:
        wrong = matching.difference(found, wanted["is"], Compare.from_expectation(wanted, whole=True), path)
    else:
        wrong = matching.difference(found, wanted["has"], how, path)
    return wrong is None, wrong or f"{path or 'the state'} is as asked"


def _equal(before: Any, after: Any, how: Compare) -> bool:
    if before is _NOTHING or after is _NOTHING:
        return before is after
    plain = Compare(whole=True, ignore=how.ignore, unordered=how.unordered, tolerance=how.tolerance)
    return matching.difference(after, before, plain) is None


def hash_of(value: Any) -> str:
    """SHA-256 of a value as canonical JSON: keys sorted, no blanks."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def at(value: Any, path: str) -> Any:
    """The part at a path such as `orders.W1.items[0]`; a marker of its own where there is none: null is a value."""
    for part in [part for part in path.replace("[", ".").replace("]", "").split(".") if part]:
        if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, Mapping) and part in value:
            value = value[part]
        else:
            return _NOTHING
    return value


def json_in_text(wanted: Mapping[str, Any], _case: GoldenCase, answer: Answer) -> Result:
    """JSON in the text that has a form, or holds something."""
    found = list(values_in(text_of(answer, wanted)))
    if not found:
        return False, "the text holds no JSON"
    if "schema" in wanted:
        import jsonschema_rs

        validator = jsonschema_rs.validator_for(wanted["schema"])
        return any(validator.is_valid(value) for value in found), "the form of the JSON in the text"
    how = Compare.from_expectation(wanted)
    wrong = [matching.difference(value, wanted["has"], how) for value in found]
    return None in wrong, "the text holds the JSON" if None in wrong else f"the JSON in the text: {wrong[0]}"


def values_in(text: str) -> Iterator[Any]:
    """Each JSON object or list in a text, the outermost ones."""
    decoder, place, tried = json.JSONDecoder(), 0, 0
    while tried < MOST_TRIED:
        place = min((p for p in (text.find("{", place), text.find("[", place)) if p >= 0), default=-1)
        if place < 0:
            return
        tried += 1
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place += 1
            continue
        yield value
