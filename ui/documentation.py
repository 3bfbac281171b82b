"""The files of docs/ as pages: their links lead to each other inside the portal."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs"
FIRST = "operating"
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)\n?")
_LINK = re.compile(r"\]\((?:\./)?([a-z_]+)\.md(#[^)]*)?\)")
_ELSEWHERE = re.compile(r"\[([^\]]+)\]\((?!https?:|docs\?)[^)]*\)")


@cache
def titles() -> dict[str, str]:
    """By name, each file's own heading; the one on operating first."""
    found = {path.stem: _heading(path) for path in FOLDER.glob("*.md")}
    return {name: found[name] for name in sorted(found, key=lambda name: (name != FIRST, found[name]))}


@cache
def text(name: str) -> str:
    """A file as Markdown for the portal: without pictures, and links that lead out of docs/ are words."""
    found = _IMAGE.sub("", (FOLDER / f"{name}.md").read_text(encoding="utf-8"))
    return _ELSEWHERE.sub(r"\1", _LINK.sub(r"](docs?doc=\1)", found))


def _heading(path: Path) -> str:
    first = path.read_text(encoding="utf-8").lstrip().split("\n", 1)[0]
    return first.removeprefix("# ").strip()
