"""Reads a golden set, and says whether it is sound. Schema first, then its meaning; every problem with file and
path."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from services.advice import Advice
from services.errors import Problem, SettingsError
from services.outside import NotJson, parse_json
from services.paths import ROOT
from services.replay import soundness
from services.replay.kinds import KINDS
from services.replay.model import Criterion, GoldenCase, GoldenSet

FOLDER = ROOT / "golden"
DEFAULT = FOLDER / "caio_alpha_golden_set_v1.json"
SET_SCHEMA = FOLDER / "golden_set.schema.json"
MAX_BYTES = 64 << 20
MAX_PROBLEMS = 50
MAX_CODE = 256 << 10
FILES = "files"  # of the JSON that is kept: the code of its checks, by name
ANCHORS = ("0", "5")


def read(path: Path) -> GoldenSet:
    """A golden set from its file. Raises SettingsError with every problem found."""
    return parse(raw(path), str(path))


def parse(raw: Any, source: str) -> GoldenSet:
    """A golden set from its JSON value. Raises SettingsError."""
    return parse_keeping(raw, source)[0]


def parse_keeping(raw: Any, source: str) -> tuple[GoldenSet, str]:
    """The same, and the JSON to keep beside a run: the set's hash is taken over it."""
    problems = [_problem(source, where, what) for where, what in _problems(raw)][:MAX_PROBLEMS]
    if problems:
        raise SettingsError(tuple(problems))
    text = canonical(raw)
    files = raw.get(FILES, {})
    cases = tuple(case_of(case, passes=raw.get("passes", "all"), files=files) for case in raw["cases"])
    return GoldenSet(name=raw["name"], version=raw["version"], sha256=_sha256(text), cases=cases), text


def canonical(raw: Any) -> str:
    """The content as JSON, the same whatever its layout in the file."""
    return json.dumps(raw, sort_keys=True, separators=(",", ":"))


def sha256_of(raw: Any) -> str:
    """A set's hash: of its content, whatever its layout."""
    return _sha256(canonical(raw))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def raw(path: Path) -> Any:
    """The file's JSON value, to be kept beside a run: with the code of its checks. Raises SettingsError."""
    found = own(path)
    return with_code(found, path) if isinstance(found, dict) else found


def own(path: Path) -> Any:
    """The file's JSON value as it stands there. Raises SettingsError."""
    found = _json(path)
    if isinstance(found, dict):
        found.pop(FILES, None)  # code comes from beside the set alone
    return found


def with_code(found: dict[str, Any], path: Path) -> dict[str, Any]:
    """The set with the code that it names, so that a changed check is a changed set, and a run keeps what judged it."""
    code, problems = {}, []
    for where, name in _named_files(found):
        if name in code:
            continue
        try:
            code[name] = _code(path.parent, name)
        except ValueError as error:
            problems.append(_problem(str(path), where, str(error)))
    if problems:
        raise SettingsError(tuple(problems))
    return {**found, FILES: code} if code else found


def _named_files(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    cases = found.get("cases")
    for number, case in enumerate(cases if isinstance(cases, list) else ()):
        expectations = case.get("expectations") if isinstance(case, dict) else None
        for n, each in enumerate(expectations if isinstance(expectations, list) else ()):
            yield from _files_of(each, f"$.cases[{number}].expectations[{n}]")


def named_code(found: Any) -> tuple[str, ...]:
    """The names of the code files that a set's expectations name."""
    return tuple(dict.fromkeys(name for _, name in _named_files(found))) if isinstance(found, dict) else ()


def _files_of(expectation: Any, where: str) -> Iterator[tuple[str, str]]:
    if not isinstance(expectation, dict):
        return
    if expectation.get("kind") == "python" and isinstance(expectation.get("file"), str):
        yield f"{where}.file", expectation["file"]
    options = expectation.get("options")
    for number, option in enumerate(options if isinstance(options, list) else ()):
        for n, each in enumerate(option if isinstance(option, list) else ()):
            yield from _files_of(each, f"{where}.options[{number}][{n}]")


def _code(folder: Path, name: str) -> str:
    """The text of a file in the set's folder. Raises ValueError."""
    try:
        file = (folder / name).resolve()
        if not file.is_relative_to(folder.resolve()):
            raise ValueError(f"lies outside the set's folder: {name[:80]!r}")
        if file.stat().st_size > MAX_CODE:
            raise ValueError("is larger than 256 KiB")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"can't be read ({error.strerror}): {name[:80]!r}") from error
    try:
        compile(text, name, "exec")
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"is no Python: {name[:80]!r}") from error
    return text


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError((_problem(str(path), "(file)", "is larger than 64 MiB"),))
        return parse_json(path.read_bytes())
    except FileNotFoundError as error:
        raise SettingsError((_problem(str(path), "(file)", "does not exist"),)) from error
    except NotJson as error:
        raise SettingsError((_problem(str(path), "(file)", f"is not valid JSON: {error}"),)) from error
    except OSError as error:
        raise SettingsError((_problem(str(path), "(file)", f"can't be read ({error.strerror})"),)) from error


