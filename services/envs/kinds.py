"""Whether a value is of its key's kind, and what it looks like. Pure; answers name rules, never values."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from services.dependencies.inngest import sdk as inngest_sdk
from services.dependencies.redis import address as redis_address
from services.envs.catalogue import Key
from services.redact import KNOWN_SECRETS

TRUE = frozenset({"true", "1", "yes", "on"})
FALSE = frozenset({"false", "0", "no", "off"})
Broken = tuple[str, dict[str, Any]] | None  # a rule and the words of its sentence

_PLACEHOLDER = re.compile(
    r"<[^<>]*>|\[[a-z _-]+\]|\{\{.*\}\}|x{3,}|\*{3,}|\.{3,}|…|(change|replace|fill)[-_ ]?(me|this|it|in)\b.*"
    r"|(todo|tbd|fixme|dummy|placeholder|none|null|undefined)|your[-_ ].*|(insert|put|enter|paste|set)[-_ ].*(here|me)",
    re.IGNORECASE,
)
_PLACEHOLDER_INSIDE = re.compile(
    r"<[a-z][a-z0-9_. -]*>|change[-_]?me|replace[-_]?me|\bx{4,}\b|your[-_](password|host|token|key|domain|secret)",
    re.IGNORECASE,
)
_RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9_\-+/=]{32,}")


def is_true(text: str) -> bool:
    """Whether the application reads it as on."""
    return text.strip().lower() in TRUE


def is_false(text: str) -> bool:
    """Whether the application reads it as off on purpose."""
    return text.strip().lower() in FALSE


def looks_off(text: str) -> bool:
    """Whether a person would read it as off."""
    return text.strip().lower() in FALSE | {"n", "f", "disabled", "none", "null", "disable", "never"}


def is_placeholder(text: str) -> bool:
    """Whether somebody meant to fill this in later."""
    stripped = text.strip()
    return bool(_PLACEHOLDER.fullmatch(stripped) or _PLACEHOLDER_INSIDE.search(stripped))


def looks_like_secret(text: str, key: Key) -> bool:
    """Whether a value is shaped like a real credential: a known form, or long and random under a secret's name."""
    if KNOWN_SECRETS.search(text):
        return True
    return key.secret and bool(_RANDOM.fullmatch(text.strip())) and not is_placeholder(text)


def is_refused(text: str, key: Key, more: frozenset[str]) -> bool:
    """Whether the value's SHA-256 is on the list of those that must never be used again."""
    refused = more.union(key.refused_sha256)
    return bool(refused) and hashlib.sha256(text.strip().encode("utf-8", "surrogateescape")).hexdigest() in refused


def signing_word(text: str) -> str | None:
    """`prod` in `signkey-prod-…`; None for a key without prefix."""
    found = inngest_sdk.PREFIX.match(text.strip())
    return found.group(1).lower() if found else None


def split_url(text: str) -> SplitResult | None:
    """The URL's parts, or None for what is none; the port is checked apart."""
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return parts if parts.scheme and parts.hostname else None


def port_of(parts: SplitResult) -> int | None:
    """The port; None where there is none; raises ValueError for one that no server can have."""
    port = parts.port
    if port == 0:
        raise ValueError("port 0")
    return port


