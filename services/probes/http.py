"""One HTTP exchange with a hostile world: a deadline over all of it, 1 MiB at most, phases timed, nothing unpacked.

A new connection each time, because a probe must also test *accepting*. Trouble comes back as a Failure value.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urljoin, urlsplit

import h11

from services import clock
from services.probes.model import Failure

MAX_BODY_BYTES = 1 << 20
MAX_REDIRECTS = 2
CHUNK = 1 << 16
USER_AGENT = "greenlight-probe/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A complete response. `timings` in ms by phase (resolve, connect, tls, first_byte, total)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    timings: Mapping[str, float]
    certificate_expires: str | None = None
    certificate_days: float | None = None

    def json(self) -> Any:
        """The body as JSON; None where it is not (broken, nested too deep, NaN, not UTF-8)."""
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return None


@dataclass(slots=True)
class Watch:
    """Times phases against one deadline; each phase ends where the next begins."""

    started: float = field(default_factory=time.perf_counter)
    phase: str = "resolve"
    timings: dict[str, float] = field(default_factory=dict)
    begun: float = 0.0

    def begin(self, phase: str) -> None:
        self.phase, self.begun = phase, time.perf_counter()

    def end(self) -> None:
        self.timings[self.phase] = (time.perf_counter() - self.begun) * 1000

    def finish(self) -> dict[str, float]:
        self.timings["total"] = (time.perf_counter() - self.started) * 1000
        return self.timings

    def failed(self, code: str, detail: str) -> Failure:
        return Failure(code=code, detail=detail[:300], phase=self.phase, timings=self.finish())


def _refuse_constant(_text: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


@cache
def tls_context() -> ssl.SSLContext:
    """One client context for all probes: building one costs 18 ms of CPU."""
    return ssl.create_default_context()


async def post(url: str, body: bytes, *, deadline_s: float, headers: Mapping[str, str]) -> Answer | Failure:
    """POST to an address; a redirect is a failure, since what was sent is not sent again elsewhere."""
    return await send("POST", url, body, deadline_s=deadline_s, headers=headers)


async def send(
    method: str, url: str, body: bytes, *, deadline_s: float, headers: Mapping[str, str]
) -> Answer | Failure:
    """Send a body by any method; like `post`."""
    watch = Watch()
    try:
        async with asyncio.timeout(deadline_s):
            outcome = await _exchange(url, headers, watch, method, body)
    except TimeoutError:
        return watch.failed("timeout", f"no complete answer within {deadline_s:g} s; waited in phase {watch.phase}")
    if isinstance(outcome, Answer) and 300 <= outcome.status < 400:
        return watch.failed("redirected", f"HTTP {outcome.status}")
    return outcome


async def get(url: str, *, deadline_s: float, headers: Mapping[str, str] | None = None) -> Answer | Failure:
    """GET an address; redirects are followed on the same host only."""
    watch = Watch()
    try:
        async with asyncio.timeout(deadline_s):
            for _ in range(MAX_REDIRECTS + 1):
                outcome = await _exchange(url, headers or {}, watch)
                if isinstance(outcome, Failure):
                    return outcome
                location = outcome.headers.get("location")
                if not (300 <= outcome.status < 400 and location):
                    return outcome
                following = urljoin(url, location)
                if not _same_host(url, following):
                    return watch.failed("redirected", f"HTTP {outcome.status} to host {urlsplit(following).hostname!r}")
                url = following
            return watch.failed("redirected", "too many redirects")
    except TimeoutError:
        code = "tls_failed" if watch.phase == "tls" else "timeout"
        return watch.failed(code, f"no complete answer within {deadline_s:g} s; waited in phase {watch.phase}")


def _same_host(before: str, after: str) -> bool:
    a, b = urlsplit(before), urlsplit(after)
    downgraded = a.scheme == "https" and b.scheme != "https"
    return a.hostname == b.hostname and b.scheme in {"http", "https"} and not downgraded


async def _exchange(
    url: str, headers: Mapping[str, str], watch: Watch, method: str = "GET", body: bytes = b""
) -> Answer | Failure:
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    opened = await open_stream(host, parts.port or (443 if secure else 80), secure=secure, watch=watch)
    if isinstance(opened, Failure):
        return opened
    reader, writer = opened
    try:
        expires, days = certificate_of(writer)
        watch.begin("first_byte")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = _Sent(method=method, target=target, host=_host_header(url), headers=headers, body=body)
        return await _talk(reader, writer, sent, watch, expires, days)
    except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, OSError) as error:
        return watch.failed("closed", f"{type(error).__name__} in phase {watch.phase}")
    finally:
        writer.transport.abort()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sent:
    method: str
    target: str
    host: str
    headers: Mapping[str, str]
    body: bytes

    def wire(self, connection: h11.Connection) -> bytes:
        base = {"Host": self.host, "User-Agent": USER_AGENT, "Accept": "application/json"}
        base |= {"Accept-Encoding": "identity"} | ({"Content-Length": str(len(self.body))} if self.body else {})
        fields = [*(base | dict(self.headers)).items(), ("Connection", "close")]
        parts = [connection.send(h11.Request(method=self.method, target=self.target, headers=fields))]
        if self.body:
            parts.append(connection.send(h11.Data(data=self.body)))
        return b"".join(part or b"" for part in (*parts, connection.send(h11.EndOfMessage())))


async def _talk(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    sent: _Sent,
    watch: Watch,
    expires: str | None,
    days: float | None,
) -> Answer | Failure:
    wire, received = h11.Connection(h11.CLIENT), b""
    writer.write(sent.wire(wire))
    response: h11.Response | None = None
    body = bytearray()
    while True:
        try:
            item = wire.next_event()
        except h11.RemoteProtocolError as error:
            # Nothing at all, or half a proper answer: cut off. Anything else was never HTTP.
            cut_off = not received or response is not None
            return watch.failed("closed" if cut_off else "not_http", str(error))
        if item is h11.NEED_DATA:
            data = await reader.read(CHUNK)
            received = received or data[:8]
            wire.receive_data(data)
        elif isinstance(item, h11.Response):
            watch.end()
            watch.begin("body")
            response = item
        elif isinstance(item, h11.Data):
            body += item.data
            if len(body) > MAX_BODY_BYTES:
                return watch.failed("too_large", f"more than {MAX_BODY_BYTES} bytes")
        elif isinstance(item, (h11.EndOfMessage, h11.ConnectionClosed)):
            break
    if response is None:
        return watch.failed("closed", "no response")
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
    if found.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        return watch.failed("compressed", f"Content-Encoding: {found['content-encoding'][:40]}")
    return Answer(
        status=response.status_code,
        headers=found,
        body=bytes(body),
        timings=watch.finish(),
        certificate_expires=expires,
        certificate_days=days,
    )


async def open_stream(
    host: str, port: int, *, secure: bool, watch: Watch
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | Failure:
    """Resolve, connect and (where asked) encrypt, each timed; the first address that accepts is taken."""
    watch.begin("resolve")
    try:
        addresses = await _resolve(host, port)
    except (OSError, UnicodeError) as error:
        return watch.failed("name_not_found", f"{host}: {error}")
    watch.end()
    watch.begin("connect")
    trouble: OSError | None = None
    for address in addresses:
        try:
            reader, writer = await asyncio.open_connection(address, port, limit=CHUNK)
            break
        except OSError as error:
            trouble = error
    else:
        code = "refused" if isinstance(trouble, ConnectionRefusedError) else "unreachable"
        return watch.failed(code, f"{host}:{port}: {trouble}")
    watch.end()
    if secure:
        watch.begin("tls")
        try:
            await writer.start_tls(tls_context(), server_hostname=host)
        except (ssl.SSLError, OSError) as error:
            writer.transport.abort()
            return watch.failed(tls_code(error), f"{host}:{port}: {error}")
        except BaseException:
            writer.transport.abort()
            raise
        watch.end()
    return reader, writer


async def _resolve(host: str, port: int) -> tuple[str, ...]:
    try:
        return (str(ipaddress.ip_address(host)),)
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return tuple(dict.fromkeys(str(item[4][0]) for item in found))


# X509 verify codes: openssl's x509_vfy.h.
_VERIFY_CODES: Mapping[int, str] = {10: "tls_expired", 18: "tls_untrusted", 19: "tls_untrusted", 20: "tls_untrusted",
                                    21: "tls_untrusted", 62: "tls_wrong_host", 64: "tls_wrong_host"}  # fmt: skip


def tls_code(error: Exception) -> str:
    """Why a TLS handshake failed, as a failure code."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_CODES.get(error.verify_code, "tls_untrusted")
    return "tls_failed"


def certificate_of(writer: asyncio.StreamWriter) -> tuple[str | None, float | None]:
    """When the peer's certificate ends (as it says) and in how many days; (None, None) without TLS."""
    tls = writer.get_extra_info("ssl_object")
    certificate = tls.getpeercert() if tls is not None else None
    if not certificate or "notAfter" not in certificate:
        return None, None
    text = str(certificate["notAfter"])
    return text, (ssl.cert_time_to_seconds(text) - clock.now_ms() / 1000) / 86_400


def _host_header(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if parts.port else host
