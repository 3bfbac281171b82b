"""A message in the form that each service publishes for its webhook. Pure: an address and a message in, a request out.

Outside text can't become markup: it stands in fields that the service shows as plain text (Slack's `plain_text`,
Teams' text runs, PagerDuty, ntfy), or is escaped (Discord, Slack's notification line). Sources: docs/alerts.md.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from services import clock
from services.channels.address import Address, Service
from services.channels.message import Message, inert
from services.signature import HEADER, sign
from services.version import VERSION

SCHEMA = "greenlight.alert/1"
_JSON = {"Content-Type": "application/json"}
# Limits: Slack header 150, section 3000; Discord title 256, description 4096; PagerDuty summary 1024.
_DISCORD_MARKUP = re.compile(r"([\\*_~`|>#\[\]<])")
_COLOURS = {"page": 0xB3261E, "notify": 0x8F5A00, "digest": 0x5F6368}
_OVER = 0x1B7F4B


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What is posted: address, headers, body. Nothing of it is shown."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def request(address: Address, message: Message, at_s: int) -> Request:
    """The request for a message; `at_s` is the time under which our own webhook is signed."""
    if address.service == "webhook":
        return _webhook(address, message, at_s)
    body = json.dumps(_PAYLOADS[address.service](address, message), ensure_ascii=False).encode()
    return Request(url=address.url, headers={**_JSON, **_authorization(address)}, body=body)


def _slack(_address: Address, message: Message) -> dict[str, Any]:
    escaped = message.title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _slack_plain(message.title, 150)}]
    if message.lines:
        blocks.append({"type": "section", "text": _slack_plain("\n".join(message.lines), 3000)})
    if message.link:
        button = {"type": "button", "text": _slack_plain("Open in Greenlight", 75), "url": message.link}
        blocks.append({"type": "actions", "elements": [button]})
    return {"text": inert(escaped), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _slack_plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": _cut(text, most), "emoji": False}


def _teams(_address: Address, message: Message) -> dict[str, Any]:
    body = [_run(message.title, weight="Bolder", size="Medium"), *(_run(line) for line in message.lines)]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
        "body": body,
    }  # fmt: skip
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in Greenlight", "url": message.link}]
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _run(text: str, **style: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def _discord(_address: Address, message: Message) -> dict[str, Any]:
    embed: dict[str, Any] = {
        "title": _cut(_without_markup(message.title), 256),
        "description": _cut("\n".join(_without_markup(line) for line in message.lines), 4096),
        "color": _OVER if message.ends else _COLOURS[message.severity],
    }
    return {
        "embeds": [embed | ({"url": message.link} if message.link else {})],
        "allowed_mentions": {"parse": []},
    }


def _without_markup(text: str) -> str:
    return inert(_DISCORD_MARKUP.sub(r"\\\1", text))


def _pagerduty(address: Address, message: Message) -> dict[str, Any]:
    """Events API v2. The dedup key is the alert's: every event of it belongs to one incident there."""
    action = {"resolved": "resolve", "acknowledged": "acknowledge"}.get(message.event, "trigger")
    severity = {"page": "critical", "notify": "warning", "digest": "info"}[message.severity]
    body: dict[str, Any] = {"routing_key": address.key, "event_action": action, "dedup_key": message.thread}
    if action != "trigger":
        return body
    body["payload"] = {
        "summary": _cut(f"{message.title}. {message.what}", 1024),
        "source": message.environment or "greenlight",
        "severity": severity,
        "component": _cut(message.cause, 200),
        "custom_details": {"what": message.what, "fix": message.fix, "with": list(message.also), "key": message.key},
    }
    body |= {"client": "Greenlight"} | ({"client_url": message.link} if message.link else {})
    return body | ({"links": [{"href": message.link, "text": "Open in Greenlight"}]} if message.link else {})


def _ntfy(address: Address, message: Message) -> dict[str, Any]:
    priority = 3 if message.ends else {"page": 5, "notify": 4, "digest": 2}[message.severity]
    tag = "white_check_mark" if message.ends else {"page": "rotating_light", "notify": "warning"}.get(message.severity)
    found: dict[str, Any] = {
        "topic": address.topic, "title": message.title, "message": "\n".join(message.lines) or message.title,
        "priority": priority, "markdown": False,
    }  # fmt: skip
    return found | ({"tags": [tag]} if tag else {}) | ({"click": message.link} if message.link else {})


_PAYLOADS: Mapping[Service, Callable[[Address, Message], dict[str, Any]]] = {
    "slack": _slack, "teams": _teams, "discord": _discord, "pagerduty": _pagerduty, "ntfy": _ntfy,
}  # fmt: skip


def _authorization(address: Address) -> dict[str, str]:
    if address.service != "ntfy" or not address.key:
        return {}
    if address.user:
        pair = base64.b64encode(f"{address.user}:{address.key}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {"Authorization": f"Bearer {address.key}"}


def document(message: Message) -> dict[str, Any]:
    """The message as our own webhook's JSON; its schema is in the API's OpenAPI document."""
    return {
        "schema": SCHEMA,
        "key": message.key,
        "alert": message.thread,
        "event": message.event,
        "severity": message.severity,
        "environment": message.environment or None,
        "simulated": message.simulated,
        "cause": message.cause,
        "title": message.title,
        "what": message.what,
        "fix": message.fix,
        "with": list(message.also),
        "link": message.link or None,
        "at": clock.iso(message.at_ms),
    }


def _webhook(address: Address, message: Message, at_s: int) -> Request:
    body = json.dumps(document(message), ensure_ascii=False, separators=(",", ":")).encode()
    signature = {HEADER: sign(address.key, body, at_s), "Idempotency-Key": message.key}
    agent = {"User-Agent": f"greenlight/{VERSION}"}
    return Request(url=address.url, headers={**_JSON, **signature, **agent}, body=body)


def host_of(address: Address) -> str:
    """The host alone, which is no secret, for those who read a log."""
    return address.host or (urlsplit(address.url).hostname or "")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
