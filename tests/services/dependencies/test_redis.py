"""Redis probes against a real Redis: every failure that has a name gets its own."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
import trustme
from pydantic import SecretStr

from services.dependencies import http_client as http
from services.dependencies import messages as diagnosis
from services.dependencies.model import Reading
from services.dependencies.queue.probe import QueueProbe
from services.dependencies.redis.info import RedisInfoProbe, judge, read_info
from services.dependencies.redis.ping import RedisPingProbe
from services.dependencies.redis.write import RedisWriteProbe
from services.settings.model import Queue
from tests.conftest import RawServer, RealRedis, free_port
from tests.patience import wait_until

MakeRedis = Callable[..., RealRedis]
Start = Callable[[Callable[[socket.socket], None]], RawServer]
SECRET = "planted-secret-0815"


def ping(url: str, deadline_s: float = 30) -> Reading:
    probe = RedisPingProbe(url=SecretStr(url), slow_ms=1000, interval_s=30, deadline_s=deadline_s)
    return asyncio.run(probe.run({}))


def write(url: str) -> Reading:
    probe = RedisWriteProbe(url=SecretStr(url), prefix="greenlight:probe", slow_ms=1000, interval_s=60, deadline_s=30)
    return asyncio.run(probe.run({}))


def info(url: str, **previous: object) -> Reading:
    probe = RedisInfoProbe(url=SecretStr(url), memory_warn=0.9, clients_warn=0.9, interval_s=300, deadline_s=30)
    return asyncio.run(probe.run(previous))


def test_a_healthy_redis_answers_writes_and_reports(make_redis: MakeRedis) -> None:
    server = make_redis()
    first, second, third = ping(server.url), write(server.url), info(server.url)
    assert (first.code, second.code, third.code) == ("redis.ok", "redis.write_ok", "redis.info_ok")
    assert first.latency_ms is not None
    assert {"connect", "ping"} <= set(first.detail["timings_ms"])
    assert {"setex", "get", "del"} <= set(second.detail["timings_ms"])
    assert third.detail["facts"]["role"] == "master"
    assert redis.Redis.from_url(server.url).dbsize() == 0, "the probe leaves nothing behind"


def test_nothing_configured_is_unknown_not_down() -> None:
    probe = RedisPingProbe(url=None, slow_ms=1, interval_s=1, deadline_s=1)
    assert asyncio.run(probe.run({})).code == "redis.not_configured"


@pytest.mark.parametrize("url", ["http://x", "redis://", "rediss://h:notaport", "", "redis://[::1"])
def test_an_address_that_is_none(url: str) -> None:
    assert ping(url).code == "redis.bad_url"


def test_an_address_that_its_password_splits_says_how_to_write_it() -> None:
    reading = ping(f"rediss://default:{SECRET}#cd@127.0.0.1:6379")
    said = diagnosis.advice(reading.code, reading.words).what + diagnosis.advice(reading.code, reading.words).fix
    assert "Percent-encode the password: # is %23." in said
    assert SECRET not in f"{reading}{said}"


def test_the_database_of_an_option_is_the_one_that_is_looked_at(make_redis: MakeRedis) -> None:
    server = make_redis()
    redis.Redis(port=server.port, db=2).lpush("q", json.dumps({"at": time.time() - 9000}))
    queue = Queue(name="q", kind="list", key="q", timestamp_field="at")
    url = SecretStr(f"redis://127.0.0.1:{server.port}?db=2")
    reading = asyncio.run(QueueProbe(url=url, queue=queue, interval_s=60, deadline_s=30).run({}))
    assert reading.code == "queue.late"


def test_keys_that_a_user_may_not_touch_are_named_with_the_pattern_to_allow(make_redis: MakeRedis) -> None:
    server = make_redis()
    admin = redis.Redis.from_url(server.url)
    admin.execute_command("ACL", "SETUSER", "app", "on", f">{SECRET}", "~app:*", "+@all")
    url = server.url.replace("redis://", f"redis://app:{SECRET}@")
    reading = write(url)
    assert reading.code == "redis.no_key_permission"
    assert "greenlight:probe:" in diagnosis.advice(reading.code, reading.words).what
    assert "~greenlight:probe:*" in diagnosis.advice(reading.code, reading.words).fix
    assert ping(url).code == "redis.ok"
    admin.execute_command("ACL", "SETUSER", "app", "~*", "-setex")
    assert write(url).code == "redis.no_permission"


def test_a_swallowed_connection_attempt_is_no_missing_tls(swallower: int) -> None:
    reading = ping(f"rediss://127.0.0.1:{swallower}", 0.5)
    assert (reading.code, reading.detail["phase"]) == ("redis.no_connection", "connect")


def test_nobody_there_and_unknown_names() -> None:
    assert ping(f"redis://127.0.0.1:{free_port()}").code == "redis.refused"
    assert ping("redis://no-such-host.invalid").code == "redis.name_not_found"


def test_silence_is_a_timeout(raw_server: Start) -> None:
    assert ping(f"redis://127.0.0.1:{raw_server(lambda c: time.sleep(3)).port}", 0.3).code == "redis.timeout"


def test_password_troubles_are_told_apart(make_redis: MakeRedis) -> None:
    guarded, open_ = make_redis(f"requirepass {SECRET}"), make_redis()
    assert ping(guarded.url).code == "redis.no_password_sent"
    wrong = ping(guarded.url.replace("redis://", "redis://:wrong-one@"))
    assert wrong.code == "redis.wrong_password"
    assert "wrong-one" not in str(wrong)
    assert ping(open_.url.replace("redis://", f"redis://:{SECRET}@")).code == "redis.password_not_wanted"
    assert ping(guarded.url.replace("redis://", f"redis://:{SECRET}@")).code == "redis.ok"


def test_a_user_without_permission(make_redis: MakeRedis) -> None:
    server = make_redis()
    redis.Redis.from_url(server.url).execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+ping", "+get")
    url = server.url.replace("redis://", "redis://reader:pw@")
    assert ping(url).code == "redis.ok"
    assert write(url).code == "redis.no_permission"
    assert info(url).code == "redis.info_denied"


def test_a_read_only_replica(make_redis: MakeRedis) -> None:
    server = make_redis(f"replicaof 127.0.0.1 {free_port()}\nreplica-serve-stale-data yes")
    assert ping(server.url).code == "redis.ok"
    assert write(server.url).code == "redis.read_only"


def test_a_full_memory(make_redis: MakeRedis) -> None:
    server = make_redis("maxmemory 2mb\nmaxmemory-policy noeviction")
    client = redis.Redis.from_url(server.url)
    with pytest.raises(redis.exceptions.ResponseError):
        for number in range(1000):
            client.set(f"k{number}", "x" * 50_000)
    assert write(server.url).code == "redis.out_of_memory"
    assert info(server.url).code == "redis.memory_high"


def test_a_server_that_can_not_save(make_redis: MakeRedis, tmp_path: Path) -> None:
    server = make_redis()
    client = redis.Redis.from_url(server.url)
    client.config_set("save", "3600 1")
    (tmp_path / "redis-0" / "dump.rdb").mkdir()  # a folder in the snapshot's place
    (tmp_path / "redis-0" / "dump.rdb" / "x").touch()
    client.set("a", 1)
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
    assert write(server.url).code == "redis.misconf"
    assert info(server.url).code == "redis.save_failed"


def test_too_many_clients(make_redis: MakeRedis) -> None:
    server = make_redis("maxclients 2")
    held = [redis.Redis.from_url(server.url) for _ in range(2)]
    connections = [client.connection_pool.get_connection() for client in held]
    assert ping(server.url).code == "redis.too_many_clients"
    for connection in connections:
        connection.disconnect()
    for client in held:
        client.close()


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "redis.not_redis"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "redis.tls_expected"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "redis.loading"),
        (b"-ERR something else\r\n", "redis.error"),
        (b"+PANG\r\n", "redis.not_redis"),
        (b"$1099511627776\r\n", "redis.timeout"),
        (b"", "redis.closed"),
    ],
)
def test_strange_answers(raw_server: Start, raw: bytes, code: str) -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(raw)
        if raw.startswith(b"$"):
            time.sleep(2)

    assert ping(f"redis://127.0.0.1:{raw_server(behave).port}", 0.5 if code == "redis.timeout" else 30).code == code


def test_a_flood_is_cut_off(raw_server: Start) -> None:
    def flood(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"$1073741824\r\n")
        for _ in range(16_384):
            connection.sendall(b"x" * 65_536)

    assert ping(f"redis://127.0.0.1:{raw_server(flood).port}").code == "redis.too_large"


@pytest.fixture
def tls_redis(make_redis: MakeRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, trustme.CA]]:
    """A TLS terminator before a real Redis (the shipped binary has no TLS of its own)."""
    authority = trustme.CA()
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    monkeypatch.setattr(http, "tls_context", lambda: client_context)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    inner = make_redis()
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(4096):
                sink.sendall(data)
        except OSError:
            return

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                secure = context.wrap_socket(connection, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", inner.port))
            threading.Thread(target=pump, args=(secure, upstream), daemon=True).start()
            threading.Thread(target=pump, args=(upstream, secure), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1]), authority
    listener.close()


def test_redis_over_tls(tls_redis: tuple[int, trustme.CA]) -> None:
    reading = ping(f"rediss://localhost:{tls_redis[0]}/0")
    assert reading.code == "redis.ok"
    assert reading.detail["timings_ms"]["tls"] > 0
    assert reading.detail["certificate"]["days_left"] > 1


def test_tls_missing_on_either_side_is_told(tls_redis: tuple[int, trustme.CA], make_redis: MakeRedis) -> None:
    assert ping(f"redis://localhost:{tls_redis[0]}/0").code in {"redis.tls_expected", "redis.closed"}
    assert ping(make_redis().url.replace("redis://", "rediss://"), 0.5).code == "redis.tls_not_expected"


def test_fields_that_are_not_reported_are_none_not_zero() -> None:
    facts = read_info("# Server\r\nredis_version:7.0\r\nused_memory:100\r\nmaxmemory:\r\n")
    assert facts["used_memory_bytes"] == 100
    assert facts["max_memory_bytes"] is None
    assert facts["evicted_keys"] is None
    assert facts["role"] is None
    assert judge(facts, {}, 0.9, 0.9) == ("redis.info_ok", {})


def test_keys_thrown_away_since_the_last_look_are_counted() -> None:
    facts = read_info("evicted_keys:12\r\n")
    assert judge(facts, {"evicted_keys": 5}, 0.9, 0.9) == ("redis.evicting", {"count": 7})
    assert judge(facts, {}, 0.9, 0.9)[0] == "redis.info_ok", "no comparison, no claim"
    assert judge(facts, {"evicted_keys": 40}, 0.9, 0.9)[0] == "redis.info_ok", "a restarted server counts again"


def test_a_slow_answer_is_slow_and_bad_for_the_slo(make_redis: MakeRedis) -> None:
    probe = RedisPingProbe(url=SecretStr(make_redis().url), slow_ms=0.000001, interval_s=1, deadline_s=30)
    reading = asyncio.run(probe.run({}))
    assert reading.code == "redis.slow"
    assert reading.measures[0].good is False
