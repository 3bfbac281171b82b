"""Every string that a person reads: `python -m pytest -k every_string -s` lists them; none is written as it once was."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

# As it was said once; issue by issue, each was rewritten as a class.
ONCE = (
    "in its turn", "as of 0 s", "does not hold", "do not hold yet", "promise", "may still go wrong", "the rest lasts",
    "all that is watched", "thrown away", "are younger than", "work is moved", "looks without", "began it anew",
    "before its turn", "is to be pressed", "work when they are tried", "is none.", "Sign off the Go", "Hand this step",
    "None was begun", "measurements were made", "Replace although", "difference is meant", "which is reckoned",
    "No whole replay", "Beside ", "is forbidden here:", "How sure the gate", "belongs to no environment",
    "Page to print", "Chart as a page", "call somebody", "is risked if", "Mend ", "Trust the write", "Confirm by name",
)  # fmt: skip
MOST_WORDS = 45  # in a sentence; a list of names is none
SENTENCE = re.compile(r"(?<=[.!?:;])\s+")


def of_code() -> Iterator[tuple[str, str]]:
    """String literals of pages and of what draws them, as far as they are words; docstrings are for programmers."""
    for path in sorted([*(ROOT / "ui").glob("*.py"), *(ROOT / "pages").glob("*.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        skipped = {id(n.body[0].value) for n in ast.walk(tree)
                   if isinstance(n, documented) and n.body and isinstance(n.body[0], ast.Expr)}  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
                text = re.sub(r"<[^>]*>", " ", node.value)
                if len(text.split()) > 2 and not re.search(r"[{};]\s*[a-z-]+:|^M\d", text):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def of_tables() -> Iterator[tuple[str, str]]:
    """Messages, steps and findings: whatever a TOML table says to people."""
    for path in sorted((ROOT / "services").rglob("*.toml")):
        yield from _walk(str(path.relative_to(ROOT)), tomllib.loads(path.read_text(encoding="utf-8")))


def _walk(where: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and len(value.split()) > 2:
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in {"bash", "powershell"}:
                yield from _walk(f"{where}:{key}", item)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(where, item)


def of_files() -> Iterator[tuple[str, str]]:
    """Templates and documentation, line by line."""
    for path in sorted([*(ROOT / "services/documents/templates").glob("*.html"), *(ROOT / "docs").glob("*.md")]):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            text = re.sub(r"\{[{%].*?[%}]\}|<[^>]*>", " ", line).strip()
            if len(text.split()) > 2:
                yield f"{path.relative_to(ROOT)}:{number}", text


SOURCES = {"code": of_code, "tables": of_tables, "files": of_files}


@pytest.mark.parametrize("source", SOURCES)
def test_every_string_is_written_as_it_is_said_now(source: str) -> None:
    strings = list(SOURCES[source]())
    assert len(strings) > 20
    for where, text in strings:
        print(f"{where}: {text}")
    wrong = [f"{where}: {text!r} ({old})" for where, text in strings for old in ONCE if old in text]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("source", ["code", "tables"])
def test_every_string_is_short(source: str) -> None:
    long = [
        f"{where}: {sentence}"
        for where, text in SOURCES[source]()
        for sentence in SENTENCE.split(text)
        if len(sentence.split()) > MOST_WORDS
    ]
    assert not long, "\n".join(long)
