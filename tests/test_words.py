"""Our words: the field's word, once, everywhere. What it replaces stays out of code, docs and every string."""

from __future__ import annotations

import ast
import re
import subprocess

import pytest

from tests.conftest import ROOT

BANNED = {
    r"\breckon": "evaluate, compute",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bremed(y|ies)\b": "fix",
    r"\banew\b": "again, restart",
    r"\bpromis(e|es|ed)\b": "SLO, objective",
    r"\bunwell\b": "unhealthy, failing",
    r"\bwhoever\b": "the person who",
    r"\b(a|one|each|every|last|first|newest|next|bad|good) looks?\b": "check",
    r"\btold apart\b|\btells? \w+ apart\b": "distinguish",
    r"\bdo(es)? not hold yet\b|\bevery rule holds\b": "met, not met",
    r"\b(duties|duty|roster|chores|upkeep|currency)\b": "leases, job queue, schedule, retention, start",
    r"\bway[_ ]back\b|\bfirst_paint\b": "login redirect, preload",
    r"\bhow work is moved\b": "background jobs",
}
# Where such a word is somebody else's, or of the past.
EXCEPT = (
    "docs/decisions/",
    "CHANGELOG.md",
    "golden/",
    "tests/",
    "migrations/",
    "LICENSE",
    "requirements",
    "benchmarks/RESULTS.md",
)
FILES = [
    name
    for name in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    if name.endswith((".py", ".md", ".toml", ".html", ".css")) and not any(part in name for part in EXCEPT)
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "instead"), BANNED.items())
def test_a_private_word_is_used_nowhere(pattern: str, instead: str) -> None:
    found = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name in FILES
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line, re.IGNORECASE) and "older version" not in line
    ]
    assert not found, f"write {instead}:\n" + "\n".join(found)


def test_a_module_s_first_line_is_a_statement() -> None:
    asking = [
        name
        for name in subprocess.run(
            ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split()
        if not name.startswith(("pages/", "tests/"))
        and "?"
        in (ast.get_docstring(ast.parse((ROOT / name).read_text(encoding="utf-8"))) or "").split("\n")[0].split(". ")[0]
    ]
    assert asking == []
