"""Forty targets that misbehave in every way at once, beside ten good ones: the good ones' samples are complete."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from services.store import Store
from tests.conftest import RawServer
from tests.worker.conftest import RealWorker

GOOD, INTERVAL_S = 10, 5
READY = b'{"ready": true, "version": "1"}'


def http(body: bytes, *, status: bytes = b"200 OK", headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), headers, body)


def say(raw: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(raw)

    return behave


def silent(connection: socket.socket) -> None:
    time.sleep(20)


def drip(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(200):
        connection.sendall(b"x")
        time.sleep(0.1)


def flood(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b"x" * 65_536)


BAD: tuple[Callable[[socket.socket], None], ...] = (
    silent, drip, flood, lambda _: None, say(b"SSH-2.0-x\r\n"), say(b""), say(b"\xff" * 5000),
    say(http(rb'{"ready":true,"version":"1.2","note":"release \ud83d"}')), say(http(rb'{"ready":true,"version":"\ud800"}')),
    say(http(rb'{"ready":true,"version":"\u0000"}')), say(http(b'{"ready":"false"}')), say(http(b'{"status":"DOWN"}')),
    say(http(b'{"ready":true,"x":1e999,"y":' + b"9" * 400 + b"}")), say(http(b"[" * 100_000)),
    say(http(b'{"a":' * 900 + b"1" + b"}" * 900)), say(http(b"<html>log in")), say(http(b"no", status=b"503 No")),
    say(http(b"x", status=b"302 F", headers=b"Location: /login?next=/api/health ready\r\n")),
    say(http(b"x", status=b"302 F", headers=b"Location: http://[\r\n")), say(http(b"", status=b"429 T", headers=b"Retry-After: 30\r\n")),
    say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n"),
    say(http(b"x" * 10, headers=b"Content-Encoding: gzip\r\n")), say(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000),
    say(http(b'{"ready":false,"ready":true}')), say(http('{"ready":true}'.encode("utf-16"))), say(http(b"", status=b"204 No")),
    say(http(b'{"dependencies":{"redis\\ud800":{"required":true,"healthy":true}},"ready":true}')),
    say(http(b'{"dependencies":' + b'{"x":{}}' + b',"mode":[1]}')),
)  # fmt: skip


def settings(good: list[int], bad: list[int]) -> str:
    tables = [(f"good{number}", f"http://127.0.0.1:{port}") for number, port in enumerate(good)]
    tables += [(f"bad{number}", f"http://127.0.0.1:{port}") for number, port in enumerate(bad)]
    tables += [(f"nowhere{number}", f"http://h{number}.no-such-name.invalid") for number in range(40 - len(bad))]
    every = f"intervals = {{ readiness = {INTERVAL_S}, dependencies = {INTERVAL_S}, inngest = {INTERVAL_S} }}"
    limit = "readiness = { deadline_s = 4 }\ndependencies = { deadline_s = 4 }"
    return "\n".join(f'[[environments]]\nname = "{name}"\nbase_url = "{url}"\n{every}\n{limit}' for name, url in tables)


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def run_beside(
    start: Callable[..., RealWorker], raw_server: Callable[..., RawServer], folder: Path, seconds: float
) -> str:
    good = [raw_server(say(http(READY))).port for _ in range(GOOD)]
    bad = [raw_server(behave).port for behave in BAD]
    config = folder / "greenlight.toml"
    config.write_text(settings(good, bad))
    worker = start(GREENLIGHT_CONFIG=str(config))
    worker.wait()
    begun, third, after_a_third = time.monotonic(), seconds / 3, 0
    while time.monotonic() - begun < seconds:
        time.sleep(min(1.0, seconds / 10))
        assert worker.process.poll() is None, worker.log.read_text()[-3000:]
        if not after_a_third and time.monotonic() - begun > third:
            after_a_third = resident_bytes(worker.process.pid)
    at_the_end = resident_bytes(worker.process.pid)
    status = worker.stop()
    store = Store.open(f"sqlite:///{worker.data / 'greenlight.db'}")
    query = text(
        "SELECT series.environment, count(*), max(samples.at_ms) - min(samples.at_ms) FROM samples JOIN series "
        "ON samples.series_id = series.id WHERE sli = 'readiness_uptime' AND good = 1 GROUP BY series.environment"
    )
    with store.read() as connection:
        found = {row[0]: (row[1], row[2]) for row in connection.execute(query)}
    store.close()
    log = worker.log.read_text()
    assert status == 0, log[-3000:]
    assert "is restarted" not in log
    assert "Traceback" not in log
    assert "by our own fault" not in log
    assert {name for name in found if name.startswith("good")} == {f"good{number}" for number in range(GOOD)}
    for name, (count, span_ms) in found.items():
        if name.startswith("good"):
            assert count >= 0.9 * span_ms / 1000 / INTERVAL_S, (name, count, span_ms)
    # Half an emoji in a note or a version, or a number beyond any double beside it, is no reason not to be ready.
    honest = {f"bad{number}" for number in (7, 8, 9, 12, 26)}
    assert {name for name in found if not name.startswith("good")} <= honest
    figures = f"{seconds:.0f} s: samples {found['good0'][0]}, memory {after_a_third >> 20} -> {at_the_end >> 20} MiB"
    assert at_the_end < after_a_third * 1.2 + (16 << 20), figures
    return figures


def test_for_a_while(
    start_worker: Callable[..., RealWorker], raw_server: Callable[..., RawServer], tmp_path: Path
) -> None:
    run_beside(start_worker, raw_server, tmp_path, 20)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_for_half_an_hour(
    start_worker: Callable[..., RealWorker], raw_server: Callable[..., RawServer], tmp_path: Path
) -> None:
    minutes = float(os.environ.get("GREENLIGHT_SOAK_MINUTES", "30"))
    print(run_beside(start_worker, raw_server, tmp_path, minutes * 60))