def origin(text: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port, the default port filled in; None for what is no URL."""
    parts = split_url(text)
    if parts is None:
        return None
    try:
        port = port_of(parts)
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), port or {"http": 80, "https": 443}.get(scheme)


def is_loopback(text: str) -> bool:
    """Whether a URL's host is this machine."""
    parts = split_url(text)
    return parts is not None and _is_loopback_host(parts.hostname or "")


def _is_loopback_host(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(text: str) -> bool:
    """Whether a URL's host lies in a private network, where TLS is the network's own matter."""
    parts = split_url(text)
    host = (parts.hostname or "").lower() if parts is not None else ""
    if host.endswith(".internal") or host.endswith(".local"):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def alike(key: Key, text: str, usual: str) -> bool:
    """Whether a value means the same as the usual one: booleans by meaning, paths by the file's name."""
    if key.kind == "boolean":
        return is_true(text) == is_true(usual) and (is_true(text) or is_false(text))
    if key.kind == "path":
        return re.split(r"[/\\]", text)[-1] == re.split(r"[/\\]", usual)[-1]
    return text == usual


_ASCII_ONLY = frozenset({"redis_url", "http_url", "signing_key", "hex", "boolean", "integer", "port"})
_INVISIBLE = frozenset("\u00a0\u00ad\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202f\u2060\ufeff")
_QUOTES = frozenset("\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a\u00b4\u2032\u2033")


def odd_character(key: Key, text: str) -> tuple[str, int] | None:
    """A character that a program or a text editor slipped in, by its Unicode name, and its place (1 is the first).

    What is sent in a header or an address is printable ASCII; elsewhere only invisible characters and typographic
    quotes at the ends are odd. A PEM block may have several lines.
    """
    if text.startswith("-----BEGIN "):
        return None
    strict = key.secret or key.kind in _ASCII_ONLY
    for place, sign in enumerate(text, 1):
        at_end = place in {1, len(text)}
        odd = not "!" <= sign <= "~" and not (sign == " " and not key.secret)
        if (strict and odd) or sign in _INVISIBLE or (at_end and sign in _QUOTES) or ord(sign) < 32:
            return _character(sign), place
    return None


def _character(sign: str) -> str:
    controls = {"\n": "a line end", "\r": "a line end", "\t": "a tab", " ": "a space", "\x00": "a zero byte"}
    if sign in controls:
        return controls[sign]
    if "\ud800" <= sign <= "\udfff":
        return "bytes that are not UTF-8"
    name = unicodedata.name(sign, "").lower() if ord(sign) > 127 else ""
    return f"the character {name}" if name else "a control character" if ord(sign) < 160 else "an unknown character"


def check(key: Key, text: str) -> Broken:
    """What is wrong with a value of this kind; None for nothing."""
    test = _CHECKS.get(key.kind)
    return None if test is None else test(key, text)


def _boolean(_key: Key, text: str) -> Broken:
    return None if text.lower() in TRUE | FALSE else ("not_boolean", {})


def _integer(key: Key, text: str) -> Broken:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return "not_integer", {}
    low, high = key.min, key.max
    if (low is not None and int(text) < low) or (high is not None and int(text) > high):
        return "out_of_range", {"low": "any" if low is None else low, "high": "any" if high is None else high}
    return None


def _port(_key: Key, text: str) -> Broken:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        return "not_integer", {}
    return None if 0 < int(text) < 65_536 else ("out_of_range", {"low": 1, "high": 65_535})


def _http_url(_key: Key, text: str) -> Broken:
    parts = split_url(text)
    if parts is None or parts.scheme.lower() not in {"http", "https"}:
        return "not_url", {"example": "such as https://app.example.org"}
    return _port_trouble(parts)


def _redis_url(key: Key, text: str) -> Broken:
    found = redis_address.read(text)
    if isinstance(found, redis_address.Address):
        return None
    if "://" not in text:
        return "not_url", {"example": "such as rediss://default:password@host:6379"}
    if found.kind == "scheme":
        return "redis_scheme", {"where": key.where}
    return (
        ("port_out_of_range", {}) if found.kind == "port" else ("redis_address", {"what": found.what, "how": found.how})
    )


def _port_trouble(parts: SplitResult) -> Broken:
    try:
        port_of(parts)
    except ValueError:
        return "port_out_of_range", {}
    return None


def _hex(key: Key, text: str) -> Broken:
    digits = inngest_sdk.bare_key(text) if key.kind == "signing_key" else text
    return None if inngest_sdk.is_hexadecimal(digits) else ("key_not_hex", {"where": key.where})


_CHECKS: Mapping[str, Callable[[Key, str], Broken]] = {
    "boolean": _boolean,
    "integer": _integer,
    "port": _port,
    "http_url": _http_url,
    "redis_url": _redis_url,
    "signing_key": _hex,
    "hex": _hex,
}
