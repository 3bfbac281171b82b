"""Sends one message to one address and says what became of it. Never raises for the other side's fault."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

from services import clock
from services.channels import payloads
from services.channels.address import Address, Service
from services.channels.message import Message
from services.channels.outcome import ACCEPTED, Outcome
from services.dependencies import http_client
from services.dependencies.http_client import Answer
from services.dependencies.model import Failure
from services.redact import fault

if TYPE_CHECKING:
    from aiosmtplib import SMTP

log = logging.getLogger(__name__)
DEADLINE_S = 10.0
LONGEST_PAUSE_S = 86_400.0
_FAILURES: Mapping[str, str] = {
    "timeout": "timeout", "redirected": "redirected", "tls_expired": "not_trusted", "tls_untrusted": "not_trusted",
    "tls_wrong_host": "not_trusted", "tls_failed": "not_trusted",
}  # fmt: skip
_STATUSES: Mapping[int, str] = {
    401: "no_access", 403: "no_access", 404: "gone", 408: "timeout", 410: "gone", 425: "limited", 429: "limited",
}  # fmt: skip


async def send(address: Address, message: Message, *, deadline_s: float = DEADLINE_S) -> Outcome:
    """Send it once, within the deadline."""
    try:
        async with asyncio.timeout(deadline_s + 1):
            if address.service == "email":
                return await _mail(address, message, deadline_s)
            if address.service == "apprise":
                return await _apprise(address, message)
            return await _post(address, message, deadline_s)
    except TimeoutError:
        return Outcome(code="timeout")
    except Exception as error:  # noqa: BLE001 - one message that can't be sent keeps no other waiting
        log.error("a message could not be sent by our own fault: %s", fault(error))
        return Outcome(code="own_fault")


async def _post(address: Address, message: Message, deadline_s: float) -> Outcome:
    made = payloads.request(address, message, clock.now_ms() // 1000)
    answer = await http_client.post(made.url, made.body, deadline_s=deadline_s, headers=made.headers)
    if isinstance(answer, Failure):
        return Outcome(code=_FAILURES.get(answer.code, "not_reached"))
    return judged(address.service, answer)


def judged(service: Service, answer: Answer) -> Outcome:
    """What an answer means. Pure, but for the pause until a date, which is counted from now."""
    status = answer.status
    if 200 <= status < 300:
        return Outcome(code=ACCEPTED if _means_it(service, answer) else "error_in_answer", status=status)
    code = _STATUSES.get(status) or ("fault" if status >= 500 else "refused")
    return Outcome(code=code, status=status, after_s=_pause(answer) if status in {429, 503} else None)


def _means_it(service: Service, answer: Answer) -> bool:
    """Whether an answer with a good status says that the message was taken."""
    text = answer.body[:4000].decode("utf-8", "replace").strip()
    if answer.headers.get("content-type", "").startswith("text/html") and service != "webhook":
        return False  # a login or error page
    if service == "slack":
        return text == "ok"
    found = answer.json() if text.startswith("{") else None
    if isinstance(found, dict) and service == "pagerduty":
        return found.get("status") == "success"
    if isinstance(found, dict) and service == "ntfy":
        return found.get("event") == "message"
    if isinstance(found, dict) and service in {"teams", "discord"}:
        return "error" not in found
    if service in {"pagerduty", "ntfy"}:
        return False
    return service == "webhook" or "error" not in text.lower()


def _pause(answer: Answer) -> float | None:
    """What `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3); at most a day."""
    text = answer.headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return None
        if moment.tzinfo is None:
            return None
        seconds = (clock.to_ms(moment) - clock.now_ms()) / 1000
    return min(max(0.0, seconds), LONGEST_PAUSE_S) if seconds == seconds else None  # noqa: PLR0124 - NaN


def letter(address: Address, message: Message) -> EmailMessage:
    """The message as an e-mail: plain text, in the thread of its alert; sent again it has the same Message-ID."""
    made = EmailMessage()
    domain = address.sender.rpartition("@")[2]
    made["Subject"] = message.title
    made["From"] = address.sender
    made["To"] = ", ".join(address.to)
    made["Date"] = format_datetime(clock.from_ms(message.at_ms))
    made["Message-ID"] = f"<{message.key}@{domain}>"
    made["References"] = f"<{message.thread}@{domain}>"
    made["X-Greenlight-Key"] = message.key
    made["Auto-Submitted"] = "auto-generated"
    made.set_content("\n\n".join((*message.lines, *((message.link,) if message.link else ()))) + "\n")
    return made


async def _mail(address: Address, message: Message, deadline_s: float) -> Outcome:
    import aiosmtplib

    client = aiosmtplib.SMTP(
        hostname=address.host, port=address.port, timeout=deadline_s, use_tls=address.security == "implicit",
        local_hostname=socket.gethostname(), start_tls=False,
        tls_context=None if address.security == "none" else http_client.tls_context(),
    )  # fmt: skip
    try:
        await client.connect()
        return await _talk(client, address, message)
    except aiosmtplib.SMTPAuthenticationError as error:
        return Outcome(code="mail_login" if error.code >= 500 else "mail_later", status=error.code)
    except aiosmtplib.SMTPRecipientsRefused as error:
        worst = max(refused.code for refused in error.recipients)
        return Outcome(code="mail_refused" if worst >= 500 else "mail_later", status=worst)
    except aiosmtplib.SMTPResponseException as error:
        return Outcome(code="mail_refused" if error.code >= 500 else "mail_later", status=error.code)
    except (aiosmtplib.SMTPTimeoutError, TimeoutError):
        return Outcome(code="timeout")
    except (aiosmtplib.SMTPException, OSError):
        return Outcome(code="not_reached")
    finally:
        client.close()


async def _talk(client: SMTP, address: Address, message: Message) -> Outcome:
    if address.security == "starttls":
        if not client.supports_extension("starttls"):
            await client.ehlo()
        if not client.supports_extension("starttls"):
            return Outcome(code="mail_no_tls")
        await client.starttls(tls_context=http_client.tls_context())
    if address.user:
        await client.login(address.user, address.key)
    refused, _ = await client.send_message(letter(address, message))
    return Outcome(code=ACCEPTED if len(refused) < len(address.to) else "mail_refused")


async def _apprise(address: Address, message: Message) -> Outcome:
    """Any other service. Apprise says yes or no alone, so there is no status and no pause (decision record 0028)."""
    return await asyncio.to_thread(_through_apprise, address, message)


def _through_apprise(address: Address, message: Message) -> Outcome:
    import apprise

    _quieten()
    asset = apprise.AppriseAsset(app_id="Greenlight", app_url="", secure_logging=True, storage_mode="memory")
    target = apprise.Apprise(asset=asset)
    if not target.add(address.url):
        return Outcome(code="not_usable")
    body = "\n".join((*message.lines, *((message.link,) if message.link else ())))
    taken = target.notify(title=message.title, body=body or message.title, body_format=apprise.NotifyFormat.TEXT)
    return Outcome(code=ACCEPTED if taken else "not_taken")


def _quieten() -> None:
    """Apprise and what it sends with quote payloads and addresses in their logs, keys included."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(logging.WARNING)


def is_usable(address: Address) -> bool:
    """Whether the address can be used at all: for those of Apprise it alone knows. Sends nothing."""
    if address.service != "apprise":
        return True
    import apprise

    _quieten()
    return apprise.Apprise.instantiate(address.url) is not None
