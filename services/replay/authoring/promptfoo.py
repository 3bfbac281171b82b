"""Cases from a promptfoo configuration: its prompts, variables and assertions; what it runs them with is left aside.

Source: promptfoo, *Configuration reference* and *Test case configuration*, read in November 2026.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from services.outside import NotJson, parse_json
from services.replay.authoring import assertions, configuration, table
from services.replay.authoring.cases import Collected, Imported
from services.replay.authoring.configuration import LINE

MOST_COMBINATIONS = 200  # of the variables of one test that are lists


def read(file: Path, *, source: str, added: str, path: str = "", prompt: int | None = None) -> Imported:
    """The cases of a configuration. Never raises: what can't be read is left out, with its place."""
    made = Collected(source=source, added=added)
    config = configuration.load(made, file, "line 1")
    if config is None:
        return made.done()
    if not isinstance(config, dict):
        made.leave("line 1", "The file is no promptfoo configuration.", "It holds 'prompts' and 'tests'.")
        return made.done()
    template = _prompt(made, config.get("prompts"), file, prompt)
    default = config.get("defaultTest")
    if isinstance(default, str):
        made.leave("defaultTest", "It stands in another file, which is not read.", "Write it into the configuration.")
    base = default if isinstance(default, dict) else {}
    for name in ("scenarios", "derivedMetrics", "redteam"):
        if config.get(name):
            made.leave(name, "This part of a configuration is not imported.")
    for place, test in _tests(made, config.get("tests"), file):
        add(made, place, test, base=base, template=template, path=path)
    if not made.cases and not made.left_out:
        made.leave("tests", "The configuration has no tests.", "Add some, or import the file that they stand in.")
    return made.done()


def add(
    made: Collected, place: str, test: Mapping[str, Any], *, base: Mapping[str, Any] | None = None, template: str = "",
    path: str = "",
) -> None:  # fmt: skip
    """Add one test, or as many as its lists of variables make."""
    base = base or {}
    variables = {**_mapping(base.get("vars")), **_mapping(test.get("vars"))}
    asked = [*_list(base.get("assert")), *_list(test.get("assert"))]
    asked = asked if not _mapping(test.get("options")).get("disableDefaultAsserts") else _list(test.get("assert"))
    title = str(test.get("description") or "")
    more = _mapping(test.get("metadata"))
    for number, own in enumerate(_combinations(made, place, variables)):
        where = place if not number else f"{place}, combination {number + 1}"
        prepared = {name: value for name, value in own.items() if name != LINE}
        if any(isinstance(value, str) and value.startswith("file://") for value in prepared.values()):
            made.leave(where, "A variable is read from a file.", "Write its value out.")
            continue
        found = []
        for each in asked:
            one = assertions.from_object(each, path=path)
            found += assertions.taken(made, f"{_line(each) or where}", one, variables=prepared)
        if not assertions.checkable(found):
            made.leave(where, "Nothing in this test can be checked without a model.",
                       "Add an assertion such as 'contains'.")  # fmt: skip
            continue
        input_ = _input(made, where, template, prepared)
        made.add(where, input_=input_, expectations=assertions.checkable(found), criteria=assertions.criteria_of(found),
                 title=title, category=str(more.get("category") or ""), tags=_tags(more))  # fmt: skip


