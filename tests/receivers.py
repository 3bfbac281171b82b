"""Receivers of messages on loopback: HTTP servers that take what each service publishes that it takes, and refuse the
rest as the service does; and a mail server. Each keeps what it accepted.

Shapes, from the services' own pages: Slack *Incoming webhooks* and *Block Kit*; Microsoft *Adaptive Cards for Teams
workflows*; Discord *Execute Webhook*; PagerDuty *Events API v2*; ntfy *Publish as JSON*.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from services.signature import signed

WEBHOOK_SECRET = "0123456789abcdef-webhook"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
NTFY_TOKEN = "tk_0123456789abcdef0123456789ab"


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None  # answer only then


@dataclass
class Taken:
    """What a receiver accepted: the path, headers in lower case, the body as JSON."""

    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes


def slack(taken: Taken) -> Answer:
    body = taken.body
    blocks = body.get("blocks", [])
    fits = (
        set(body) <= {"text", "blocks", "unfurl_links", "unfurl_media", "attachments"}
        and isinstance(body.get("text"), str) and 0 < len(blocks) <= 50
        and all(_slack_block(block) for block in blocks)
    )  # fmt: skip
    return Answer(body=b"ok") if fits else Answer(400, b"invalid_blocks")


def _slack_block(block: dict[str, Any]) -> bool:
    limit = {"header": 150, "section": 3000}.get(block["type"])
    if limit is not None:
        text = block["text"]
        return text["type"] in {"plain_text", "mrkdwn"} and 0 < len(text["text"]) <= limit
    return block["type"] == "actions" and all(
        e["type"] == "button" and e["text"]["type"] == "plain_text" and len(e["url"]) <= 3000 for e in block["elements"]
    )


def teams(taken: Taken) -> Answer:
    body = taken.body
    cards = body.get("attachments", [])
    fits = (
        body.get("type") == "message" and len(cards) == 1 and len(taken.raw) <= 28_000
        and cards[0]["contentType"] == "application/vnd.microsoft.card.adaptive"
        and cards[0]["content"]["type"] == "AdaptiveCard" and cards[0]["content"]["version"] in {"1.2", "1.3", "1.4", "1.5"}
        and all(e["type"] == "RichTextBlock" and all(r["type"] == "TextRun" and r["text"] for r in e["inlines"])
                for e in cards[0]["content"]["body"])
        and all(a["type"] == "Action.OpenUrl" and a["url"] for a in cards[0]["content"].get("actions", []))
    )  # fmt: skip
    return Answer(202) if fits else Answer(400, b'{"error": {"code": "InvalidRequestContent"}}')


def discord(taken: Taken) -> Answer:
    embeds = taken.body.get("embeds", [])
    fits = (
        0 < len(embeds) <= 10 and taken.body.get("allowed_mentions") == {"parse": []}
        and all(0 < len(e["title"]) <= 256 and len(e.get("description", "")) <= 4096 and 0 <= e["color"] <= 0xFFFFFF
                for e in embeds)
    )  # fmt: skip
    return Answer(204) if fits else Answer(400, b'{"message": "Invalid Form Body", "code": 50035}')


def pagerduty(taken: Taken) -> Answer:
    body = taken.body
    action = body.get("event_action")
    fits = body.get("routing_key") == ROUTING_KEY and 0 < len(body.get("dedup_key", "")) <= 255
    if action == "trigger":
        payload = body.get("payload", {})
        fits = fits and (
            0 < len(payload.get("summary", "")) <= 1024 and bool(payload.get("source"))
            and payload.get("severity") in {"critical", "error", "warning", "info"}
        )  # fmt: skip
    fits = fits and action in {"trigger", "acknowledge", "resolve"}
    if not fits:
        return Answer(400, b'{"status": "invalid event", "message": "Event object is invalid"}')
    done = {"status": "success", "message": "Event processed", "dedup_key": body["dedup_key"]}
    return Answer(202, json.dumps(done).encode(), {"Content-Type": "application/json"})


def ntfy(taken: Taken) -> Answer:
    body = taken.body
    if taken.headers.get("authorization") != f"Bearer {NTFY_TOKEN}":
        return Answer(401, b'{"code": 40101, "http": 401, "error": "unauthorized"}')
    fits = (
        taken.path == "/" and bool(body.get("topic")) and body.get("priority") in range(1, 6)
        and isinstance(body.get("message"), str) and isinstance(body.get("tags", []), list)
    )  # fmt: skip
    done = {"id": "abc", "time": 1, "event": "message", "topic": body.get("topic")}
    return Answer(200, json.dumps(done).encode()) if fits else Answer(400, b'{"code": 40024, "error": "invalid"}')


def webhook(taken: Taken) -> Answer:
    at = int(taken.headers["x-greenlight-signature"].partition(",")[0][2:])
    if not signed(WEBHOOK_SECRET, taken.raw, taken.headers.get("x-greenlight-signature"), at):
        return Answer(403)
    fits = taken.body["schema"] == "greenlight.alert/1" and taken.headers["idempotency-key"] == taken.body["key"]
    return Answer(204) if fits else Answer(400)


SERVICES: dict[str, Callable[[Taken], Answer]] = {
    "slack": slack, "teams": teams, "discord": discord, "pagerduty": pagerduty, "ntfy": ntfy, "webhook": webhook,
}  # fmt: skip


class Receiver:
    """A service's end of a webhook. `instead` answers in the service's place while it is set."""

    def __init__(self, service: str) -> None:
        self.service, self.taken, self.asked = service, [], 0
        self.taken: list[Taken] = []
        self.instead: Answer | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                found = receiver.answer(Taken(self.path, headers, json.loads(raw), raw))
                if found.wait is not None:
                    found.wait.wait(60)
                self.send_response(found.status)
                for name, value in found.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(found.body)))
                self.end_headers()
                self.wfile.write(found.body)

            def do_GET(self) -> None:
                receiver.asked += 1
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"OK")

            def log_message(self, *_: object) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Whoever sent may have been killed."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, taken: Taken) -> Answer:
        self.asked += 1
        if self.instead is not None:
            return self.instead
        found = SERVICES[self.service](taken)
        if found.status < 300:
            self.taken.append(taken)
        return found

    @property
    def url(self) -> str:
        """The address as a channel's variable holds it."""
        where = f"127.0.0.1:{self.port}"
        return {
            "pagerduty": f"pagerduty+http://{ROUTING_KEY}@{where}/v2/enqueue",
            "ntfy": f"ntfy+http://{NTFY_TOKEN}@{where}/alerts-of-the-team",
            "webhook": f"webhook+http://{WEBHOOK_SECRET}@{where}/hook",
        }.get(self.service, f"{self.service}+http://{where}/services/T0/B0/planted-secret-4711")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class MailServer:
    """A mail server that keeps what it accepts."""

    def __init__(self, *, refuse: str = "") -> None:
        from aiosmtpd.controller import Controller
        from aiosmtpd.smtp import SMTP

        mails: list[EmailMessage] = []
        self.mails, server = mails, self
        self.refuse = refuse

        class Handler:
            async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
                if server.refuse:
                    return server.refuse
                parsed = message_from_bytes(envelope.content, policy=policy.default)
                assert isinstance(parsed, EmailMessage)
                mails.append(parsed)
                return "250 OK"

        class Local(Controller):
            def factory(self) -> SMTP:
                return SMTP(self.handler, hostname="mail.example.org")

        self._controller = Local(Handler(), hostname="127.0.0.1", port=0, ready_timeout=60)
        self._controller.port = _free_port()
        self._controller.start()
        self.port = self._controller.port

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?from=greenlight@example.org&to=ops@example.org&tls=none"

    def close(self) -> None:
        self._controller.stop()


def _free_port() -> int:
    from tests.conftest import free_port

    return free_port()


@contextmanager
def receiving(service: str) -> Iterator[Receiver]:
    """A receiver while the block runs."""
    made = Receiver(service)
    try:
        yield made
    finally:
        made.close()
