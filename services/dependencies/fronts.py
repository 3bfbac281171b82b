"""What stands in front of an application and answers in its place: a proxy, a platform's edge, a firewall, a login.

An answer that has the contract's form is the application's own; only others come here. Sources: the
headers and error pages that the products document or send, each beside its row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from services.dependencies.http_client import Answer

MOST_WAIT_S = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class Front:
    """What answers: `code` is the failure (`front_gateway`, …), `who` its name, `wait_s` what it asks us to wait."""

    code: str
    who: str
    wait_s: int | None = None


# (header, pattern of its value, name); the first row that fits names the front. Without a pattern, the header stands in
# answers of the front's own making alone; the others are servers that are no application's.
_BY_HEADER: tuple[tuple[str, str, str], ...] = (
    ("cf-mitigated", "", "Cloudflare's bot protection"),
    ("x-vercel-mitigated", "", "Vercel's firewall"),
    ("x-vercel-error", "", "Vercel"),
    ("x-railway-fallback", "", "Railway's edge"),
    ("x-sucuri-block", "", "the Sucuri firewall"),
    ("x-iinfo", "", "Imperva"),
    ("x-amzn-errortype", "", "an AWS gateway"),
    ("server", "cloudflare", "Cloudflare"),
    ("server", "awselb", "an AWS load balancer"),
    ("server", "cloudfront", "CloudFront"),
    ("server", "railway", "Railway's edge"),
    ("server", "vercel", "Vercel"),
    ("server", "heroku|cowboy", "Heroku's router"),
    ("server", "fly/", "Fly's proxy"),
    ("server", "google frontend|gws|gse", "Google's frontend"),
    ("server", "akamaighost", "Akamai"),
    ("server", "microsoft-azure-application-gateway", "an Azure gateway"),
    ("server", "openresty|nginx", "nginx"),
    ("server", "caddy", "Caddy"),
    ("server", "envoy|istio", "Envoy"),
    ("server", "varnish", "Varnish"),
    ("server", "haproxy", "HAProxy"),
    ("server", "litespeed", "LiteSpeed"),
    ("server", "apache", "Apache"),
    ("server", "microsoft-iis|microsoft-httpapi", "IIS"),
    ("x-served-by", "cache-", "Fastly"),
    ("via", "varnish", "Varnish"),
    ("via", "cloudfront", "CloudFront"),
    ("via", "google", "Google's frontend"),
)
# Error bodies of fronts that name themselves in no header.
_BY_BODY: tuple[tuple[str, str], ...] = (
    ("no server is available to handle this request", "HAProxy"),  # its errorfile 503
    ("<center>nginx", "nginx"),  # ngx_http_special_response.c
    ("no healthy upstream", "Envoy"),
    ("upstream connect error or disconnect", "Envoy"),
    ("no available server", "Traefik"),  # its 503
    ("application failed to respond", "Railway's edge"),
    ("application error</title>", "Heroku's router"),
    ("just a moment...", "Cloudflare's bot protection"),
    ("attention required! | cloudflare", "Cloudflare"),
    ("request unsuccessful. incapsula", "Imperva"),
    ("service temporarily unavailable", "a load balancer"),
)
# Answers with 404 that say there is no application at all, where the application's own 404 would say no such route.
_NO_APPLICATION: tuple[tuple[str, str], ...] = (
    (r'"message":\s*"application not found"', "Railway's edge"),
    (r"deployment_not_found|deployment_deleted", "Vercel"),
    (r"no such app|there's nothing here, yet", "Heroku's router"),
    (r"default backend - 404", "a Kubernetes ingress"),
    (r"there isn't a github pages site here", "GitHub Pages"),
)
# Servers that run applications: an answer of theirs is the application's own.
_APPLICATION = re.compile(
    r"uvicorn|hypercorn|granian|daphne|gunicorn|werkzeug|waitress|wsgiserver|python/|tornado", re.I
)
_GATEWAY = frozenset({502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530})
_HTML = re.compile(rb"^\s*(<!doctype\s+html|<html|<head|<body|<h1|<title)", re.I)
_UNNAMED = "what answers there"


def front_words(front: Front | None) -> dict[str, Any]:
    """A front's words for the diagnosis."""
    if front is None:
        return {}
    asked = "" if front.wait_s is None else f" It asks us to wait {front.wait_s} s."
    return {"who": front.who, "asked": asked}


def front_of(answer: Answer) -> Front | None:
    """The front that made this answer; None where it may be the application's own. For answers off the contract."""
    who = _who(answer, is_json=isinstance(answer.json(), dict))
    own = _APPLICATION.search(answer.headers.get("server", "")) is not None
    page = _HTML.search(answer.body[:512]) is not None or "html" in answer.headers.get("content-type", "").lower()
    status = answer.status
    if status == 429:
        return Front(code="front_limited", who=who or _called(answer), wait_s=_wait(answer))
    if status in {401, 407} and (page or "basic" in answer.headers.get("www-authenticate", "").lower()):
        return Front(code="front_login", who=who or _called(answer))
    if own:
        return None
    if status == 404:
        absent = _absent(answer)
        return Front(code="front_gateway", who=absent) if absent else None
    gateway = status in {502, 504} and not isinstance(answer.json(), dict)  # by their meaning another server's word
    if not (who or page or gateway):
        return None
    if status == 403 or "cf-mitigated" in answer.headers or who == "Cloudflare's bot protection":
        return Front(code="front_refuses", who=who or _called(answer))
    if status in _GATEWAY:
        return Front(code="front_gateway", who=who or _called(answer))
    return None


def _who(answer: Answer, *, is_json: bool) -> str:
    """Its name, or ""; a proxy that only names itself passes on the application's JSON."""
    for header, pattern, name in _BY_HEADER:
        value = answer.headers.get(header)
        if value is not None and (not pattern or (not is_json and re.search(pattern, value, re.I))):
            return name
    if is_json:
        return ""
    text = answer.body[:4096].decode("utf-8", "replace").lower()
    return next((name for words, name in _BY_BODY if words in text), "")


def _absent(answer: Answer) -> str:
    """Who says that there is no application; "" for a 404 that may be the application's own."""
    if "x-railway-fallback" in answer.headers:
        return "Railway's edge"
    text = answer.headers.get("x-vercel-error", "") + answer.body[:4096].decode("utf-8", "replace")
    return next((name for pattern, name in _NO_APPLICATION if re.search(pattern, text, re.I)), "")


def _called(answer: Answer) -> str:
    """What it calls itself in its Server or Via header, if that is a plain name."""
    for header in ("server", "via"):
        found = re.match(r"[A-Za-z][\w .()/+-]{0,39}$", answer.headers.get(header, ""))
        if found is not None:
            return found[0]
    return _UNNAMED


def _wait(answer: Answer) -> int | None:
    text = answer.headers.get("retry-after", "")
    return min(int(text[:6]), MOST_WAIT_S) if text.isascii() and text.isdecimal() else None
