"""What does the Inngest SDK make of a key, an address, a switch? Pure. Source: inngest.md §1 and §2."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

PREFIX = re.compile(r"^signkey-(\w+)-")


def bare_key(text: str) -> str:
    """A signing key without its prefix: what signs and is hashed."""
    return PREFIX.sub("", text)


def is_hexadecimal(text: str) -> bool:
    """Whether the SDK can decode it; with a key that it can't, every signed request ends in an error."""
    return bool(re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text))


def ignores(url: str) -> bool:
    """Whether it ignores this base URL without a word: its host has no dot and there is no port."""
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        return False
    try:
        parts = urlsplit(url if "//" in url else f"http://{url}")
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) and "." not in host and ":" not in parts.netloc.rpartition("@")[2]


def is_dev(text: str) -> bool:
    """How it reads INNGEST_DEV: on unless empty, 0 or false, so that `no` is on."""
    return text.strip().lower() not in {"", "0", "false"}
