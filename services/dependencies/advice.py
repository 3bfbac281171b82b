"""How a finding speaks, from the probe to the page: what is the matter, and what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """Two sentences: `what` is the matter, and `fix`, the next step ("" where there is nothing to do)."""

    what: str
    fix: str = ""
