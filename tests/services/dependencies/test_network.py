"""Names and connections: one silent name server or address holds up nobody else."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from services.dependencies import http_client as http
from services.dependencies import network
from services.dependencies.http_client import Answer, Watch
from services.dependencies.model import Failure
from tests.conftest import RawServer, free_port
from tests.services.dependencies.test_http_client import OK, reply

Start = Callable[[Callable[[socket.socket], None]], RawServer]
LOCAL = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")


@pytest.fixture
def silent_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The system's resolver as it behaves when a domain's name server is silent: it blocks its thread."""
    release, asked, real = threading.Event(), [], socket.getaddrinfo

    def resolver(host: str, *rest: object, **options: object) -> object:
        if host.endswith(".silent.invalid"):
            asked.append(host)
            release.wait(60)
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return real(host, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    yield asked
    release.set()


def test_hosts_whose_names_nobody_answers_hold_up_no_other(raw_server: Start, silent_names: list[str]) -> None:
    port = raw_server(reply(OK)).port

    async def scenario() -> list[Answer | Failure]:
        stalled = [http.get(f"http://h{number}.silent.invalid/", deadline_s=3) for number in range(40)]
        waiting = [asyncio.create_task(one) for one in stalled]
        await asyncio.sleep(0)
        good = await http.get(f"http://localhost:{port}/", deadline_s=60)
        return [good, *await asyncio.gather(*waiting)]

    good, *stalled = asyncio.run(scenario())
    assert isinstance(good, Answer)
    assert {item.code for item in stalled if isinstance(item, Failure)} == {"name_unanswered"}
    assert all(isinstance(item, Failure) and item.phase == "resolve" for item in stalled)


def test_one_host_is_looked_up_once_however_often_it_is_asked_for(silent_names: list[str]) -> None:
    async def scenario() -> None:
        for _ in range(5):
            await asyncio.gather(*(http.get("http://one.silent.invalid/", deadline_s=0.05) for _ in range(3)))

    asyncio.run(scenario())
    assert silent_names == ["one.silent.invalid"]


def test_a_process_ends_while_a_name_is_looked_up(silent_names: list[str]) -> None:
    begun = time.monotonic()
    asyncio.run(http.get("http://end.silent.invalid/", deadline_s=0.05))
    assert time.monotonic() - begun < 50, "the loop ended while its resolver's thread was still blocked for 60 s"
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("dns:"))


def test_the_second_address_is_tried_while_the_first_one_is_silent(raw_server: Start, swallower: int) -> None:
    good = raw_server(reply(OK)).port

    async def scenario() -> int:
        addresses = ((*LOCAL, ("127.0.0.1", swallower)), (*LOCAL, ("127.0.0.1", good)))
        async with asyncio.timeout(60):
            connected = await network.connect(addresses)
        port = int(connected.getpeername()[1])
        connected.close()
        return port

    assert asyncio.run(scenario()) == good


def test_a_swallowed_connection_attempt_is_named_by_its_phase(swallower: int) -> None:
    outcome = asyncio.run(http.get(f"http://127.0.0.1:{swallower}/", deadline_s=0.5))
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.phase) == ("no_connection", "connect")


def test_several_addresses_that_all_refuse_are_refused() -> None:
    async def scenario() -> OSError:
        addresses = tuple((*LOCAL, ("127.0.0.1", free_port())) for _ in range(3))
        try:
            await network.connect(addresses)
        except OSError as error:
            return error
        raise AssertionError

    assert network.was_refused(asyncio.run(scenario()))


def test_both_families_of_a_name_are_tried(raw_server: Start) -> None:
    async def scenario() -> str:
        opened = await http.open_stream("localhost", raw_server(reply(OK)).port, secure=False, watch=Watch())
        assert not isinstance(opened, Failure)
        opened[1].transport.abort()
        return "opened"

    assert asyncio.run(scenario()) == "opened"
