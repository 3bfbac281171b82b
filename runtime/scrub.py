"""What must never be written into a trace. Values under secret-looking keys, and secret-looking values anywhere."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

SECRET = "[secret]"  # noqa: S105 - what stands in a secret's place
MAX_TEXT = 2000
MAX_DEPTH = 6
MAX_ITEMS = 100

SECRET_KEY = re.compile(
    r"token|secret|passw|authorization|cookie|credential|api_?key|signing_?key|event_?key|private_?key|(^|_)key$", re.I
)
SECRET_VALUE = re.compile(
    r"""signkey-\w+-[0-9a-f]+             # Inngest signing keys
    | rediss?://[^\s"'@]*@[^\s"']*        # Redis URLs with a password
    | (?<=://)[^\s/"'@:]+:[^\s/"'@]+@     # user:password in any URL
    | \bBearer\s+[\w.\-+/=]{8,}           # bearer tokens
    | \bsk-[\w\-]{16,}                    # API keys of model providers
    | \bgh[pousr]_\w{20,}                 # GitHub tokens
    | \bAKIA[0-9A-Z]{16}\b                # AWS access keys
    | \beyJ[\w\-]{10,}\.[\w\-]{10,}\.[\w\-]*  # JSON web tokens
    | -----BEGIN[ A-Z]*PRIVATE\ KEY-----""",
    re.X | re.I,
)


def scrub(value: Any, *, known: tuple[str, ...] = (), depth: int = 0) -> Any:
    """A JSON-ready copy without secrets: `known` secret texts, secret-looking keys and values; long texts cut."""
    if depth > MAX_DEPTH:
        return "[too deep]"
    if isinstance(value, Mapping):
        return {
            scrub_text(str(key)[:200], known): SECRET
            if SECRET_KEY.search(str(key)) and not isinstance(inner, (int, float, type(None)))
            else scrub(inner, known=known, depth=depth + 1)
            for key, inner in list(value.items())[:MAX_ITEMS]
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [scrub(inner, known=known, depth=depth + 1) for inner in list(value)[:MAX_ITEMS]]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # NaN is no JSON
    return scrub_text(str(value), known)


def scrub_text(text: str, known: tuple[str, ...] = ()) -> str:
    """A text without known or secret-looking parts, cut at 2,000 characters."""
    for secret in known:
        if secret:
            text = text.replace(secret, SECRET)
    text = SECRET_VALUE.sub(SECRET, text)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
