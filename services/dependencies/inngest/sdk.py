"""What the Inngest SDK makes of a key, an address, a switch. Pure. Source: inngest.md §1 and §2."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

PREFIX = re.compile(r"^signkey-(\w+)-")


def bare_key(text: str) -> str:
    """A signing key without its prefix: what signs and is hashed."""
    return PREFIX.sub("", text)


def api_token(signing_key: str) -> str:
    """What opens the server's API: the key's hash, as the SDK sends it, so that the key itself stays here."""
    return hashlib.sha256(bytes.fromhex(bare_key(signing_key))).hexdigest()


def without_secrets(text: str, *keys: str) -> str:
    """One of its messages without these keys, what is made of them, and addresses, which may hold an event key; at most
    200 characters."""
    for key in filter(None, keys):
        made = (api_token(key),) if is_hexadecimal(bare_key(key)) else ()
        for secret in (key, bare_key(key), *made):
            text = text.replace(secret, "[removed]")
    return re.sub(r"https?://\S+", "the server", text)[:200]


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


CLOUD_API, CLOUD_EVENTS = "https://api.inngest.com", "https://inn.gs"
DEV_SERVER = "http://127.0.0.1:8288"
ADDRESSES = ("INNGEST_API_BASE_URL", "INNGEST_EVENT_API_BASE_URL", "INNGEST_BASE_URL")


def origins(variables: Mapping[str, str], *, cloud: bool) -> tuple[str, str]:
    """Where it finds the API and sends events: a variable of its own, INNGEST_BASE_URL, INNGEST_DEV, the default."""
    dev = variables.get("INNGEST_DEV", "")
    shared = variables.get("INNGEST_BASE_URL") or (dev if "://" in dev else "")
    defaults = (CLOUD_API, CLOUD_EVENTS) if cloud else (DEV_SERVER, DEV_SERVER)
    chosen = [variables.get(name) or shared or default for name, default in zip(ADDRESSES, defaults, strict=False)]
    api, event = (_with_scheme(url.strip().rstrip("/"), cloud=cloud) for url in chosen)
    return api, event


def _with_scheme(url: str, *, cloud: bool) -> str:
    return url if "://" in url else f"{'https' if cloud else 'http'}://{url}"


def is_dev(text: str) -> bool:
    """How it reads INNGEST_DEV: on unless empty, 0 or false, so that `no` is on."""
    return text.strip().lower() not in {"", "0", "false"}
