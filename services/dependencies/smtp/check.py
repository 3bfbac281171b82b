"""A conversation with a mail server that ends before any mail."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import aiosmtplib

from services.dependencies import network
from services.dependencies.http_client import Watch, certificate_of, rounded, tls_code, tls_context
from services.dependencies.kind import Context, Found
from services.dependencies.model import Failure
from services.outside import storable

if TYPE_CHECKING:
    from services.dependencies.smtp.kind import SmtpTable


async def run(table: SmtpTable, context: Context) -> Found | Failure:
    """Greet, encrypt, log in, leave."""
    watch = Watch()
    client: aiosmtplib.SMTP | None = None
    transport: asyncio.BaseTransport | None = None
    try:
        async with asyncio.timeout(table.deadline_s):
            watch.begin("resolve")
            addresses = await network.resolve(table.host, table.port)
            watch.end()
            watch.begin("connect")
            connected = await network.connect(addresses)
            watch.end()
            implicit = table.tls == "implicit"
            watch.begin("tls" if implicit else "greeting")
            client = aiosmtplib.SMTP(
                hostname=table.host if implicit else None, sock=connected, use_tls=implicit, start_tls=False,
                timeout=table.deadline_s, tls_context=tls_context() if implicit else None,
                local_hostname="greenlight.invalid",
            )  # fmt: skip
            await client.connect()
            watch.end()
            watch.begin("greeting")
            await client.ehlo()
            watch.end()
            if table.tls == "starttls":
                if not client.supports_extension("starttls"):
                    return watch.failed("no_starttls", "STARTTLS is not among its extensions")
                watch.begin("tls")
                await client.starttls(server_hostname=table.host, tls_context=tls_context())
                await client.ehlo()
                watch.end()
            _, days = (None, None) if client.transport is None else certificate_of(client.transport)
            extensions = sorted(storable(name.upper()) for name in client.esmtp_extensions)[:40]
            if table.user_variable and table.password_variable:
                if not client.supports_extension("auth"):
                    return watch.failed("no_login", "AUTH is not among its extensions")
                watch.begin("login")
                user, password = (context.variables[name].get_secret_value() for name in table.variables())
                await client.login(user, password)
                watch.end()
            transport = client.transport
            await client.quit()
    except TimeoutError:
        return watch.late(table.deadline_s)
    except (aiosmtplib.SMTPException, ssl.SSLError, OSError, UnicodeError) as error:
        return watch.failed(code_of(error, watch.phase), f"{type(error).__name__} {getattr(error, 'code', '')}".strip())
    finally:
        transport = transport or (client.transport if client is not None else None)
        if transport is not None:
            transport.abort()  # type: ignore[attr-defined]  # at once: the peer's farewell may never come
    timings = watch.finish()
    facts = {"ms": timings["total"], "cert_days": days, "extensions": extensions}
    detail: dict[str, Any] = {
        "timings_ms": rounded(timings),
        "extensions": extensions,
        "logged_in": bool(table.user_variable),
    }
    return Found(facts=facts, latency_ms=timings["total"], detail=detail)


def code_of(error: BaseException, phase: str) -> str:
    """What went wrong, by the error and where it came."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return tls_code(seen)
        seen = seen.__cause__ or seen.__context__
    if phase == "resolve":
        return "name_not_found"
    if phase == "connect":
        return "refused" if isinstance(error, OSError) and network.was_refused(error) else "unreachable"
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return "login_busy" if error.code in {421, 450, 451, 454} else "login_refused"
    if isinstance(error, (aiosmtplib.SMTPTimeoutError,)):
        return "timeout"
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code in {421, 450, 451, 452}:
        return "busy"
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code and error.code >= 500:
        return "turned_away" if phase == "greeting" else "login_refused" if phase == "login" else "tls_failed"
    if phase == "tls":
        return "tls_failed"
    if isinstance(error, aiosmtplib.SMTPException) and "line" in str(error).lower():
        return "not_smtp"
    return "closed" if not isinstance(error, aiosmtplib.SMTPResponseException) else "not_smtp"
