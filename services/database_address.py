"""The address of the store, as people write it for other tools, made one that our driver reads; or why it is refused.

Needs the standard library alone. Nothing here ever quotes the address: it holds a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

EXPECTED = "does not begin with postgresql:// or sqlite:///."
USE_SQLITE = "Correct it, or unset it for SQLite in the data folder."


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """`url` for SQLAlchemy ("" where it was refused), the options left out, and what is wrong with what to do."""

    url: str = ""
    left_out: tuple[str, ...] = ()
    trouble: str = ""
    fix: str = ""


# Other programs' names of a driver, and what we read them as.
_SCHEMES: Mapping[str, str] = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "postgresql+psycopg_async": "postgresql+psycopg",
    "postgresql+psycopg2": "postgresql+psycopg",
    "postgresql+asyncpg": "postgresql+psycopg",
    "postgresql+pg8000": "postgresql+psycopg",
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
}

# libpq's connection parameters: PostgreSQL 18, section 34.1.2.
_LIBPQ = frozenset(
    {
        "host", "hostaddr", "port", "dbname", "user", "password", "passfile", "require_auth", "channel_binding",
        "connect_timeout", "client_encoding", "options", "application_name", "fallback_application_name",
        "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "gssencmode",
        "sslmode", "sslnegotiation", "sslcompression", "sslcert", "sslkey", "sslpassword", "sslcertmode",
        "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "ssl_min_protocol_version", "ssl_max_protocol_version",
        "requirepeer", "krbsrvname", "gsslib", "gssdelegation", "service", "target_session_attrs",
        "load_balance_hosts",
    }
)  # fmt: skip
_SQLITE = frozenset({"timeout"})
_SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_NUMBERS = (
    "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
)  # fmt: skip
_SCHEMA = ("schema", "currentschema", "search_path")
_AUTHORITY = re.compile(r"//(?P<authority>[^/?]*)")
_NAME = re.compile(r"[A-Za-z_]\w{0,40}")


def read(url: str) -> Address:
    """The address that an environment variable holds, white space at its ends ignored."""
    url = url.strip()
    if re.search(r"[\x00-\x20\x7f]", url):
        return _refused("holds a space, a line end or a control character.", "Percent-encode it (a space is %20).")
    scheme, colon, rest = url.partition(":")
    wanted = _SCHEMES.get(scheme.lower())
    if not colon or wanted is None or not rest.startswith("//"):
        return _refused(EXPECTED, USE_SQLITE)
    base, _, query = rest.partition("?")
    options = parse_qsl(query, keep_blank_values=True)
    if wanted == "sqlite":
        if _authority(base):
            return _refused("names a server, which SQLite has none of.", "Write sqlite:////absolute/path/to/file.db.")
        return _with_options(f"sqlite:{base}", options, _SQLITE)
    return _authority_trouble(base) or _option_trouble(options) or _with_options(f"{wanted}:{base}", options, _LIBPQ)


def _refused(trouble: str, fix: str) -> Address:
    return Address(trouble=trouble, fix=fix)


def _authority(base: str) -> str:
    found = _AUTHORITY.match(base)
    return found["authority"] if found else ""


def _authority_trouble(base: str) -> Address | None:
    if "#" in base:
        return _refused("holds a #, which ends an address.", "Percent-encode it in the password: # is %23.")
    authority = _authority(base)
    if base.count("@") > 1 or "@" in base.removeprefix("//" + authority):
        return _refused(
            "holds an @ or a / in its user or password.", "Percent-encode them there: @ is %40 and / is %2F."
        )
    if re.search(r"%(?![0-9A-Fa-f]{2})", base):
        return _refused("holds a % that begins no percent-encoding.", "Write %25 for a % in the password.")
    server = authority.rpartition("@")[2]
    if "," in server:
        return _refused("names several servers.", "Write them as options: ?host=a:5432&host=b:5432.")
    _, bracket, after = server.rpartition("]")
    if (bracket and after and not after.startswith(":")) or bool(bracket) != server.startswith("["):
        return _refused("holds an IPv6 address with a bracket missing.", "Write it as [::1]:5432.")
    colon, port = (after[:1], after[1:]) if bracket else server.partition(":")[1:]
    if colon and not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65_536):
        return _refused(
            "holds a port that is no number from 1 to 65535.",
            "Correct it, or leave out its colon; if the password holds a : or a /, percent-encode them (%3A, %2F).",
        )
    return None


def _option_trouble(options: list[tuple[str, str]]) -> Address | None:
    for name, value in options:
        lower = name.lower()
        if lower in _SCHEMA and value not in {"", "public"}:
            return _refused(
                f"asks for a schema of its own ({lower}), which Greenlight can't be given that way.",
                "Leave it out and let the database's user begin there: ALTER ROLE … SET search_path = ….",
            )
        if name == "sslmode" and value not in _SSL_MODES:
            return _refused(
                "holds an sslmode that PostgreSQL doesn't know.", f"Write one of: {', '.join(sorted(_SSL_MODES))}."
            )
        if name in _NUMBERS and not value.isdecimal():
            return _refused(f"holds an option {name} that is no whole number.", "Correct it, or leave it out.")
        if name not in _LIBPQ and ("ssl" in lower or "tls" in lower):
            shown = name if _NAME.fullmatch(name) else "one"
            return _refused(
                f"asks for encryption by an option of another driver ({shown}).",
                "Write sslmode=require (or verify-full, with sslrootcert) in its place.",
            )
    return None


def _with_options(base: str, options: list[tuple[str, str]], known: frozenset[str]) -> Address:
    kept = [(name, value) for name, value in options if name in known]
    left = dict.fromkeys(name if _NAME.fullmatch(name) else "(unreadable)" for name, _ in options if name not in known)
    return Address(url=base + (f"?{urlencode(kept)}" if kept else ""), left_out=tuple(left))
