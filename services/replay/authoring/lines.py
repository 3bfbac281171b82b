"""Cases from JSON lines: our own, and those that others write for evaluations, known by the fields they have.

Known: our cases; OpenAI's evals (`input`, `ideal`); LangSmith (`inputs`, `outputs`); Braintrust (`input`, `expected`);
DeepEval (`input`, `expected_output`, `expected_tools`); Inspect (`input`, `target`); promptfoo (`vars`, `assert`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.outside import NotJson, parse_json
from services.replay.authoring import answers, promptfoo
from services.replay.authoring.cases import Collected, Imported

QUESTIONS = ("input", "text", "question", "prompt", "query", "user_input", "instruction", "message", "user")
ANSWERS = ("expected", "expected_output", "ideal", "target", "answer", "expected_answer", "expectedanswer", "reference",
           "ground_truth", "reference_answer", "completion", "output", "outputs")  # fmt: skip
OWN = frozenset({"id", "title", "category", "tags", "context", "metadata", "name"})
MOST_LINES = 50_000
MOST_BYTES = 1 << 20  # of one line


def read(data: bytes, *, source: str, added: str, how: str = "contains", path: str = "") -> Imported:
    """The cases of a file. Never raises: what can't be read is left out, with its line."""
    made = Collected(source=source, added=added)
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        place = f"line {number}"
        if number > MOST_LINES:
            made.leave(place, f"Lines after {MOST_LINES:,} are not read.", "Split the file.")
            break
        if not line.strip():
            continue
        if len(line) > MOST_BYTES:
            made.leave(place, "The line is larger than 1 MiB.")
            continue
        try:
            value = parse_json(line)
        except NotJson as error:
            made.leave(place, f"The line is no JSON: {error}.")
            continue
        if not isinstance(value, dict):
            made.leave(place, "The line is no JSON object.")
        elif {"input", "expectations", "criteria"} <= set(value):
            made.cases.append(_own(value, made.source, place, made.added))
        elif "vars" in value or "assert" in value:
            promptfoo.add(made, place, value, path=path)
        else:
            _other(made, place, value, how, path)
    if not made.cases and not made.left_out:
        made.leave("line 1", "The file is empty.", "Write a JSON object a line.")
    return made.done()


def _own(value: dict[str, Any], source: str, place: str, added: str) -> dict[str, Any]:
    return value | {"provenance": value.get("provenance") or {"source": f"{source}, {place}", "added": added}}


def _other(made: Collected, place: str, value: Mapping[str, Any], how: str, path: str) -> None:
    question = next((name for name in (*QUESTIONS, "inputs", "messages") if name in value), None)
    if question is None:
        made.leave(place, "The line has no input.", "Name the field 'input'.")
        return
    answer = next((name for name in ANSWERS if value.get(name) not in (None, "", [], {})), None)
    found = answers.calls(value.get("expected_tools") or value.get("expected_tool_calls"))
    if answer is not None:
        said = _inner(value[answer])
        one = answers.expectation(said, how=how, path=path)
        if one is not None:
            found.append(one)
        elif not found:
            made.leave(place, f"What '{answer}' holds can't be checked word for word.",
                       "Say in 'expectations' what must hold of it.")  # fmt: skip
            return
        else:
            made.note(place, f"What '{answer}' holds is not checked.", "Say in 'expectations' what must hold of it.")
    if not found:
        made.leave(place, "The line says nothing that could be checked.", "Add 'expected' or 'expectations'.")
        return
    more = value.get("metadata")
    category = value.get("category") or (more.get("category") if isinstance(more, Mapping) else "")
    made.add(place, input_=_input(value[question]), expectations=found, context=_context(value.get("context")),
             id_=str(value.get("id") or ""), title=str(value.get("title") or value.get("name") or ""),
             category=str(category or ""), tags=_tags(value.get("tags")))  # fmt: skip


def _inner(value: Any) -> Any:
    """LangSmith's `{"answer": "x"}` is its one text."""
    if isinstance(value, Mapping) and len(value) == 1:
        return next(iter(value.values()))
    return value


def _input(value: Any) -> dict[str, Any]:
    """A text, an object, or a list of chat messages: of those the last that a user wrote is the text."""
    if isinstance(value, Mapping) and value:
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        last = next(
            (m.get("content") for m in reversed(value) if isinstance(m, Mapping) and m.get("role") == "user"), None
        )
        return {"text": last, "messages": list(value)} if isinstance(last, str) else {"messages": list(value)}
    return {"text": str(value)}


def _context(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    return {} if value in (None, "", []) else {"context": value}


def _tags(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else str(value).split(",") if value else []
