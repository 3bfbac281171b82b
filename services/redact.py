"""What does a credential look like? Known forms, to find them in files and to take them out of outside text."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

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
    text = KNOWN_SECRETS.sub("[removed]", text)
    for pattern in (_NAMED, _FLAG):
        text = pattern.sub(r"\1\2[removed]", text)
    return _BEARER.sub(r"\1[removed]", _LOGIN.sub(r"\1[removed]@", text))


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