def _problem(source: str, where: str, what: str) -> Problem:
    return Problem(
        source=source, key=where, advice=Advice(what=f"{what}.", fix="golden/README.md shows the form of a case.")
    )


def _problems(raw: Any) -> Iterator[tuple[str, str]]:
    """(path, what is wrong). The schema's own findings come first; meaning is looked at only in a set of that form."""
    import jsonschema_rs

    schema = json.loads(SET_SCHEMA.read_text(encoding="utf-8"))
    found = [
        (_path(error.instance_path), error.message[:200])
        for error in jsonschema_rs.validator_for(schema).iter_errors(raw)
    ]
    yield from found
    if not found:
        yield from _meaning(raw)


def _path(parts: Iterable[str | int]) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def _meaning(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    counts = Counter(case["id"] for case in raw["cases"])
    keys = [json.dumps([case["input"], case["context"]], sort_keys=True) for case in raw["cases"]]
    texts = Counter(keys)
    for number, case in enumerate(raw["cases"]):
        path = f"$.cases[{number}]"
        if counts[case["id"]] > 1:
            yield f"{path}.id", f"the id {case['id']!r} is there {counts[case['id']]} times"
        if texts[keys[number]] > 1:
            yield f"{path}.input", "another case has the same input and context"
        yield from _criteria(case, path)
        for where, name in _named_files({"cases": [case]}):
            if name not in raw.get(FILES, {}):
                yield where.replace("$.cases[0]", path), "names code that was not read with the set"
        yield from _turns(case, path)


def _turns(case: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    most = 1 + len(case.get("turns", ()))
    for n, each in enumerate(case["expectations"]):
        turn = each.get("turn")
        if isinstance(turn, int) and turn > most:
            yield f"{path}.expectations[{n}].turn", f"is {turn}, but this case has {most}"


def _criteria(case: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    ids: set[str] = set()
    for number, criterion in enumerate(case["criteria"]):
        where = f"{path}.criteria[{number}]"
        if criterion["id"] in ids:
            yield f"{where}.id", f"the criterion {criterion['id']!r} is there twice"
        ids.add(criterion["id"])
        missing = [anchor for anchor in ANCHORS if anchor not in criterion["anchors"]]
        if missing:
            yield f"{where}.anchors", f"lacks the anchor for {missing[0]}"
    for number, expectation in enumerate(case["expectations"]):
        where = f"{path}.expectations[{number}]"
        if expectation["criterion"] not in ids:
            yield f"{where}.criterion", f"names no criterion of this case: {expectation['criterion']!r}"
        if expectation["kind"] not in KINDS:
            yield f"{where}.kind", f"is not known: {expectation['kind']!r}"
            continue
        for field, what in soundness.problems(expectation, case["context"]):
            yield f"{where}.{field}" if field else where, what


def case_of(raw: Mapping[str, Any], *, passes: str = "all", files: Mapping[str, str] | None = None) -> GoldenCase:
    """A case from its JSON; `passes` is the set's own rule for how a criterion passes."""
    return GoldenCase(
        id=raw["id"],
        title=raw["title"],
        category=raw["category"],
        input=raw["input"],
        context=raw["context"],
        expectations=tuple(raw["expectations"]),
        criteria=tuple(
            Criterion(
                id=c["id"], title=c["title"], anchors=c["anchors"], critical=c.get("critical", False),
                weight=float(c.get("weight", 1)), pass_at=float(c.get("pass_at", 4)),
                passes=c.get("passes", passes),
            )
            for c in raw["criteria"]
        ),
        turns=tuple(raw.get("turns", ())),
        files=files or {},
        tags=tuple(raw.get("tags", ())),
        provenance=raw.get("provenance", {}),
    )  # fmt: skip
