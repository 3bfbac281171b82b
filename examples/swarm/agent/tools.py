"""The reference agent's tools. It calls them through a leases that notes each call and plays failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

READ_ONLY = frozenset({"crm.get_account", "crm.get_contact", "calendar.get_event", "knowledge.search"})
MAX_TRIES = 3


@dataclass(slots=True)
class Leases:
    """Notes calls; `results` says which tools fail and how often before they work (for ever: a negative number)."""

    results: Mapping[str, int] = field(default_factory=dict)
    max_tries: int = MAX_TRIES
    calls: list[dict[str, Any]] = field(default_factory=list)
    _failed: dict[str, int] = field(default_factory=dict)

    def call(self, tool: str, **arguments: Any) -> bool:
        """Call a tool, again after a failure, up to the limit; True where it worked."""
        for _ in range(self.max_tries):
            failed, wanted = self._failed.get(tool, 0), self.results.get(tool, 0)
            works = 0 <= wanted <= failed
            self.calls.append({"tool": tool, "arguments": arguments, "status": "ok" if works else "error"})
            if works:
                return True
            self._failed[tool] = failed + 1
        return False
