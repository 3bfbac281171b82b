"""Which lines of an env file are assignments. What is none may be a secret, so its text is never a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dotenv.parser import Binding

from services.redact import KNOWN_SECRETS

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_COLON = re.compile(r"\s*(?:export\s+)?['\"]?[A-Za-z_][A-Za-z0-9_.-]{0,127}['\"]?\s*:")
# A line of base64 that ends in its padding reads like a name with an empty value.
_BASE64 = re.compile(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=\D*\d)[A-Za-z0-9]{16,128}")
_BASE64_LINE = re.compile(r"[A-Za-z0-9+/]{16,}")
_HEX = re.compile(r"[0-9a-fA-F]{24,128}")
_QUOTED = re.compile(r"=[^\S\r\n]*['\"]")
_BEGIN, _END = "-----BEGIN ", "-----END "


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A binding and what it is: an assignment, or with `bad` a line that is none; `colon` where one should be =.

    `opens_block` marks an assignment whose unquoted value begins a block of several lines, such as a PEM key.
    """

    binding: Binding
    bad: bool = False
    colon: bool = False
    opens_block: bool = False


def judged(bindings: Iterable[Binding]) -> Iterator[Judged]:
    """Each binding in order. Inside an unquoted PEM block nothing is an assignment until its end."""
    in_block = after_base64 = False
    for binding in bindings:
        text = binding.original.string
        after_base64, was_after = _BASE64_LINE.fullmatch(text.strip()) is not None, after_base64
        if in_block:
            in_block = _END not in text
            yield Judged(binding=binding, bad=bool(text.strip()))
            continue
        if binding.key is None and not binding.error:
            yield Judged(binding=binding)  # comments and blank lines
            continue
        if binding.error or not _is_name(binding, after_base64=was_after):
            in_block = _BEGIN in text and _END not in text
            yield Judged(binding=binding, bad=True, colon=_COLON.match(text.lstrip("\r\n")) is not None)
            continue
        in_block = _BEGIN in (binding.value or "") and _END not in text and _QUOTED.search(text) is None
        yield Judged(binding=binding, opens_block=in_block)


def is_plausible_name(text: str) -> bool:
    """Whether a text can be a variable's name, and is no secret or line of one."""
    shaped = NAME.fullmatch(text) is not None and KNOWN_SECRETS.search(text) is None
    return shaped and not _BASE64.fullmatch(text) and not _HEX.fullmatch(text)


def _is_name(binding: Binding, *, after_base64: bool) -> bool:
    key, value = binding.key, binding.value
    if key is None or value is None or NAME.fullmatch(key) is None or "\x00" in value:
        return False
    if KNOWN_SECRETS.search(key):
        return False
    if value.strip("="):
        return True
    # Nothing but padding. The last line of a key can be short: two signs, or a line of base64 before it, give it away.
    two_signs = value == "=" and not key.isupper()
    return not (after_base64 or two_signs or _BASE64.fullmatch(key) or _HEX.fullmatch(key))
