"""Every kind through a real server: well, and each named failure."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from dnslib import QTYPE, RCODE, RR, A
from dnslib.server import BaseResolver, DNSServer
from fastapi import FastAPI, Request
from pydantic import SecretStr, ValidationError
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from services.dependencies import http_client as http
from services.dependencies.messages import advice, brief
from services.dependencies.model import Reading
from services.dependencies.probe import DeclaredProbe
from services.dependencies.registry import KINDS
from services.dependencies.run import observe
from services.settings.model import Environment
from tests.conftest import ROOT, RawServer, Served, free_port

SECRET = "planted-kind-secret-0815"


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.settings])
def test_a_kind_is_documented_and_held_apart_from_the_others(kind: str) -> None:
    assert f"| `{kind}` |" in (ROOT / "docs" / "dependencies.md").read_text()
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    apart = next(c["modules"] for c in contracts if c["type"] == "independence")
    assert f"services.dependencies.{kind}" in apart


def look(variables: dict[str, str] | None = None, **fields: Any) -> Reading:
    """One check of a declared dependency."""
    kind = KINDS[fields["kind"]]
    assert kind.settings is not None
    table = kind.settings.model_validate({"name": "crm", "deadline_s": 30, "slow_ms": 60_000, **fields})
    secrets = {name: SecretStr(value) for name, value in (variables or {}).items()}
    environment = Environment(name="e", base_url="http://127.0.0.1:1", variables=secrets)
    probe = DeclaredProbe(kind=kind, table=table, variables=secrets)
    reading = asyncio.run(observe(environment, probe, {}, lag_ms=0)).reading
    assert SECRET not in repr(reading)
    said = advice(reading.code, reading.words).what
    assert said.startswith(("Crm ", "Crm:", "Something in front of crm", "Something in front of Crm", "What answers for ",
                            "The request to ", "A pooler answers", "The key for "))  # fmt: skip
    assert "?" not in said + advice(reading.code, reading.words).fix, said
    return reading


def code(variables: dict[str, str] | None = None, **fields: Any) -> str:
    reading = look(variables, **fields)
    outcomes = {check.name: check.outcome for check in reading.checks}
    well = reading.code.rpartition(".")[2] in {"ok", "slow", "nearly_full", "rate_limited"}
    assert outcomes == {"dependency:crm": "pass" if well else outcomes["dependency:crm"]}
    assert well or outcomes["dependency:crm"] != "pass"
    assert [m.sli for m in reading.measures] == ["dependency_uptime:crm", "dependency_latency:crm"]
    return reading.code


def test_every_kind_has_messages_that_say_what_to_do() -> None:
    for kind in KINDS.values():
        for code, message in kind.messages.items():
            assert message.what[:1].isupper() or message.what.startswith("{"), code
            assert message.what.endswith((".", "{asked}", "{how}")), code
            assert "{" not in brief(code), code


# -- http ---------------------------------------------------------------------------------------------------------------
@pytest.fixture
def site(serve: Callable[..., Served]) -> str:
    app = FastAPI()

    async def echo(request: Request) -> Response:
        body = (await request.body()).decode()
        return JSONResponse({"auth": request.headers.get("authorization", ""), "method": request.method, "body": body},
                            headers={"X-Version": "7"})  # fmt: skip

    async def status(request: Request) -> Response:
        return PlainTextResponse("no", int(request.path_params["code"]))

    app.add_route("/echo", echo, methods=["GET", "POST", "HEAD", "PUT"])
    app.add_route("/status/{code}", status)
    app.add_route("/moved", lambda _r: RedirectResponse("http://127.0.0.1:1/x", 302))
    app.add_route("/large", lambda _r: Response(b"x" * (2 << 20)))
    return serve(app).url


def test_http_sends_what_is_declared_and_judges_by_its_conditions(site: str) -> None:
    reading = look(
        {"CRM_TOKEN": SECRET}, kind="http", url=f"{site}/echo", method="POST", body="hello ${CRM_TOKEN}",
        headers={"Authorization": "Bearer ${CRM_TOKEN}"},
        expect=["status == 200", "json.auth matches ^Bearer .{20,}", "json.method == POST", "header.x-version == 7",
                "json.body contains hello", "ms < 60000"],
    )  # fmt: skip
    rows = reading.detail["conditions"]
    assert reading.code == "http.ok", rows


def test_http_a_condition_that_is_not_met_says_what_was_expected_and_found(site: str) -> None:
    reading = look(kind="http", url=f"{site}/echo", expect=["status == 200", "json.method == PUT"])
    assert reading.code == "http.not_met"
    assert advice(reading.code, reading.words).what == (
        "Crm answers, but not as expected: json.method == PUT. Found: GET."
    )
    assert [row["met"] for row in reading.detail["conditions"]] == [True, False]


@pytest.mark.parametrize(
    ("path", "more", "wanted"),
    [
        ("/status/200", {}, "ok"), ("/status/204", {}, "ok"), ("/status/500", {}, "bad_status"),
        ("/status/404", {"expect": ["status == 404"]}, "ok"), ("/status/429", {}, "front_limited"),
        ("/moved", {}, "redirected"), ("/moved", {"follow_redirects": False, "expect": ["status == 302"]}, "ok"),
        ("/large", {}, "too_large"), ("/echo", {"method": "HEAD"}, "ok"), ("/echo", {"slow_ms": 0.001}, "slow"),
        ("/echo", {"expect": ["json.nothing exists"]}, "not_met"),
    ],
)  # fmt: skip
def test_http_by_its_answers(site: str, path: str, more: dict[str, Any], wanted: str) -> None:
    assert code(kind="http", url=site + path, **more) == f"http.{wanted}"


def test_http_without_an_answer(raw_server: Callable[..., RawServer]) -> None:
    assert code(kind="http", url=f"http://127.0.0.1:{free_port()}/") == "http.refused"
    assert code(kind="http", url="http://no-such-host.invalid/") == "http.name_not_found"
    silent = raw_server(lambda connection: connection.recv(1) and time.sleep(30))
    assert code(kind="http", url=f"http://127.0.0.1:{silent.port}/", deadline_s=0.5) == "http.timeout"

    def speaking(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"220 mail ready\r\n")

    odd = raw_server(speaking)
    assert code(kind="http", url=f"http://127.0.0.1:{odd.port}/") == "http.not_http"
    assert (
        code({"T": "a\x00b"}, kind="http", url=f"http://127.0.0.1:{odd.port}/", headers={"X": "${T}"})
        == "http.unsendable"
    )


# -- tcp ----------------------------------------------------------------------------------------------------------------
@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    made = trustme.CA()
    context = ssl.create_default_context()
    made.configure_trust(context)
    monkeypatch.setattr(http, "tls_context", lambda: context)
    monkeypatch.setattr("services.dependencies.smtp.check.tls_context", lambda: context)
    return made


def context_for(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_tcp_connects_reads_a_banner_and_names_what_fails(raw_server: Callable[..., RawServer]) -> None:
    talking = raw_server(lambda connection: connection.sendall(b"+OK ready\r\nmore"))
    reading = look(kind="tcp", host="127.0.0.1", port=talking.port, banner=True, expect=["banner matches ^\\+OK"])
    assert (reading.code, reading.detail["banner"]) == ("tcp.ok", "+OK ready")
    assert code(kind="tcp", host="127.0.0.1", port=talking.port, banner=True, expect=["banner == no"]) == "tcp.not_met"
    assert code(kind="tcp", host="127.0.0.1", port=talking.port) == "tcp.ok"
    silent = raw_server(lambda _connection: time.sleep(30))
    assert code(kind="tcp", host="127.0.0.1", port=silent.port, banner=True, deadline_s=0.5) == "tcp.no_banner"
    closing = raw_server(lambda _connection: None)
    assert code(kind="tcp", host="127.0.0.1", port=closing.port, banner=True) == "tcp.closed"
    assert code(kind="tcp", host="127.0.0.1", port=free_port()) == "tcp.refused"
    assert code(kind="tcp", host="127.0.0.1", port=talking.port, tls=True) == "tcp.tls_failed"


def test_tcp_with_tls_knows_how_long_the_certificate_lasts(
    raw_server: Callable[..., RawServer], authority: trustme.CA
) -> None:
    def behave(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
        def go(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(1)

        return go

    good = raw_server(behave(context_for(authority)))
    reading = look(kind="tcp", host="127.0.0.1", port=good.port, tls=True, expect=["cert_days > 14"])
    assert reading.code == "tcp.ok"
    assert code(kind="tcp", host="127.0.0.1", port=good.port, tls=True, expect=["cert_days < 1"]) == "tcp.not_met"
    other = raw_server(behave(context_for(authority, "elsewhere.example")))
    assert code(kind="tcp", host="127.0.0.1", port=other.port, tls=True) == "tcp.tls_wrong_host"
    strange = raw_server(behave(context_for(trustme.CA())))
    assert code(kind="tcp", host="127.0.0.1", port=strange.port, tls=True) == "tcp.tls_untrusted"


# -- dns ----------------------------------------------------------------------------------------------------------------
class Zone(BaseResolver):  # type: ignore[misc]
    def resolve(self, request: Any, _handler: Any) -> Any:
        reply = request.reply()
        name = str(request.q.qname).rstrip(".")
        if name == "api.example.test" and QTYPE[request.q.qtype] == "A":
            reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A("192.0.2.7"), ttl=60))
        elif name == "broken.example.test":
            reply.header.rcode = RCODE.SERVFAIL
        elif name != "api.example.test":
            reply.header.rcode = RCODE.NXDOMAIN
        return reply


@pytest.fixture
def name_server() -> Iterator[int]:
    port = free_port()
    server = DNSServer(Zone(), address="127.0.0.1", port=port)
    server.start_thread()
    yield port
    server.stop()
    server.server.server_close()


def test_dns_resolves_and_names_what_fails(name_server: int) -> None:
    where = {"kind": "dns", "server": "127.0.0.1", "port": name_server}
    reading = look(host="api.example.test", expect=["answers has 192.0.2.7", "ttl == 60", "count == 1"], **where)
    assert (reading.code, reading.detail["answers"]) == ("dns.ok", ["192.0.2.7"])
    assert code(host="api.example.test", expect=["answers has 192.0.2.8"], **where) == "dns.not_met"
    assert code(host="gone.example.test", **where) == "dns.no_such_name"
    assert code(host="api.example.test", record="MX", **where) == "dns.no_such_record"
    assert code(host="broken.example.test", **where) == "dns.server_failed"
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    nowhere = {"kind": "dns", "server": "127.0.0.1", "port": silent.getsockname()[1]}
    assert code(host="api.example.test", deadline_s=0.5, **nowhere) == "dns.no_answer"
    silent.close()


# -- postgres -----------------------------------------------------------------------------------------------------------
def database(url: str, **more: Any) -> str:
    return code({"DATABASE_URL": url}, kind="postgres", **more)


def test_postgres_logs_in_writes_and_leaves_nothing(postgres_url: str) -> None:
    reading = look(
        {"DATABASE_URL": postgres_url}, kind="postgres",
        expect=["connections_percent < 90", "database_mb > 0", "server_version > 9", "connections >= 1"],
    )  # fmt: skip
    assert reading.code == "postgres.ok", reading
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT count(*) FROM pg_class WHERE relname = 'greenlight_probe'").fetchone()
    assert rows == (0,)


def test_postgres_names_what_fails(postgres_url: str, pooled_url: str, raw_server: Callable[..., RawServer]) -> None:
    plain = postgres_url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert database(postgres_url) == "postgres.read_only"
    assert database(postgres_url, write=False) == "postgres.ok"
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        connection.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
        connection.execute(f"DROP ROLE IF EXISTS r{name}")
        connection.execute(f"CREATE ROLE r{name} LOGIN")
    assert database(plain.replace("postgres:", f"r{name}:").replace("user=postgres", f"user=r{name}")) in {
        "postgres.no_permission", "postgres.login_refused"
    }  # fmt: skip
    assert database(pooled_url) == "postgres.ok"
    assert database(plain.replace(name, "no_such_database")) == "postgres.no_database"
    assert database(f"postgresql://u:{SECRET}@127.0.0.1:{free_port()}/d") == "postgres.refused"
    assert database(f"postgresql://u:{SECRET}@no-such-host.invalid/d") == "postgres.name_not_found"
    assert database("postgresql://u:p@h/d?nonsense=1") == "postgres.bad_url"
    assert database("postgresql://u:p@h:port/d") == "postgres.bad_url"
    silent = raw_server(lambda connection: connection.recv(1) and time.sleep(30))
    assert database(f"postgresql://u:{SECRET}@127.0.0.1:{silent.port}/d", deadline_s=0.5) == "postgres.no_connection"
    assert code(kind="postgres") == "postgres.not_configured"


@pytest.mark.parametrize(
    ("sqlstate", "words", "wanted"),
    [
        ("28P01", "password authentication failed for user", "wrong_password"), ("XX000", "Tenant or user not found", "paused"),
        ("53300", "sorry, too many clients already", "too_many_connections"), ("57P03", "the database system is starting up", "starting"),
        ("08P01", "server login has been failing, try again later (server_login_retry)", "pooler"),
        ("53300", "remaining connection slots are reserved", "too_many_connections"),
        ("28000", "no pg_hba.conf entry for host", "login_refused"), ("53100", "could not extend file", "disk_full"),
        ("XX000", "The endpoint is disabled. Enable it using Neon API", "paused"), ("99999", "something else", "failed"),
    ],
)  # fmt: skip
def test_postgres_as_servers_and_poolers_say_it(
    raw_server: Callable[..., RawServer], sqlstate: str, words: str, wanted: str
) -> None:
    def behave(connection: socket.socket) -> None:
        first = connection.recv(1024)
        if len(first) == 8:  # SSLRequest
            connection.sendall(b"N")
            connection.recv(1024)
        fields = b"".join(
            key + value.encode() + b"\0"
            for key, value in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", sqlstate), (b"M", words))
        )
        connection.sendall(b"E" + (len(fields) + 5).to_bytes(4, "big") + fields + b"\0")

    server = raw_server(behave)
    assert database(f"postgresql://u:{SECRET}@127.0.0.1:{server.port}/d") == f"postgres.{wanted}"


# -- smtp ---------------------------------------------------------------------------------------------------------------
class Mail:
    """A real SMTP server with a login."""

    def __init__(self, context: ssl.SSLContext | None, *, implicit: bool = False, auth: bool = True) -> None:
        def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
            right = isinstance(data, LoginPassword) and data.login == b"mailer" and data.password == SECRET.encode()
            return AuthResult(success=right, handled=False)

        self.received = 0
        outer = self

        class Handler:
            async def handle_DATA(self, *_args: Any) -> str:  # noqa: N802
                outer.received += 1
                return "250 OK"

        def factory() -> SMTP:
            return SMTP(
                Handler(), tls_context=None if implicit else context, authenticator=check if auth else None,
                auth_require_tls=not implicit,
                loop=self._loop,
            )  # fmt: skip

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        made = self._loop.create_server(factory, "127.0.0.1", 0, ssl=context if implicit else None)
        self._server = asyncio.run_coroutine_threadsafe(made, self._loop).result()
        self.port = int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        async def end() -> None:
            self._server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0.05)  # transports end in a turn of the loop of their own

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def mail(authority: trustme.CA) -> Iterator[Callable[..., Mail]]:
    made: list[Mail] = []

    def start(**more: Any) -> Mail:
        made.append(Mail(context_for(authority), **more))
        return made[-1]

    yield start
    for server in made:
        server.stop()


LOGIN = {"user_variable": "SMTP_USER", "password_variable": "SMTP_PASSWORD"}


def smtp(password: str = SECRET, **fields: Any) -> str:
    return code({"SMTP_USER": "mailer", "SMTP_PASSWORD": password}, kind="smtp", host="127.0.0.1", **fields)


def test_smtp_greets_encrypts_logs_in_and_sends_nothing(mail: Callable[..., Mail]) -> None:
    server = mail()
    assert smtp(port=server.port, expect=["cert_days > 1", "extensions has AUTH"], **LOGIN) == "smtp.ok"
    assert smtp(port=server.port) == "smtp.ok"
    assert smtp(port=server.port, password="wrong", **LOGIN) == "smtp.login_refused"
    assert server.received == 0
    secure = mail(implicit=True)
    assert smtp(port=secure.port, tls="implicit") == "smtp.ok"


def test_smtp_names_what_fails(raw_server: Callable[..., RawServer], authority: trustme.CA) -> None:
    plain = Mail(None, auth=False)
    assert smtp(port=plain.port) == "smtp.no_starttls"
    assert smtp(port=plain.port, tls="none") == "smtp.ok"
    plain.stop()
    context = context_for(authority)

    def without_login(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.sendall(b"220 mx ESMTP\r\n")
            secure.recv(1024)
            secure.sendall(b"250-mx\r\n250 SIZE 1000\r\n")
            secure.recv(1024)

    assert smtp(port=raw_server(without_login).port, tls="implicit", **LOGIN) == "smtp.no_login"
    wrong = Mail(context_for(authority, "elsewhere.example"))
    assert smtp(port=wrong.port) == "smtp.tls_wrong_host"
    wrong.stop()
    strange = Mail(context_for(trustme.CA()))
    assert smtp(port=strange.port) == "smtp.tls_untrusted"
    strange.stop()
    assert smtp(port=free_port()) == "smtp.refused"

    def saying(*lines: bytes) -> int:
        def behave(connection: socket.socket) -> None:
            for line in lines:
                connection.sendall(line)
                if not connection.recv(1024):
                    return

        return raw_server(behave).port

    assert smtp(port=saying(b"554 5.7.1 blocked\r\n")) == "smtp.turned_away"
    assert smtp(port=saying(b"421 4.3.2 busy\r\n")) == "smtp.busy"
    assert smtp(port=saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) == "smtp.not_smtp"
    silent = raw_server(lambda _connection: time.sleep(30))
    assert smtp(port=silent.port, deadline_s=0.5) == "smtp.timeout"


def test_a_login_in_the_clear_is_refused_in_the_settings() -> None:
    with pytest.raises(ValidationError, match="in the clear"):
        look(kind="smtp", host="h", tls="none", **LOGIN)


# -- model_api (a stand-in: the providers themselves cost money) ----------------------------------------------------------
def provider(serve: Callable[..., Served], answer: Callable[[Request], Response]) -> str:
    app = FastAPI()
    app.add_route("/v1/models", answer)
    app.add_route("/v1/models/{model:path}", lambda request: (
        JSONResponse({"id": "alias"}) if request.path_params["model"] == "alias" else JSONResponse({"error": {}}, 404)
    ))  # fmt: skip
    return serve(app).url + "/v1"


@pytest.mark.parametrize("kind", ["openai", "anthropic", "compatible"])
def test_model_api_asks_for_the_list_with_the_key(serve: Callable[..., Served], kind: str) -> None:
    def answer(request: Request) -> Response:
        key = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if key != SECRET:
            return JSONResponse({"error": {"message": f"Incorrect API key provided: {key}"}}, 401)
        return JSONResponse({"data": [{"id": "m-1"}, {"id": "m-2"}]})

    url = provider(serve, answer)
    asked = {"kind": "model_api", "provider": kind, "url": url, "key_variable": "KEY"}
    assert code({"KEY": SECRET}, model="m-2", expect=["models has m-1", "count == 2"], **asked) == "model_api.ok"
    reading = look({"KEY": SECRET}, **asked)
    assert "proves no quota" in advice(reading.code, reading.words).what
    assert code({"KEY": SECRET}, model="alias", **asked) == "model_api.ok"
    assert code({"KEY": SECRET}, model="m-3", **asked) == "model_api.model_gone"
    assert code({"KEY": f"{SECRET}x"}, **asked) == "model_api.key_refused"
    assert code({"KEY": SECRET}, expect=["models has m-3"], **asked) == "model_api.not_met"
    assert code(None, **asked) == "model_api.not_configured"


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (429, {"error": {"message": "Rate limit reached"}}, "rate_limited"),
        (429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}, "no_quota"),
        (400, {"error": {"message": "Your credit balance is too low to access the API"}}, "no_quota"),
        (403, {"error": {"message": "Country not supported"}}, "key_forbidden"),
        (529, {"error": {"type": "overloaded_error"}}, "overloaded"), (500, {}, "bad_status"), (200, {}, "bad_body"),
        (200, {"data": []}, "bad_body"),
    ],
)  # fmt: skip
def test_model_api_names_what_fails(serve: Callable[..., Served], status: int, body: Any, wanted: str) -> None:
    url = provider(serve, lambda _request: JSONResponse(body, status))
    assert code({"OPENAI_API_KEY": SECRET}, kind="model_api", url=url) == f"model_api.{wanted}"


def test_a_small_share_of_the_command_budget_is_not_rounded_to_nothing() -> None:
    environment = Environment(
        name="e", base_url="http://e", redis={"command_budget_per_month": 400_000_000},  # type: ignore[arg-type]
        secrets={"redis_url": "redis://127.0.0.1:6379"},  # type: ignore[arg-type]
    )  # fmt: skip
    assert re.search(r"a month: 0\.[1-9] % of the plan's 400,000,000\.$", KINDS["redis"].own_load(environment))
