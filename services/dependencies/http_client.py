"""One HTTP exchange with a hostile world: a deadline over all of it, 1 MiB at most, phases timed, nothing unpacked.

A new connection each time, because a probe must also test *accepting*. Trouble comes back as a Failure value.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urljoin, urlsplit

import h11

from services import clock
from services.dependencies import network
from services.dependencies.model import Failure
from services.outside import NotJson, parse_json

MAX_BODY_BYTES = 1 << 20
MAX_REDIRECTS = 2
CHUNK = 1 << 16
MAX_PIECES = 4000  # reads and chunks of one answer: a mebibyte in single bytes would take seconds of everybody's time
YIELD_EVERY = 100  # pieces after which the other probes get a turn
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
        """The body as storable JSON; None where it is none: broken, nested too deep, NaN, a field named twice."""
        try:
            return parse_json(self.body, unique_keys=True)
        except NotJson:
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

    def late(self, deadline_s: float) -> Failure:
        """The deadline has passed: what was waited for says what is wrong."""
        code = {"resolve": "name_unanswered", "connect": "no_connection", "tls": "tls_failed"}.get(
            self.phase, "timeout"
        )
        return self.failed(code, f"no complete answer within {deadline_s:g} s; waited in phase {self.phase}")

    def failed(self, code: str, detail: str) -> Failure:
        return Failure(code=code, detail=detail[:300], phase=self.phase, timings=self.finish())


@cache
def tls_context() -> ssl.SSLContext:
    """One client context for all probes: building one costs 18 ms of CPU."""
    return ssl.create_default_context()


@cache
def unchecked_context(certificate: str) -> ssl.SSLContext:
    """The context for an address that asks for less: "not_the_host" leaves the name unchecked, "none" all of it."""
    made = ssl.create_default_context()
    made.check_hostname = False
    if certificate == "none":
        made.verify_mode = ssl.CERT_NONE
    return made


async def post(url: str, body: bytes, *, deadline_s: float, headers: Mapping[str, str]) -> Answer | Failure:
    """POST to an address; a redirect is a failure, since what was sent is not sent again elsewhere."""
    return await send("POST", url, body, deadline_s=deadline_s, headers=headers)


async def send(
    method: str, url: str, body: bytes, *, deadline_s: float, headers: Mapping[str, str], redirects_fail: bool = True
) -> Answer | Failure:
    """Send a body by any method; like `post`, where a redirect is not wanted as the answer itself."""
    watch = Watch()
    try:
        async with asyncio.timeout(deadline_s):
            outcome = await _exchange(url, headers, watch, method, body)
    except TimeoutError:
        return watch.late(deadline_s)
    if redirects_fail and isinstance(outcome, Answer) and 300 <= outcome.status < 400:
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
                following = _following(url, location, with_secrets=bool(headers))
                if following is None:
                    return watch.failed("redirected", f"HTTP {outcome.status} to {_place_of(location)}")
                url = following
            return watch.failed("redirected", "too many redirects")
    except TimeoutError:
        return watch.late(deadline_s)


_ADDRESS = re.compile(r"[!-~]+")  # what a URL may hold: RFC 3986, less strictly


def _following(url: str, location: str, *, with_secrets: bool) -> str | None:
    """Where a redirect leads, if it may be followed: within the origin, since headers with secrets go along.

    Without any, the step from http to https on the same host is taken too.
    """
    if _ADDRESS.fullmatch(location) is None:
        return None
    try:
        following = urljoin(url, location)
        before, after = _origin(url), _origin(following)
    except ValueError:
        return None
    upgraded = before == ("http", after[1], 80) and after == ("https", before[1], 443)
    return following if before == after or (upgraded and not with_secrets) else None


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise ValueError("no web address")
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _place_of(location: str) -> str:
    """A redirect's target for engineers: its host, or that it is no address."""
    try:
        host = urlsplit(location).hostname if _ADDRESS.fullmatch(location) else None
    except ValueError:
        host = None
    return f"host {host[:100]!r}" if host else "an address that may not be followed"


