"""A Redis address as redis-py reads it, or why it can't be used: one parser for probes, validator and settings.

Needs the standard library alone. The contract kit uses redis-py itself; a test holds the two equal. No sentence here
quotes the address: it holds a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import ParseResult, parse_qs, unquote, urlparse

SCHEMES = ("redis", "rediss")
DEFAULT_PORT = 6379
EXAMPLE = "Write it as rediss://user:password@host:port/0."
Checks = Literal["all", "not_the_host", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """The parts of an address; `certificate` is what is checked of the server's. Its repr shows no password."""

    host: str
    port: int
    database: int
    user: str
    password: str
    secure: bool
    certificate: Checks = "all"

    def __repr__(self) -> str:
        return f"Address({self.host}:{self.port}/{self.database})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Why an address can't be used, to follow "REDIS_URL can't be used: ", what to do, and of which kind it is."""

    what: str
    how: str
    kind: Literal["scheme", "port", "other"] = "other"


def read(url: str) -> Address | Trouble:
    """The address, white space at its ends ignored."""
    url = url.strip()
    try:
        parts = urlparse(url)
        port = parts.port
    except ValueError:
        return _of_characters(url) or Trouble(
            what="its port is no number from 1 to 65535", how=f"Correct it. {EXAMPLE}", kind="port"
        )
    return (
        _of_scheme(parts.scheme if url.startswith(parts.scheme) else url[: len(parts.scheme)])
        or _of_characters(url)
        or _whole(parts, port)
    )


def _of_scheme(scheme: str) -> Trouble | None:
    if scheme in SCHEMES:
        return None
    if scheme == "unix":
        return Trouble(
            what="it names a Unix socket, which is not reached from here",
            how="Give Greenlight a redis:// address of the same server.",
        )
    if scheme in {"valkey", "valkeys"}:
        return Trouble(what=f"it begins with {scheme}://", how="Write redis:// or rediss:// in its place.")
    if "sentinel" in scheme or "cluster" in scheme:
        return Trouble(
            what="it names a Sentinel or a cluster", how="Give Greenlight the address of one primary server."
        )
    return Trouble(what="it does not begin with redis:// or rediss://", how=EXAMPLE, kind="scheme")


# What stands for itself in a password elsewhere and ends or splits an address here.
_SPLITTING: Mapping[str, str] = {"#": "%23", "/": "%2F", "?": "%3F", "[": "%5B", "]": "%5D"}


def _of_characters(url: str) -> Trouble | None:
    if re.search(r"[\x00-\x20\x7f]", url):
        return Trouble(what="it holds a space or a control character", how="Copy it again; a space is %20.")
    after = url.partition("://")[2]
    if "#" in after:
        return _encode("#")
    authority = re.split(r"[/?]", after, maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    if at:
        found = next((sign for sign in "[]" if sign in user), None)
        return _encode(found) if found else None
    rest = after[len(authority) :]
    return _encode(rest[0]) if "@" in re.split(r"[?&]\w+=", rest, maxsplit=1)[0] else None


def _encode(sign: str) -> Trouble:
    return Trouble(
        what=f"its password holds a {sign}, which splits an address",
        how=f"Percent-encode the password: {sign} is {_SPLITTING[sign]}.",
    )


def _whole(parts: ParseResult, port: int | None) -> Address | Trouble:
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    try:
        database = _database(parts.path, options)
        port = port or int(options.get("port") or DEFAULT_PORT)
    except ValueError:
        return Trouble(what="an option in it is no whole number", how=f"Correct db or port. {EXAMPLE}")
    if not 0 < port < 65_536 or re.search(r":0+$", parts.netloc):
        return Trouble(what="its port is no number from 1 to 65535", how=f"Correct it. {EXAMPLE}", kind="port")
    if database < 0:
        return Trouble(what="its database number is negative", how=f"Correct it. {EXAMPLE}")
    host = unquote(parts.hostname or "") or options.get("host")
    if not host:  # redis-py would ask the machine that it runs on, which is another one here
        return Trouble(what="it names no host", how=EXAMPLE)
    return Address(
        host=host,
        port=port,
        database=database,
        user=unquote(parts.username or "") or options.get("username", ""),
        password=unquote(parts.password or "") or options.get("password", ""),
        secure=parts.scheme == "rediss",
        certificate=_certificate(options),
    )


def _database(path: str, options: Mapping[str, str]) -> int:
    """An option `db` comes before the path; a path that is no number is database 0, as redis-py has it."""
    if "db" in options:
        return int(options["db"])
    text = unquote(path).replace("/", "")
    try:
        return int(text)
    except ValueError:
        return 0


def _certificate(options: Mapping[str, str]) -> Checks:
    if options.get("ssl_cert_reqs", "").lower() in {"none", "cert_none"}:
        return "none"
    off = options.get("ssl_check_hostname", "").upper() in {"0", "F", "FALSE", "N", "NO"}
    return "not_the_host" if off else "all"
