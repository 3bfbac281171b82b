"""Cases from a CSV file: a row each, with a question, an expected answer and, where they are there, more columns.

Columns are known by the names that other tools use: promptfoo's `__expected…`, and the usual `question`, `answer`, ….
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from typing import Any

from services.replay.authoring import answers, assertions, table
from services.replay.authoring.cases import Collected, Imported
from services.replay.authoring.lines import ANSWERS, QUESTIONS

OWN = ("id", "title", "category", "tags", "expectations", "context")


def read(data: bytes, *, source: str, added: str, how: str = "contains", path: str = "") -> Imported:
    """The cases of a file. Never raises: what can't be read is left out, with its line."""
    made = Collected(source=source, added=added)
    text = table.decoded(made, data)
    try:
        for line, row in table.rows(text):
            _case(made, f"line {line}", row, how, path)
    except csv.Error as error:
        made.leave("the rest", f"The rest of the file is no CSV ({error}).", "Check the quotes in the line before.")
    if not made.cases and not made.left_out:
        made.leave("line 1", "The file has no rows below its header.", "Add a row for each case.")
    return made.done()


def _case(made: Collected, place: str, row: Mapping[str, str], how: str, path: str) -> None:
    names = {name.casefold(): name for name in row}
    question = next((names[name] for name in QUESTIONS if name in names), None)
    answer = next((names[name] for name in ANSWERS if name in names), None)
    found, left = _expectations(made, place, row, answer, how, path)
    used = {answer, *(names.get(name) for name in OWN)}
    inner = {name: value for name, value in row.items() if name and name not in used and not name.startswith("__")}
    context = _json(row.get(names.get("context", ""), ""))
    if "context" in names and not isinstance(context, dict):
        inner["context"] = row[names["context"]]
        context = {}
    if question is not None and question != "text":
        inner["text"] = inner.pop(question)
    inner = {name: value for name, value in inner.items() if value != ""}
    if not inner:
        made.leave(place, "The row has no input.", "Name a column 'question' or 'input'.")
        return
    if not found:
        if not left:
            made.leave(place, "The row says nothing that could be checked.",
                       "Fill its column 'expected' with a short text, or '__expected' with an assertion.")  # fmt: skip
        return
    made.add(place, input_=inner, expectations=found, criteria=assertions.criteria_of(found), context=context,
             id_=row.get(names.get("id", ""), ""), title=row.get(names.get("title", ""), "")
             or row.get("__description", ""), category=row.get(names.get("category", ""), "")
             or row.get("__metadata:category", ""), tags=row.get(names.get("tags", ""), "").split(","))  # fmt: skip


def _expectations(
    made: Collected, place: str, row: Mapping[str, str], answer: str | None, how: str, path: str
) -> tuple[list[dict[str, Any]], bool]:
    """What the row asks for; and whether something of it was left out already, with its reason."""
    before = len(made.left_out)
    found: list[dict[str, Any]] = []
    own = row.get("expectations", "")
    if own:
        value = _json(own)
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            found += [{"criterion": "expected", **item} for item in value]
        else:
            made.leave(place, "The column 'expectations' is no JSON list of objects.", "See golden/README.md.")
    for name in sorted(name for name in row if name.startswith("__expected")):
        if row[name]:
            asked = assertions.from_text(row[name], path=path)
            found += assertions.taken(made, f"{place}, {name}", asked, variables=row)
    if answer is not None and row[answer]:
        one = answers.expectation(row[answer], how=how, path=path)
        if one is None:
            made.leave(place, f"The expected answer is longer than {answers.LONGEST} characters.",
                       "Say in 'expectations' what must hold of it.")  # fmt: skip
        else:
            found.append(one)
    return found, len(made.left_out) > before


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return None
