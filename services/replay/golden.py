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
from services.replay.expectations import KINDS
from services.replay.model import Criterion, GoldenCase, GoldenSet

FOLDER = ROOT / "golden"
DEFAULT = FOLDER / "caio_alpha_golden_set_v1.json"
SET_SCHEMA = FOLDER / "golden_set.schema.json"
MAX_BYTES = 64 << 20
MAX_PROBLEMS = 50
ANCHORS = ("0", "5")


def read(path: Path) -> GoldenSet:
    """A golden set from its file. Raises SettingsError with every problem found."""
    return parse(_json(path), str(path))


def parse(raw: Any, source: str) -> GoldenSet:
    """A golden set from its JSON value. Raises SettingsError."""
    return parse_keeping(raw, source)[0]


def parse_keeping(raw: Any, source: str) -> tuple[GoldenSet, str]:
    """The same, and the JSON to keep beside a run: the set's hash is taken over it."""
    problems = [_problem(source, where, what) for where, what in _problems(raw)][:MAX_PROBLEMS]
    if problems:
        raise SettingsError(tuple(problems))
    text = canonical(raw)
    cases = tuple(case_of(case, passes=raw.get("passes", "all")) for case in raw["cases"])
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
    """The file's JSON value, to be kept beside a run. Raises SettingsError."""
    return _json(path)


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


def case_of(raw: Mapping[str, Any], *, passes: str = "all") -> GoldenCase:
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
        tags=tuple(raw.get("tags", ())),
        provenance=raw.get("provenance", {}),
    )  # fmt: skip
