"""Agents over each way: answers come through; a crash, a hang, nonsense and a broken line are trouble, never answers."""

import asyncio
import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from services.replay.agents import WrongAgent, label_of, open_agent
from services.replay.model import Answer, Trouble
from tests.conftest import RawServer, Served

LINE = {"case_id": "c1", "input": {}, "context": {}}
SECRET = "planted-agent-secret-4711"


def ask(spec: str, *, timeout_s: float = 5, token: str | None = None, times: int = 1) -> list[Answer | Trouble]:
    async def go() -> list[Answer | Trouble]:
        agent = open_agent(spec, concurrency=2, token=token)
        try:
            return [await agent.ask(LINE, timeout_s) for _ in range(times)]
        finally:
            await agent.close()

    return asyncio.run(go())


def script(folder: Path, body: str) -> str:
    path = folder / "agent.py"
    path.write_text("import json, os, sys, time\nfor line in sys.stdin:\n    case = json.loads(line)\n" + body)
    return f"command:{sys.executable} {path}"


SAY = "    print(json.dumps({'case_id': case['case_id'], 'output': 'hi', 'tool_calls': [{'tool': 't'}]}), flush=True)\n"


def trouble(found: list[Answer | Trouble]) -> Trouble:
    assert isinstance(found[-1], Trouble)
    return found[-1]


def test_a_process_answers_line_by_line_and_is_used_again(tmp_path: Path) -> None:
    spec = script(tmp_path, "    case['case_id'] = 'c1'\n" + SAY.replace("'hi'", "str(os.getpid())"))
    found = ask(spec, times=3)
    assert all(isinstance(answer, Answer) for answer in found)
    assert len({answer.output for answer in found if isinstance(answer, Answer)}) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("    os._exit(7)\n", "crashed"),
        ("    time.sleep(60)\n", "timeout"),
        ("    print('no json', flush=True)\n", "bad_reply"),
        ("    print(json.dumps({'case_id': 'other', 'output': 'x'}), flush=True)\n", "bad_reply"),
        ("    print(json.dumps({'case_id': 'c1'}), flush=True)\n", "bad_reply"),
        ("    print(json.dumps({'case_id': 'c1', 'output': 5}), flush=True)\n", "bad_reply"),
        ("    print(json.dumps({'case_id': 'c1', 'output': '', 'tool_calls': [{}]}), flush=True)\n", "bad_reply"),
        ("    print('x' * 5_000_000, flush=True)\n", "too_large"),
    ],
)
def test_a_process_in_trouble(tmp_path: Path, body: str, code: str) -> None:
    assert trouble(ask(script(tmp_path, body), timeout_s=1.5 if code == "timeout" else 30)).code == code


def test_a_crash_says_why_without_secrets_and_the_next_case_gets_a_new_process(tmp_path: Path) -> None:
    mark = tmp_path / "crashed"
    body = (
        f"    if not os.path.exists({str(mark)!r}):\n        open({str(mark)!r}, 'w')\n"
        f"        print('password={SECRET}', file=sys.stderr); sys.stderr.flush(); os._exit(3)\n"
    )
    first, second = ask(script(tmp_path, body + SAY), times=2)
    assert isinstance(first, Trouble)
    assert "status 3" in first.detail
    assert SECRET not in first.detail
    assert first.retryable
    assert isinstance(second, Answer)


def test_a_process_that_cannot_be_started_is_trouble() -> None:
    assert trouble(ask("command:/no/such/program")).code == "transport"


def app(handler: Callable[[Request], Any]) -> FastAPI:
    made = FastAPI()
    made.add_route("/agent", handler, methods=["POST"])
    return made


def test_http_answers_and_carries_the_token_in_a_header(serve: Callable[..., Served]) -> None:
    seen: list[str] = []

    async def handler(request: Request) -> Response:
        seen.append(request.headers.get("authorization", ""))
        return JSONResponse({"case_id": (await request.json())["case_id"], "output": {"a": 1}, "usage": {"n": 1}})

    found = ask(serve(app(handler)).url + "/agent", token="t0ken", times=3)
    assert all(isinstance(answer, Answer) for answer in found)
    assert seen == ["Bearer t0ken"] * 3


@pytest.mark.parametrize(
    ("reply", "code", "retryable"),
    [
        (lambda: PlainTextResponse("x", 500), "bad_status", False),
        (lambda: PlainTextResponse("x", 503), "bad_status", True),
        (lambda: PlainTextResponse("x", 429), "bad_status", True),
        (lambda: RedirectResponse("http://127.0.0.1:1/"), "bad_status", False),
        (lambda: PlainTextResponse("no json"), "bad_reply", False),
        (lambda: PlainTextResponse("[" * 100_000), "bad_reply", False),
        (lambda: PlainTextResponse("x" * (5 << 20)), "too_large", False),
    ],
)
def test_http_in_trouble(
    serve: Callable[..., Served], reply: Callable[[], Response], code: str, retryable: bool
) -> None:
    async def handler(_request: Request) -> Response:
        return reply()

    found = trouble(ask(serve(app(handler)).url + "/agent"))
    assert (found.code, found.retryable) == (code, retryable)


def test_nothing_listens_and_a_silent_server(raw_server: Callable[..., RawServer]) -> None:
    assert trouble(ask("http://127.0.0.1:1/")).code == "transport"

    def silent(connection: socket.socket) -> None:
        connection.recv(1)
        import time

        time.sleep(3)

    assert trouble(ask(f"http://127.0.0.1:{raw_server(silent).port}/", timeout_s=0.5)).code == "timeout"


def test_a_kept_connection_that_the_server_closed_is_replaced_unseen(raw_server: Callable[..., RawServer]) -> None:
    body = json.dumps({"case_id": "c1", "output": "x"}).encode()

    def once(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    server = raw_server(once)
    found = ask(f"http://127.0.0.1:{server.port}/", times=3)
    assert all(isinstance(answer, Answer) for answer in found)
    assert server.connections == 3


def test_a_recording_says_its_lines_in_order(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"case_id": "c1", "output": "one"}\n\n{"case_id": "c1", "output": "two"}\n')
    found = ask(f"recorded:{path}", times=3)
    assert [answer.output for answer in found if isinstance(answer, Answer)] == ["one", "two", "two"]
    path.write_text('{"case_id": "other", "output": "one"}\n')
    assert trouble(ask(f"recorded:{path}")).code == "not_recorded"


@pytest.mark.parametrize(
    "spec", ["", "ftp://x", "command:", "command:'", "recorded:/absent", "http://", "http://h:99999999/"]
)
def test_a_specification_that_names_no_agent(spec: str) -> None:
    with pytest.raises(WrongAgent):
        ask(spec)


def test_a_label_holds_no_secret() -> None:
    assert label_of(f"https://user:{SECRET}@h:1/a?token={SECRET}") == "https://h:1/a"
    assert SECRET not in label_of(f"command:agent --api-key={SECRET}")
