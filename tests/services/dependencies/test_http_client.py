"""The HTTP exchange against a hostile world: a deadline, a limit, a code, and nothing else."""

import asyncio
import gzip
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme

from services.dependencies import http_client as http
from services.dependencies.http_client import Answer
from services.dependencies.model import Failure
from tests.conftest import RawServer, free_port

Start = Callable[[Callable[[socket.socket], None]], RawServer]


def get(url: str, deadline_s: float = 30, **headers: str) -> Answer | Failure:
    return asyncio.run(http.get(url, deadline_s=deadline_s, headers=headers))


def code_of(outcome: Answer | Failure) -> str:
    assert isinstance(outcome, Failure), outcome
    return outcome.code


def reply(raw: bytes, *, hold_s: float = 0) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(raw)
        time.sleep(hold_s)

    return behave


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_a_plain_answer_comes_with_its_phases_timed(raw_server: Start) -> None:
    answer = get(f"http://127.0.0.1:{raw_server(reply(OK)).port}/x")
    assert isinstance(answer, Answer)
    assert (answer.status, answer.json()) == (200, {})
    assert {"resolve", "connect", "first_byte", "total"} <= set(answer.timings)
    assert answer.timings["total"] >= answer.timings["first_byte"] >= 0


def test_nobody_there_is_refused() -> None:
    assert code_of(get(f"http://127.0.0.1:{free_port()}/")) == "refused"


def test_a_name_nobody_knows() -> None:
    assert code_of(get("http://no-such-host.invalid/")) == "name_not_found"


def test_a_name_too_long_for_dns_is_no_crash() -> None:
    assert code_of(get(f"http://{'a' * 300}.invalid/")) == "name_not_found"


def test_silence_ends_at_the_deadline(raw_server: Start) -> None:
    assert code_of(get(f"http://127.0.0.1:{raw_server(lambda c: time.sleep(5)).port}/", 0.3)) == "timeout"


def test_one_byte_now_and_then_does_not_extend_the_deadline(raw_server: Start) -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.1)

    begun = time.monotonic()
    assert code_of(get(f"http://127.0.0.1:{raw_server(drip).port}/", 0.5)) == "timeout"
    assert time.monotonic() - begun < 5


def test_a_gigabyte_costs_one_mebibyte(raw_server: Start) -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        block = b"x" * 65_536
        for _ in range(16_384):
            connection.sendall(block)
            sent += len(block)

    assert code_of(get(f"http://127.0.0.1:{raw_server(flood).port}/", 10)) == "too_large"
    assert sent < 32 << 20


