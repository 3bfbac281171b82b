"""Nobody outside a kind's folder names a kind: a new one needs no change anywhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

# What may name one, with its reason.
EXCEPT = {
    "ui/inngest_status.py": "the panel of one kind, shown beside its row",
    "ui/inngest_control.py": "the buttons of that panel",
    "ui/cached.py": "caches that panel",
    "ui/env_diff.py": "an example of a line in an env file",
    "ui/env_validate.py": "titles of what an env file's values are tried on",
}
FILES = [
    path
    for folder in ("health", "verdict", "soak", "slo", "report", "checklist")
    for path in sorted((ROOT / "services" / folder).rglob("*.py"))
] + [path for path in sorted((ROOT / "ui").rglob("*.py")) if str(path.relative_to(ROOT)) not in EXCEPT]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_outside_the_kinds_names_none(path: Path) -> None:
    named = re.findall(r".*(?:redis|inngest).*", path.read_text(encoding="utf-8"), re.IGNORECASE)
    assert not named
