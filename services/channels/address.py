"""Reads a channel's URL: which service it belongs to and where its requests go. Pure; no sentence quotes a part."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

Service = Literal["email", "slack", "teams", "discord", "pagerduty", "ntfy", "webhook", "apprise"]
SERVICES: tuple[Service, ...] = get_args(Service)
TITLES: dict[Service, str] = {
    "email": "e-mail", "slack": "Slack", "teams": "Microsoft Teams", "discord": "Discord", "pagerduty": "PagerDuty",
    "ntfy": "ntfy", "webhook": "webhook", "apprise": "another service, by Apprise",
}  # fmt: skip
PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
LEAST_SECRET = 16  # characters of a webhook's signing secret
_MAIL = re.compile(r"[^@\s,<>\"]+@[^@\s,<>\"]+")
_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9.-]*)(?:\+(https?))?://")
# The addresses that services themselves show to people who make a webhook there.
_KNOWN: tuple[tuple[Service, re.Pattern[str]], ...] = (
    ("slack", re.compile(r"^hooks\.slack\.com$|^hooks\.slack-gov\.com$")),
    ("teams", re.compile(r"\.logic\.azure\.com$|\.powerplatform\.com$|\.powerautomate\.com$")),
    ("discord", re.compile(r"^(?:\w+\.)?discord(?:app)?\.com$")),
    ("ntfy", re.compile(r"^ntfy\.sh$")),
)
_OURS = frozenset({"http", "https", "smtp", "smtps", "pagerduty"})  # schemes without +https that are not Apprise's
_OVER_HTTP = ("slack", "teams", "discord", "pagerduty", "ntfy", "webhook")
WAYS = (
    "Write it as docs/alerts.md shows: the address that Slack, Teams, Discord or ntfy gives, pagerduty://, smtp://, "
    "webhook+https://, or one of Apprise's."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A channel's address. `url` takes the request, `key` is the secret that goes with it; nothing of it is shown."""

    service: Service
    url: str = field(repr=False)
    key: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    host: str = ""
    port: int = 0
    security: Literal["implicit", "starttls", "none"] = "none"
    sender: str = ""
    to: tuple[str, ...] = ()
    topic: str = field(default="", repr=False)  # of ntfy, where it is as good as a password


def read(text: str) -> Address | str:
    """The address, or what is wrong with it as words that follow the channel's name."""
    text = text.strip()
    if not text.isprintable() or " " in text:
        return "holds white space or characters that no address has."
    match = _SCHEME.match(text)
    if match is None:
        return "is no address: it has no scheme, such as https:// or smtp://."
    scheme, transport = match.group(1).lower(), match.group(2)
    if transport is None and scheme not in _OURS:
        # Apprise's own forms, which only it can read: what stands for a host and port there is often neither.
        return Address(service="apprise", url=text) if text[match.end() :].strip("/") else "names no host."
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "can't be read as an address."
    if scheme in {"smtp", "smtps"} and transport is None:
        return _mail(parts, host, port, implicit=scheme == "smtps")
    if scheme == "pagerduty" and transport is None:
        return _pagerduty(parts.netloc)
    if scheme in {"http", "https"}:
        scheme, transport = next((name for name, known in _KNOWN if known.search(host.lower())), ""), scheme
        if not scheme:
            return "is a plain web address: write which service it is, as in slack+https:// or webhook+https://."
    if scheme not in _OVER_HTTP:
        return f"has a form that is not known; with +{transport} go {', '.join(_OVER_HTTP)}."
    return _over_http(scheme, transport, parts, host, port) if host else "names no host."


def _over_http(service: str, transport: str, parts: SplitResult, host: str, port: int | None) -> Address | str:
    shown = f"[{host}]" if ":" in host else host
    bare = f"{shown}:{port}" if port else shown
    url = urlunsplit((transport, bare, parts.path, parts.query, ""))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if service == "webhook":
        if len(user) < LEAST_SECRET:
            return f"needs a secret of {LEAST_SECRET} characters or more before the @, with which messages are signed."
        return Address(service="webhook", url=url, key=user, host=host)
    if service == "pagerduty":
        if not user:
            return "names no integration key before the @."
        return Address(service="pagerduty", url=url, key=user, host=host)
    if service == "ntfy":
        topic = parts.path.strip("/")
        if not topic or "/" in topic:
            return "names no topic: it is the one part of the path."
        root = urlunsplit((transport, bare, "/", "", ""))
        return Address(service="ntfy", url=root, topic=unquote(topic), user=user if password else "",
                       key=password or user, host=host)  # fmt: skip
    if not parts.path.strip("/"):
        return "is not whole: the part after the host is missing."
    services: dict[str, Service] = {"slack": "slack", "teams": "teams", "discord": "discord"}
    return Address(service=services[service], url=url, host=host)


def _pagerduty(netloc: str) -> Address | str:
    key = unquote(netloc.partition("@")[0])
    if not re.fullmatch(r"[A-Za-z0-9]{8,64}", key):
        return "names no integration key: pagerduty:// is followed by the key of an Events API v2 integration."
    return Address(service="pagerduty", url=PAGERDUTY, key=key, host="events.pagerduty.com")


def _mail(parts: SplitResult, host: str, port: int | None, *, implicit: bool) -> Address | str:
    given = parse_qs(parts.query)
    sender = next(iter(given.get("from", ())), "")
    to = tuple(name.strip() for value in given.get("to", ()) for name in value.split(",") if name.strip())
    plain = given.get("tls", [""])[0] == "none"
    if not host:
        return "names no mail server."
    if set(given) - {"from", "to", "tls"}:
        return "has a parameter that is not known; known are from, to and tls."
    if not to or not all(_MAIL.fullmatch(name) for name in to):
        return "names nobody to write to: add ?to= with an e-mail address, or several with commas."
    if not _MAIL.fullmatch(sender):
        return "names no sender: add from= with an e-mail address."
    return Address(
        service="email", url="", host=host, port=port or (465 if implicit else 587), sender=sender, to=to,
        security="implicit" if implicit else "none" if plain else "starttls",
        user=unquote(parts.username or ""), key=unquote(parts.password or ""),
    )  # fmt: skip


def web(text: str) -> str:
    """Why an address can't take a plain ping over HTTP; "" where it can."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    return "" if fits and text.isprintable() and " " not in text else "is no web address: it begins with https://."