def test_endless_headers_are_cut_off(raw_server: Start) -> None:
    def headers(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(100_000):
            connection.sendall(b"X-%d: %s\r\n" % (number, b"y" * 100))

    assert code_of(get(f"http://127.0.0.1:{raw_server(headers).port}/")) == "not_http"


def test_a_compressed_bomb_is_not_unpacked(raw_server: Start) -> None:
    bomb = gzip.compress(b"0" * (200 << 20))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    assert code_of(get(f"http://127.0.0.1:{raw_server(reply(head + bomb)).port}/")) == "compressed"


def test_deeply_nested_json_is_no_json_and_no_crash(raw_server: Start) -> None:
    body = b'{"a":' * 100_000
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    answer = get(f"http://127.0.0.1:{raw_server(reply(head + body)).port}/")
    assert isinstance(answer, Answer)
    assert answer.json() is None


@pytest.mark.parametrize(
    "body", [b"NaN", b'{"a": Infinity}', b"\xff\xfe", b"", b"9" * 10_000, b'{"a":1}trailing', b"\x00"]
)
def test_what_is_no_json_is_none(body: bytes) -> None:
    assert Answer(status=200, headers={}, body=body, timings={}).json() is None


@pytest.mark.parametrize(
    "raw", [b"SSH-2.0-OpenSSH\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"-ERR unknown command\r\n" * 3]
)
def test_what_is_not_http(raw_server: Start, raw: bytes) -> None:
    assert code_of(get(f"http://127.0.0.1:{raw_server(reply(raw)).port}/")) == "not_http"


def test_half_an_answer_is_closed(raw_server: Start) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"
    assert code_of(get(f"http://127.0.0.1:{raw_server(reply(half)).port}/")) == "closed"


def test_no_answer_at_all_is_closed(raw_server: Start) -> None:
    assert code_of(get(f"http://127.0.0.1:{raw_server(lambda c: None).port}/")) == "closed"


def test_a_redirect_to_another_host_is_not_followed_and_the_token_stays(raw_server: Start) -> None:
    other = raw_server(reply(OK))
    away = b"HTTP/1.1 302 Found\r\nLocation: http://localhost:%d/\r\nContent-Length: 0\r\n\r\n" % other.port
    assert code_of(get(f"http://127.0.0.1:{raw_server(reply(away)).port}/", Authorization="Bearer x")) == "redirected"
    assert other.connections == 0


def test_another_port_of_the_same_host_is_another_place_and_gets_no_token(raw_server: Start) -> None:
    target = raw_server(reply(OK))
    here = b"HTTP/1.1 308 P\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % target.port
    assert code_of(get(f"http://127.0.0.1:{raw_server(reply(here)).port}/", Authorization="Bearer x")) == "redirected"
    assert code_of(get(f"http://127.0.0.1:{raw_server(reply(here)).port}/")) == "redirected"
    assert target.connections == 0


@pytest.mark.parametrize(
    "location",
    [
        b"/login?next=/api/health ready", b"http://[", b"http://h:99999/", b"//", b"javascript:alert(1)", b"ftp://h/",
        b"http://\xff\xfe/", b"/caf\xc3\xa9", b"http://" + b"a" * 300 + b"/", b"http://h/?" + b"x" * 10_000,
    ],
)  # fmt: skip
def test_a_redirect_that_leads_nowhere_is_redirected_and_no_fault_of_ours(raw_server: Start, location: bytes) -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location
    assert code_of(get(f"http://127.0.0.1:{raw_server(reply(answer)).port}/")) == "redirected"


@pytest.mark.parametrize(
    "value", ["planted-secret\nX: y", "planted-secret\u201d", "\u200bplanted-secret", "planted\x00secret"]
)
def test_a_header_that_http_can_not_carry_is_named_without_its_value(value: str) -> None:
    outcome = get(f"http://127.0.0.1:{free_port()}/", Authorization=f"Bearer {value}")
    assert code_of(outcome) == "unsendable"
    assert "planted" not in repr(outcome)


def test_an_answer_in_single_bytes_is_given_up_before_it_costs_others_their_turn(raw_server: Start) -> None:
    chunks = b"1\r\nx\r\n" * (1 << 20)
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    turns = 0

    async def scenario() -> Answer | Failure:
        nonlocal turns
        asking = asyncio.create_task(http.get(f"http://127.0.0.1:{raw_server(reply(raw)).port}/", deadline_s=60))
        while not asking.done():
            turns += 1
            await asyncio.sleep(0)
        return await asking

    assert code_of(asyncio.run(scenario())) == "fragmented"
    assert turns > 20


def test_interim_answers_and_answers_without_a_body_are_read(raw_server: Start) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK
    assert isinstance(get(f"http://127.0.0.1:{raw_server(reply(early)).port}/"), Answer)
    empty = get(f"http://127.0.0.1:{raw_server(reply(b'HTTP/1.1 204 No Content' + bytes([13, 10, 13, 10]))).port}/")
    assert isinstance(empty, Answer)
    assert empty.json() is None


def test_a_redirect_on_the_same_host_is_followed_but_not_for_ever(raw_server: Start) -> None:
    seen = []

    def once(connection: socket.socket) -> None:
        seen.append(connection.recv(65_536))
        away = b"HTTP/1.1 308 P\r\nLocation: /there?a=1\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(away if len(seen) == 1 else OK)

    assert isinstance(get(f"http://127.0.0.1:{raw_server(once).port}/"), Answer)
    assert seen[1].startswith(b"GET /there?a=1 ")
    loop = raw_server(reply(b"HTTP/1.1 302 F\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"))
    assert code_of(get(f"http://127.0.0.1:{loop.port}/")) == "redirected"


def tls_server(raw_server: Start, context: ssl.SSLContext) -> RawServer:
    def behave(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65_536)
            secure.sendall(OK)

    return raw_server(behave)


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    made = trustme.CA()
    context = ssl.create_default_context()
    made.configure_trust(context)
    monkeypatch.setattr(http, "tls_context", lambda: context)
    return made


def server_context(authority: trustme.CA, *names: str, **more: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **more).configure_cert(context)
    return context


def test_tls_is_timed_and_its_certificate_s_end_is_read(raw_server: Start, authority: trustme.CA) -> None:
    server = tls_server(raw_server, server_context(authority, "localhost"))
    answer = get(f"https://localhost:{server.port}/")
    assert isinstance(answer, Answer)
    assert answer.timings["tls"] > 0
    assert answer.certificate_days is not None
    assert answer.certificate_days > 1


@pytest.mark.parametrize(
    ("names", "more", "code"),
    [
        (("localhost",), {"not_after": datetime.now(UTC) - timedelta(days=1)}, "tls_expired"),
        (("example.org",), {}, "tls_wrong_host"),
    ],
)
def test_a_bad_certificate_is_named(
    raw_server: Start, authority: trustme.CA, names: tuple[str, ...], more: dict[str, Any], code: str
) -> None:
    server = tls_server(raw_server, server_context(authority, *names, **more))
    assert code_of(get(f"https://localhost:{server.port}/")) == code


def test_a_certificate_of_an_unknown_authority(raw_server: Start) -> None:
    server = tls_server(raw_server, server_context(trustme.CA(), "localhost"))
    assert code_of(get(f"https://localhost:{server.port}/")) == "tls_untrusted"


def test_a_port_without_tls(raw_server: Start) -> None:
    assert code_of(get(f"https://127.0.0.1:{raw_server(reply(OK)).port}/")) == "tls_failed"
    assert code_of(get(f"https://127.0.0.1:{raw_server(lambda c: time.sleep(3)).port}/", 0.3)) == "tls_failed"
