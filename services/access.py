"""Who may do what. Roles and actions as a table, asked by every service that changes something."""

from __future__ import annotations

import hmac
import ipaddress
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from services.errors import GreenlightError

if TYPE_CHECKING:
    from services.settings.model import Access, Settings

JOINERS = "\u200c\u200d"  # letters of some scripts are written with them
Role = Literal["viewer", "operator", "engineer"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "engineer")  # each may do what those before it may
Action = Literal[
    "probe", "validate", "replay", "maintenance", "confirm", "campaign", "request_go", "sign_off", "baseline",
    "rescore", "waive", "write_env", "deploy", "configure", "runs", "drill", "alerts", "draft", "publish",
    "traces",
    "quarantine", "label",
]  # fmt: skip

# The least role for each action; looking is for everybody who may open the portal.
LEAST: Mapping[Action, Role] = {
    "probe": "operator",
    "validate": "operator",
    "runs": "operator",
    "drill": "operator",
    "alerts": "operator",
    "draft": "operator",
    "traces": "operator",
    "replay": "operator",
    "maintenance": "operator",
    "confirm": "operator",
    "campaign": "operator",
    "request_go": "operator",
    "sign_off": "operator",
    "label": "operator",
    "baseline": "engineer",
    "quarantine": "engineer",
    "rescore": "engineer",
    "waive": "engineer",
    "write_env": "engineer",
    "deploy": "engineer",
    "publish": "engineer",
    "configure": "engineer",
}


class Forbidden(GreenlightError):
    """Somebody's role does not allow it; the message says which role does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Who acts. `verified`: an identity provider vouches; `key` is issuer and subject then, and never changes."""

    name: str
    role: Role = "viewer"
    verified: bool = False
    key: str = ""

    def __str__(self) -> str:
        return named(self.name, verified=self.verified)


def plain(text: str) -> str:
    """A person's words on one line, without what can't be seen but changes how the rest reads: controls, directions."""
    kinds = {c: unicodedata.category(c) for c in set(text)}
    shown = (" " if kinds[c] == "Cc" else c for c in text if kinds[c] not in {"Cf", "Cs"} or c in JOINERS)
    return " ".join("".join(shown).split())


def named(name: str, *, verified: bool) -> str:
    """A person in words: who signed in by name alone, anybody else marked."""
    return name if verified else f"{name} (unverified)"


SCHEDULE = Person(name="schedule", role="engineer", verified=True, key="schedule")


def why_not(person: Person, action: Action) -> str:
    """Why a person may not do that; "" where they may."""
    least = LEAST[action]
    if ROLES.index(person.role) >= ROLES.index(least):
        return ""
    return f"Your role is {person.role}; this needs {least}. Ask the person who keeps [access] in greenlight.toml."


def require(person: Person, action: Action) -> None:
    """Raises Forbidden where the person's role does not allow the action."""
    why = why_not(person, action)
    if why:
        raise Forbidden(why)


def local_operator(name: str = "local operator") -> Person:
    """The person at this machine, where nobody signs in: may do all, and is marked unverified in every record."""
    return Person(name=plain(name)[:120] or "local operator", role="engineer", verified=False)


def of_claims(claims: Mapping[str, Any], access: Access) -> Person:
    """Who signed in: by issuer and subject; by e-mail only where the provider says that it is verified."""
    issuer, subject = str(claims.get("iss") or ""), str(claims.get("sub") or "")
    mail = str(claims.get("email") or "").lower() if claims.get("email_verified") is True else ""
    role: Role = access.default_role
    for known in access.people:
        by_subject = known.subject is not None and (known.issuer, known.subject) == (issuer, subject)
        by_mail = known.email is not None and known.issuer == issuer and mail and known.email.lower() == mail
        if by_subject or by_mail:
            role = known.role
            break
    name = str(claims.get("name") or mail or subject)
    return Person(name=plain(name)[:120], role=role, verified=True, key=f"{issuer}#{subject}"[:300])


PROXY = "proxy"  # the issuer of people whom a reverse proxy has signed in, for [[access.people]]


def of_proxy(headers: Mapping[str, str], access: Access) -> Person:
    """Whom the trusted proxy names in its headers, with the role that it or the settings give.

    A visitor whom it doesn't name has the default role, and is marked unverified in every record.
    """
    found = {name.lower(): value for name, value in headers.items()}
    user = plain(found.get(access.proxy_user_header.lower(), ""))[:120]
    if not user:
        return Person(name="visitor", role=access.default_role, verified=False)
    claims = {"iss": PROXY, "sub": user, "name": user, "email": user, "email_verified": "@" in user}
    person = of_claims(claims, access)
    role = found.get((access.proxy_role_header or "").lower(), "").strip().lower()
    return replace(person, role=role) if role in ROLES else person


def is_this_machine(address: str) -> bool:
    """Whether an address is a loopback one, an IPv4 address in IPv6's clothes included."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = found.ipv4_mapped if found.version == 6 else None
    return (mapped or found).is_loopback


def tokens_of(settings: Settings) -> dict[str, tuple[str, Role]]:
    """The API's tokens by name: secret and role."""
    tokens: dict[str, tuple[str, Role]] = {
        token.name: (settings.access_tokens[token.name].get_secret_value(), token.role)
        for token in settings.access.tokens
        if token.name in settings.access_tokens
    }
    if settings.api_token is not None:
        tokens["api"] = (settings.api_token.get_secret_value(), "engineer")
    return tokens


def of_token(given: str | None, tokens: Mapping[str, tuple[str, Role]]) -> Person | None:
    """Whose API token that is (`tokens` by name: secret and role); None for nobody's. Compared in constant time."""
    found = None
    for name, (secret, role) in tokens.items():
        if given is not None and hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode()):
            found = Person(name=f"API token {name}", role=role, verified=True, key=f"token#{name}")
    return found
