"""Sealed, labelled answers: those of `golden/`, or a team's own. A file of the wrong form is refused with the place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from services.advice import Advice
from services.errors import Problem, SettingsError
from services.replay import golden

FIX = "docs/judges.md shows the form; the page Replay harness, Label answers, writes such a file."


def read(path: Path) -> tuple[Mapping[str, Any], ...]:
    """The labelled answers of a file. Raises SettingsError with every problem that it has."""
    raw = golden.raw(path)
    answers = raw.get("answers") if isinstance(raw, dict) else None
    if not isinstance(answers, list) or not answers:
        raise SettingsError((_problem(path, "answers", "is not a list of labelled answers."),))
    problems = tuple(
        _problem(path, f"answers[{number}]{where}", what)
        for number, item in enumerate(answers)
        for where, what in _wrong(item)
    )
    if problems:
        raise SettingsError(problems)
    return tuple(answers)


def _wrong(item: Any) -> Iterator[tuple[str, str]]:
    """(place, what is wrong) of one labelled answer."""
    if not isinstance(item, dict):
        yield "", "is not an object."
        return
    answer, labels = item.get("answer"), item.get("labels")
    if not isinstance(answer, dict) or "output" not in answer:
        yield ".answer", "has no output."
    elif not isinstance(answer.get("tool_calls", []), list) or not all(
        isinstance(call, dict) and isinstance(call.get("tool"), str) for call in answer.get("tool_calls", [])
    ):
        yield ".answer.tool_calls", "is not a list of calls, each with a tool."
    try:
        found = golden.parse({"name": "calibration", "version": "1", "cases": [_checked(item.get("case"))]}, "labels")
    except SettingsError as error:
        yield ".case", f"is not a case: {error.problems[0].key} {error.problems[0].advice.what}"
        return
    known = {criterion.id for criterion in found.cases[0].criteria}
    if not isinstance(labels, dict) or not labels or not all(isinstance(v, bool) for v in labels.values()):
        yield ".labels", "does not say true or false for at least one criterion."
    elif unknown := sorted(set(labels) - known):
        yield ".labels", f"names a criterion that the case lacks: {unknown[0][:80]}."


def _checked(case: Any) -> Any:
    """The case with an expectation a criterion, where it has none: a sealed answer is for the model's own word."""
    if not isinstance(case, dict) or case.get("expectations") or not isinstance(case.get("criteria"), list):
        return case
    ids = [criterion.get("id") for criterion in case["criteria"] if isinstance(criterion, dict)]
    stand_ins = [{"criterion": id_, "kind": "text_contains", "all_of": ["x"]} for id_ in ids]
    return case | {"expectations": stand_ins}


def _problem(path: Path, key: str, what: str) -> Problem:
    return Problem(source=str(path), key=key, advice=Advice(what=what, fix=FIX))