async def _exchange(
    url: str, headers: Mapping[str, str], watch: Watch, method: str = "GET", body: bytes = b""
) -> Answer | Failure:
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    wire = h11.Connection(h11.CLIENT)
    try:
        sent = _Sent(method=method, target=target, host=_host_header(url), headers=headers, body=body).wire(wire)
    except (h11.LocalProtocolError, UnicodeError):  # its text quotes the header, which may be a token
        return watch.failed("unsendable", "a header or the address holds a character that HTTP can't carry")
    opened = await open_stream(host, parts.port or (443 if secure else 80), secure=secure, watch=watch)
    if isinstance(opened, Failure):
        return opened
    reader, writer = opened
    try:
        expires, days = certificate_of(writer)
        watch.begin("first_byte")
        writer.write(sent)
        return await _talk(reader, wire, watch, expires, days)
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
    reader: asyncio.StreamReader, wire: h11.Connection, watch: Watch, expires: str | None, days: float | None
) -> Answer | Failure:
    received, pieces = b"", 0
    response: h11.Response | None = None
    body = bytearray()
    while True:
        try:
            item = wire.next_event()
        except h11.RemoteProtocolError as error:
            # Nothing at all, or half a proper answer: cut off. Anything else was never HTTP.
            cut_off = not received or response is not None
            return watch.failed("closed" if cut_off else "not_http", str(error))
        pieces += 1
        if pieces > MAX_PIECES:
            return watch.failed("fragmented", f"more than {MAX_PIECES} pieces")
        if pieces % YIELD_EVERY == 0:
            await asyncio.sleep(0)
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
        elif isinstance(item, (h11.EndOfMessage, h11.ConnectionClosed)) or item is h11.PAUSED:
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
    host: str, port: int, *, secure: bool, watch: Watch, context: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | Failure:
    """Resolve, connect and (where asked) encrypt, each timed; the first address that accepts is taken."""
    watch.begin("resolve")
    try:
        addresses = await network.resolve(host, port)
    except (OSError, ValueError) as error:  # UnicodeError included
        return watch.failed("name_not_found", f"{host}: {error}")
    watch.end()
    watch.begin("connect")
    try:
        connected = await network.connect(addresses)
    except OSError as error:
        code = "refused" if network.was_refused(error) else "unreachable"
        return watch.failed(code, f"{host}:{port}: {error}")
    reader, writer = await asyncio.open_connection(sock=connected, limit=CHUNK)
    watch.end()
    if secure:
        watch.begin("tls")
        try:
            await writer.start_tls(context or tls_context(), server_hostname=host)
        except (ssl.SSLError, OSError) as error:
            writer.transport.abort()
            return watch.failed(tls_code(error), f"{host}:{port}: {error}")
        except BaseException:
            writer.transport.abort()
            raise
        watch.end()
    return reader, writer


# X509 verify codes: openssl's x509_vfy.h.
_VERIFY_CODES: Mapping[int, str] = {10: "tls_expired", 18: "tls_untrusted", 19: "tls_untrusted", 20: "tls_untrusted",
                                    21: "tls_untrusted", 62: "tls_wrong_host", 64: "tls_wrong_host"}  # fmt: skip


def tls_code(error: Exception) -> str:
    """Why a TLS handshake failed, as a failure code."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_CODES.get(error.verify_code, "tls_untrusted")
    return "tls_failed"


def certificate_of(writer: asyncio.StreamWriter | asyncio.BaseTransport) -> tuple[str | None, float | None]:
    """When the peer's certificate ends (as it says) and in how many days; (None, None) without TLS."""
    tls = writer.get_extra_info("ssl_object")
    certificate = tls.getpeercert() if tls is not None else None
    if not certificate or "notAfter" not in certificate:
        return None, None
    text = str(certificate["notAfter"])
    return text, (ssl.cert_time_to_seconds(text) - clock.now_ms() / 1000) / 86_400


def certificate_detail(expires: str | None, days: float | None) -> dict[str, Any]:
    """What `certificate_of` found, as raw evidence; {} without TLS."""
    if expires is None or days is None:
        return {}
    return {"certificate": {"expires": expires, "days_left": round(days, 1)}}


def exchange_detail(answer: Answer) -> dict[str, Any]:
    """What an engineer wants to see of any answer: status, phases, certificate."""
    detail: dict[str, Any] = {"status": answer.status, "timings_ms": rounded(answer.timings)}
    return detail | certificate_detail(answer.certificate_expires, answer.certificate_days)


def rounded(timings: Mapping[str, float]) -> dict[str, float]:
    """Phase timings in ms to a hundredth, enough for raw evidence."""
    return {phase: round(value, 2) for phase, value in timings.items()}


def _host_header(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if parts.port else host
