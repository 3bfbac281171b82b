"""The name of a deployed version, as every part keeps it: one length, however long the application's own is."""

from __future__ import annotations

import hashlib
from typing import Any

from services.outside import storable

LENGTH = 120  # characters, as the store's column has them
_KEPT = LENGTH - 17


def name(version: object) -> str | None:
    """The version that an application or a pipeline names; None where that is no text or whole number.

    A longer one (an image with its digest) keeps its beginning and a hash of all of it, so that two stay two. What was
    shortened once stays as it is.
    """
    if isinstance(version, bool) or not isinstance(version, (str, int)):
        return None
    text = storable(str(version)).strip()
    if len(text) <= LENGTH:
        return text or None
    return f"{text[:_KEPT]}…{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def named_by(readiness: Any) -> str | None:
    """The version in the detail of a readiness reading."""
    body = readiness.get("body") if isinstance(readiness, dict) else None
    kept = readiness.get("version") if isinstance(readiness, dict) else None
    return name(kept if kept is not None else body.get("version") if isinstance(body, dict) else None)
