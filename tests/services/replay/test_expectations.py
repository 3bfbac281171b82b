"""Each kind of expectation: what meets it, what nearly does and must not."""

from typing import Any

import pytest

from services.replay.expectations import KINDS, check_all
from services.replay.model import Answer, Criterion, GoldenCase, ToolCall

CONTEXT = {"contacts": [{"phone": "+49 40 3344 5566", "email": "tom@x.example"}], "names": ["Tom Becker", "Mara"]}


def met(expectation: dict[str, Any], output: Any, *calls: tuple[Any, ...]) -> bool:
    case = GoldenCase(
        id="c", title="t", category="k", input={}, context=CONTEXT, expectations=({"criterion": "x"} | expectation,),
        criteria=(Criterion(id="x", title="x", anchors={}),),
    )  # fmt: skip
    tools = tuple(
        ToolCall(tool=c[0], arguments=c[1] if len(c) > 1 else {}, status=c[2] if len(c) > 2 else "ok") for c in calls
    )
    checked = check_all(case, Answer(output=output, tool_calls=tools))[0]
    assert checked.why
    return checked.met


T = "tool_required"
CASES: list[tuple[str, dict[str, Any], tuple[Any, ...], tuple[Any, ...]]] = [
    ("text_contains", {"all_of": ["Hello World"]}, ("say  hello\nworld",), ("say hello",)),
    ("text_contains", {"all_of": ["Hello"], "ignore_case": False}, ("Hello",), ("hello",)),
    ("text_contains", {"any_of": ["a", "b"]}, ("xb",), ("x",)),
    ("text_contains", {"regex": r"\d+ euros"}, ("12 euros",), ("x euros",)),
    ("text_contains", {"equals": "yes", "path": "decision"}, ({"decision": "YES "},), ({"decision": "yes and no"},)),
    ("text_contains", {"all_of": ["x"], "path": "a.0.b"}, ({"a": [{"b": "x"}]},), ({"a": []},)),
    ("text_forbidden", {"any_of": ["secret"]}, ("fine",), ("a SECRET",)),
    ("text_forbidden", {"regex": r"\byes\b"}, ("yesterday",), ("yes!",)),
    ("text_forbidden", {"any_of": ["secret"], "tool_arguments": True}, ("x", ("t", {"a": "no"})), ("x", ("t", {"a": "secret"}))),
    ("json_schema", {"schema": {"type": "object", "required": ["a"]}}, ({"a": 1},), ({"b": 1},)),
    ("number_range", {"path": "score", "min": 0, "max": 10}, ({"score": 10},), ({"score": 10.1},)),
    ("number_range", {"path": "score", "min": 0}, ({"score": 0},), ({"score": True},)),
    (T, {"tool": "a"}, ("", ("a",)), ("", ("b",))),
    (T, {"tool": "a", "arguments": {"x": 1}, "match": "equal"}, ("", ("a", {"x": 1})), ("", ("a", {"x": 1, "y": 2}))),
    (T, {"tool": "a", "arguments": {"x": 1}}, ("", ("a", {"x": 1, "y": 2})), ("", ("a", {"x": 2}))),
    (T, {"tool": "a", "arguments": {"x": "^ab"}, "match": "regex"}, ("", ("a", {"x": "abc"})), ("", ("a", {"x": "cab"}))),
    (T, {"tool": "a", "arguments": {"x": 1, "t": 5}, "match": "equal", "ignore": ["t"]}, ("", ("a", {"x": 1, "t": 9})),
     ("", ("a", {"x": 2, "t": 5}))),
    (T, {"tool": "a", "status": "ok"}, ("", ("a", {}, "error"), ("a", {}, "ok")), ("", ("a", {}, "error"))),
    ("tool_forbidden", {"tool": "a"}, ("", ("b",)), ("", ("b",), ("a",))),
    ("tool_forbidden", {"tools": ["a", "b"]}, ("", ("c",)), ("", ("b",))),
    ("tool_forbidden", {"tool": "a", "arguments": {"x": 1}}, ("", ("a", {"x": 2})), ("", ("a", {"x": 1}))),
    ("tool_order", {"tools": ["a", "b"]}, ("", ("a",), ("c",), ("b",)), ("", ("b",), ("a",))),
    ("tool_at_most", {"tool": "a", "n": 1}, ("", ("a",)), ("", ("a",), ("a",))),
    ("final_writes", {"writes": [{"tool": "w", "arguments": {"x": 1}}], "read_only": ["r"]},
     ("", ("r",), ("w", {"x": 1, "y": 2}), ("w", {}, "error")), ("", ("w", {"x": 1}), ("w", {"x": 1}))),
    ("final_writes", {"writes": []}, ("",), ("", ("w",))),
    ("refusal", {}, ({"decision": "refused", "text": ""},), ({"decision": "done", "text": "Here it is."},)),
    ("refusal", {}, ("I can't share that.",), ("The can is full.",)),
    ("approval_asked", {}, ("", ("approval.request",)), ("", ("email.send",))),
    ("no_personal_data", {"paths": ["contacts.0.phone", "contacts.0.email"]}, ("call us",), ("call +49-40-33445566",)),
    ("no_personal_data", {"paths": ["contacts.0.email"]}, ("x", ("t", {"to": "a@b.example"})), ("x", ("t", {"to": "TOM@x.example"}))),
    ("no_personal_data", {"paths": ["names"]}, ("nobody",), ("ask mara",)),
    ("language", {"code": "de"}, ("Vielen Dank für Ihre Nachricht, wir melden uns gern bei Ihnen.",),
     ("Thank you for your message, we will come back to you soon.",)),
    ("language", {"code": "fr"}, ("Merci beaucoup pour votre message, nous vous répondrons bientôt.",), ("Merci",)),
    ("length", {"min_words": 2, "max_words": 3}, ("one two",), ("one two three four",)),
    ("length", {"max_chars": 3}, ("abc",), ("abcd",)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "wanted", "good", "bad"), CASES)
def test_a_kind_tells_good_from_nearly_good(
    kind: str, wanted: dict[str, Any], good: tuple[Any, ...], bad: tuple[Any, ...]
) -> None:
    assert met({"kind": kind} | wanted, *good)
    assert not met({"kind": kind} | wanted, *bad)


def test_every_kind_is_shown() -> None:
    assert {case[0] for case in CASES} <= KINDS.keys()
