"""What became of a try to send: a code with its words, and whether and when it makes sense to try again."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.advice import Advice

ACCEPTED = "accepted"
_ROWS: Mapping[str, Mapping[str, Any]] = tomllib.loads(
    Path(__file__).with_name("messages.toml").read_text(encoding="utf-8")
)
CODES = tuple(_ROWS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """`after_s`: the pause that the service asks for; None where it asks for none."""

    code: str
    status: int | None = None
    after_s: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the service took the message; whether a person sees it is another matter."""
        return self.code == ACCEPTED

    @property
    def again(self) -> bool:
        """Whether a further try may succeed."""
        return bool(_ROWS[self.code].get("again"))


def advice(code: str, service: str, status: int | None = None) -> Advice:
    """A code in words; one that is not known, of another version, says so."""
    row = _ROWS.get(code)
    if row is None:
        return Advice(what="The answer is not known to this version.",
                      fix="Start the same version of portal and worker.")  # fmt: skip
    blanks = {"service": service, "status": "no status" if status is None else status}
    text = row["what"].format_map(blanks)
    return Advice(what=text[:1].upper() + text[1:], fix=row["fix"].format_map(blanks))