def _input(made: Collected, place: str, template: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The prompt as the agent would read it, and the variables beside it."""
    if not template:
        return dict(variables) or {"text": place}
    text = assertions.filled(template, variables)
    if text is None:
        made.note(place, "The prompt's template is more than variables, so the agent gets the variables alone.")
        return dict(variables) or {"text": template}
    return {"text": text, **({"vars": dict(variables)} if variables else {})}


def _combinations(made: Collected, place: str, variables: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One test for each value of a variable that is a list, as promptfoo runs it."""
    lists = {name: value for name, value in variables.items() if isinstance(value, list) and value}
    for number, values in enumerate(itertools.product(*lists.values())):
        if number >= MOST_COMBINATIONS:
            made.leave(place, f"Its variables make more than {MOST_COMBINATIONS} tests; the rest is left out.")
            return
        yield {**variables, **dict(zip(lists, values, strict=True))}


def _prompt(made: Collected, prompts: Any, file: Path, wanted: int | None) -> str:
    found = [item for item in (_inline(entry, file) for entry in _as_list(prompts)) if item]
    if len(_as_list(prompts)) > len(found):
        made.note("prompts", "A prompt that is a script or another kind of file is not read.")
    if not found:
        return ""
    if len(found) > 1 and wanted is None:
        made.note("prompts", f"The first of {len(found)} prompts is used.", "Choose another one with --prompt NUMBER.")
    return found[min(max((wanted or 1) - 1, 0), len(found) - 1)]


def _inline(entry: Any, file: Path) -> str:
    """A prompt's text: written in place, or in a text file beside the configuration."""
    if isinstance(entry, dict):
        entry = entry.get("raw") or entry.get("id") or ""
    text = str(entry or "")
    name = text.removeprefix("file://")
    if text.startswith("file://") or name.endswith((".txt", ".md")):
        beside = _beside(file, name)
        if beside is None or beside.suffix not in {".txt", ".md", ".json"}:
            return ""
        return beside.read_text(encoding="utf-8", errors="replace")
    return text


def _tests(made: Collected, tests: Any, file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, entry in enumerate(_as_list(tests), 1):
        if isinstance(entry, dict) and ("vars" in entry or "assert" in entry or "description" in entry):
            yield _line(entry) or f"test {number}", entry
        elif isinstance(entry, str):
            yield from _elsewhere(made, entry, file)
        else:
            made.leave(_line(entry) or f"test {number}", "This test is made by a program, which is not run.")


def _elsewhere(made: Collected, entry: str, file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Tests of a file beside the configuration: YAML, JSON, JSON lines or CSV."""
    name = entry.removeprefix("file://")
    beside = _beside(file, name)
    if beside is None:
        made.leave(name[:120], "This file is not there, or lies outside the configuration's folder.")
    elif beside.suffix == ".csv":
        yield from _of_table(made, beside, name)
    elif beside.suffix == ".jsonl":
        yield from _of_lines(made, beside, name)
    elif beside.suffix in {".yaml", ".yml", ".json"}:
        for number, test in enumerate(_as_list(configuration.load(made, beside, name)), 1):
            if isinstance(test, dict):
                yield f"{name}, {_line(test) or f'test {number}'}", test
            else:
                made.leave(f"{name}, test {number}", "This is no test.")
    else:
        made.leave(name[:120], "Tests of this kind of file are not read.", "Save them as YAML, CSV or JSON lines.")


def _of_table(made: Collected, file: Path, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        for line, row in table.rows(table.decoded(made, file.read_bytes())):
            asked = [assertions.as_object(row[key]) for key in sorted(row) if key.startswith("__expected") and row[key]]
            yield f"{name}, line {line}", {
                "vars": {key: value for key, value in row.items() if key and not key.startswith("__")}, "assert": asked,
                "description": row.get("__description", ""),
                "metadata": {"category": row.get("__metadata:category", "")},
            }  # fmt: skip
    except csv.Error as error:
        made.leave(name, f"The rest of the file is no CSV ({error}).", "Check the quotes in the line before.")


def _of_lines(made: Collected, file: Path, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        try:
            test = parse_json(line) if line.strip() else None
        except NotJson as error:
            made.leave(f"{name}, line {number}", f"The line is no JSON: {error}.")
            continue
        if isinstance(test, dict):
            yield f"{name}, line {number}", test


def _beside(file: Path, name: str) -> Path | None:
    """A file within the configuration's folder; None for any other."""
    try:
        found = (file.parent / name).resolve()
        return found if found.is_relative_to(file.parent.resolve()) and found.is_file() else None
    except (OSError, ValueError):
        return None


def _line(value: Any) -> str:
    return f"line {value[LINE]}" if isinstance(value, Mapping) and LINE in value else ""


def _mapping(value: Any) -> dict[str, Any]:
    return {str(k): _plain(v) for k, v in value.items() if k != LINE} if isinstance(value, Mapping) else {}


def _plain(value: Any) -> Any:
    """A value without the marks of its lines."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if k != LINE}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _tags(more: Mapping[str, Any]) -> list[str]:
    tags = more.get("tags")
    return [str(tag) for tag in tags] if isinstance(tags, list) else []
