"""Who may read the dependency report. The holder of the token, compared in constant time; never a legacy token."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenPolicy:
    """The accepted token and the SHA-256 (hex) of tokens that must never be accepted, whatever is configured.

    Without an accepted token nobody gets in. The repr shows neither.
    """

    accepted: str | None = field(repr=False)
    legacy_sha256: frozenset[str] = field(default_factory=frozenset, repr=False)

    def admits(self, given: str | None) -> bool:
        """Whether this token opens the door."""
        if not self.accepted or not self.accepted.strip() or not given:
            return False
        if hashlib.sha256(given.encode()).hexdigest() in self.legacy_sha256:
            return False
        # Mounted secrets end in a line end, which no header can carry.
        return hmac.compare_digest(given.encode(), self.accepted.strip().encode())


def bearer(header: str | None) -> str | None:
    """The token in an `Authorization: Bearer …` header."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
