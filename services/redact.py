"""What a credential looks like. Known forms, to find them in files and to take them out of outside text; and our own
secrets, which come back whole, encoded or in part."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

KNOWN_SECRETS = re.compile(
    r"signkey-\w+-[0-9a-f]{16,}|rediss?://[^\s:@/]*:[^\s@<>]{8,}@|postgres(?:ql)?://[^\s:@/]*:[^\s@<>]{8,}@"
    r"|\bsk-[A-Za-z0-9_-]{20,}|\bsk-inn-\S{10,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}|\bxox[abprs]-\S{10,}"
    r"|\bAKIA[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}|\bsk_live_\w{16,}|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+"
)
_NAMED = re.compile(
    r"(?i)\b([\w-]*(?:token|secret|passw(?:or)?d|api[_-]?key|authorization)[\"']?)(\s*[:=]\s*)((?:bearer\s+|basic\s+)?\S+)"
)
_FLAG = re.compile(r"(?i)(?<!\S)(--?[\w-]*(?:token|secret|passw(?:or)?d|pwd|key|auth|credential)s?)(\s+)([^\s-]\S*)")
_LOGIN = re.compile(r"(://)[^\s/@:]*:[^\s/@]+@")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{6,}")


def scrub(text: str) -> str:
    """The text with known forms of credentials, and what stands behind such a name, taken out."""
    text = KNOWN_SECRETS.sub(REMOVED, text)
    for pattern in (_NAMED, _FLAG):
        text = pattern.sub(r"\1\2[removed]", text)
    return _BEARER.sub(r"\1[removed]", _LOGIN.sub(r"\1[removed]@", text))


REMOVED = "[removed]"
SHORTEST = 6  # characters: a shorter secret would take common words out of every text
PART = 12  # characters of a secret that are as good as removed whole: servers quote secrets in part, texts are cut


@lru_cache(maxsize=1000)
def removing(credentials: tuple[str, ...], addresses: tuple[str, ...] = ()) -> Callable[[str], str]:
    """A function that takes these out of a text: credentials also in part, addresses only whole, as their host is no
    secret."""
    whole = {form for text in credentials + addresses for form in _forms(text) if len(form) >= SHORTEST}
    if not whole:
        return lambda text: text
    pattern = re.compile("|".join(re.escape(form) for form in sorted(whole, key=lambda form: (-len(form), form))))
    parts = frozenset(piece for piece in pieces(credentials) if len(piece) == PART)

    def remove(text: str) -> str:
        return _without_parts(pattern.sub(REMOVED, text), parts)

    return remove


def pieces(credentials: tuple[str, ...]) -> frozenset[str]:
    """Texts of which one stands in whatever `removing` changes."""
    forms = {form for text in credentials for form in _forms(text)}
    parts = {form[n : n + PART] for form in forms for n in range(len(form) - PART + 1)}
    return frozenset(parts | {form for form in forms if SHORTEST <= len(form) < PART})


def _forms(secret: str) -> set[str]:
    secret = secret.strip()
    return {secret, quote(secret, safe=""), secret.lower()}


def _without_parts(text: str, parts: frozenset[str]) -> str:
    if not any(part in text for part in parts):
        return text
    begins = (n for n in range(len(text) - PART + 1) if text[n : n + PART] in parts)
    kept: list[str] = []
    end = 0
    for n in begins:
        if n > end or not kept:
            kept += [text[end:n], REMOVED]
        end = n + PART
    return "".join([*kept, text[end:]])


def with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with each text changed, keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(key)): with_texts(inner, change) for key, inner in value.items()}
    return [with_texts(inner, change) for inner in value] if isinstance(value, (list, tuple)) else value


_ROOT = Path(__file__).resolve().parents[1]


def fault(error: BaseException) -> str:
    """An unexpected error without its text, which may quote a secret: `ValueError at services/x.py:12`."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_ROOT) and ".venv" not in frame.filename]
    if not ours:
        return type(error).__name__
    return f"{type(error).__name__} at {Path(ours[-1].filename).relative_to(_ROOT)}:{ours[-1].lineno}"
