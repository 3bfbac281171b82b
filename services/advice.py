"""How a finding speaks, from the probe to the page: what is the matter, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_OLDER = ("found", "remedy")  # how an older version called both in evidence


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """Two sentences: `what` is the matter, and `fix`, the next step ("" where there is nothing to do)."""

    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.fix}".rstrip()

    def as_detail(self) -> dict[str, str]:
        """As it is kept in evidence."""
        return {"what": self.what, "fix": self.fix}


def advice_in(detail: Mapping[str, Any]) -> Advice | None:
    """The advice that a piece of evidence holds, whichever version wrote it; None where it holds none."""
    for what, fix in (("what", "fix"), _OLDER):
        found = detail.get(what)
        if isinstance(found, str) and found:
            return Advice(what=found, fix=str(detail.get(fix) or ""))
    return None


def as_sentence(text: str) -> str:
    """A text of any source (a record's, a message's) with a capital and one full stop."""
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""
