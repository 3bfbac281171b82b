"""Agents over each way: answers come through; a crash, a hang, nonsense and a broken line are trouble, never answers."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from services.replay import tracing
from services.replay.agent_recorded import RecordedAgent
from services.replay.agents import WrongAgent, label_of, open_agent, read_reply
from services.replay.model import Answer, Trouble
from tests.conftest import RawServer, Served

LINE = {"case_id": "c1", "input": {}, "context": {}}
SECRET = "planted-agent-secret-4711"


def ask(spec: str, *, timeout_s: float = 5, token: str | None = None, times: int = 1) -> list[Answer | Trouble]:
    async def go() -> list[Answer | Trouble]:
        agent = open_agent(spec, concurrency=2, token=token)
        try:
            return [await agent.ask(LINE, timeout_s, repeat=number) for number in range(1, times + 1)]
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


@pytest.mark.parametrize("then", ["", "    sys.exit(0)\n"])
def test_an_agent_that_says_more_than_it_was_asked_answers_no_other_case(tmp_path: Path, then: str) -> None:
    """A line that follows an answer was taken for the next case's, one case late for ever after."""
    body = "    print(json.dumps({'output': 'said'}) + '\\n' + json.dumps({'output': 'more'}), flush=True)\n"
    found = ask(script(tmp_path, body + then), times=3)
    assert [answer.output for answer in found if isinstance(answer, Answer)] == ["said"] * 3


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


def test_a_token_that_comes_back_in_whatever_way_json_writes_it_is_taken_out(serve: Callable[..., Served]) -> None:
    escaped = "".join(f"\\u{ord(sign):04x}" for sign in SECRET)

    async def handler(_request: Request) -> Response:
        return PlainTextResponse(f'{{"output": {{"{escaped}": ["{escaped}", "{SECRET[:-2]}", "{SECRET[2:]}"]}}}}')

    (answer,) = ask(serve(app(handler)).url + "/agent", token=SECRET)
    assert isinstance(answer, Answer)
    assert not any(SECRET[n : n + 12] in str(answer.output) for n in range(len(SECRET) - 11))


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
    assert [answer.output for answer in found if isinstance(answer, Answer)] == ["one", "two"]
    assert trouble(found).code == "not_recorded", "no answer is counted twice"
    path.write_text('{"case_id": "other", "output": "one"}\n')
    assert trouble(ask(f"recorded:{path}")).code == "not_recorded"


def test_repeats_of_a_recording_are_addressed_by_number(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(
        '{"case_id": "c1", "repeat": 2, "output": "two"}\n{"case_id": "c1", "repeat": 1, "output": "one"}\n'
    )
    assert [a.output for a in ask(f"recorded:{path}", times=2) if isinstance(a, Answer)] == ["one", "two"]


@pytest.mark.parametrize(
    "content",
    [
        b'{"case_id": "c1", "repeat": 0, "output": "x"}', b'{"case_id": "c1", "repeat": true, "output": "x"}',
        b'{"case_id": "c1", "repeat": 1, "output": "x"}\n{"case_id": "c1", "repeat": 1, "output": "y"}',
        b'{"case_id": [1], "output": "x"}', b"[]", b"\xff\xfe{", '{"case_id": "c1"}'.encode("utf-16"),
        b'{"case_id": "c1", "output": ' + b"[" * 900 + b"]" * 900 + b"}",
    ],
)  # fmt: skip
def test_a_recording_that_can_not_be_used_names_its_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(content)
    with pytest.raises(WrongAgent, match=r"r\.jsonl"):
        ask(f"recorded:{path}")


HALF = r'{"case_id": "c1", "output": "cut \ud83d off\u0000"}'


def test_an_answer_cut_inside_an_emoji_is_kept_however_it_comes(
    tmp_path: Path, raw_server: Callable[..., RawServer]
) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(HALF + "\n")

    def http(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(HALF), HALF.encode()))

    specs = [
        f"recorded:{path}", f"http://127.0.0.1:{raw_server(http).port}/", script(tmp_path, f"    print(r'{HALF}', flush=True)\n"),
    ]  # fmt: skip
    for spec in specs:
        (answer,) = ask(spec, timeout_s=30)
        assert isinstance(answer, Answer), answer
        assert answer.output == "cut \ufffd off\ufffd"


@pytest.mark.parametrize(
    "reply",
    [
        '{"output":"x","case_id":[1]}', '{"output":"x","case_id":{}}', '{"output":"x","tool_calls":[{"tool":"t","status":[1]}]}',
        '{"output":' + "[" * 900 + "]" * 900 + "}", '{"output":null}', '{"output":1}', "null", "[]", '{"output":"x","tool_calls":{"a":1}}',
        '{"output":"x","tool_calls":[{"tool":1}]}', '{"output":"x","tool_calls":[{"tool":"t","arguments":[1]}]}', '{"output": NaN}',
    ],
)  # fmt: skip
def test_a_reply_of_the_wrong_form_is_trouble(tmp_path: Path, reply: str) -> None:
    found = ask(script(tmp_path, f"    print({reply!r}, flush=True)\n"), timeout_s=30)
    assert trouble(found).code == "bad_reply"


def test_a_command_is_given_none_of_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLIGHT_API_TOKEN", SECRET)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{SECRET}@h/d")
    monkeypatch.setenv("STAGING_REDIS_URL", SECRET)
    monkeypatch.setenv("AGENT_MODEL", "a-model")
    spec = script(tmp_path, "    print(json.dumps({'output': dict(os.environ)}), flush=True)\n")
    (answer,) = ask(spec, timeout_s=30)
    assert isinstance(answer, Answer)
    assert SECRET not in str(answer.output)
    assert "AGENT_MODEL" not in answer.output
    assert answer.output["PATH"] == os.environ["PATH"]

    async def with_one() -> Answer | Trouble:
        agent = open_agent(spec, concurrency=1, variables=["AGENT_MODEL"])
        try:
            return await agent.ask(LINE, 30)
        finally:
            await agent.close()

    named = asyncio.run(with_one())
    assert isinstance(named, Answer)
    assert named.output["AGENT_MODEL"] == "a-model"


@pytest.mark.parametrize(
    "spec",
    [
        f"command:x --token {SECRET}", f"command:x --api-key={SECRET}", f"command:TOKEN={SECRET} x",
        f"command:curl -H 'Authorization: Bearer {SECRET}' http://h", f"command:x http://u:{SECRET}@h/",
        f"http://u:{SECRET}@h/p?token={SECRET}", f"command:x --password {SECRET} --verbose",
    ],
)  # fmt: skip
def test_a_secret_in_a_specification_is_not_part_of_its_name(spec: str) -> None:
    assert SECRET not in label_of(spec)


@pytest.mark.parametrize(
    "spec",
    ["", "ftp://x", "command:", "command:'", "recorded:/absent", "http://", "http://h:99999999/", "http://[::1/",
     f"http://{'a' * 64}.example/", "http://.example/", "http://a..b/", "http://x/\ud83d"],
)  # fmt: skip
def test_a_specification_that_names_no_agent(spec: str) -> None:
    with pytest.raises(WrongAgent):
        ask(spec)


def test_a_label_holds_no_secret() -> None:
    assert label_of(f"https://user:{SECRET}@h:1/a?token={SECRET}") == "https://h:1/a"
    assert SECRET not in label_of(f"command:agent --api-key={SECRET}")


def test_a_recording_of_a_conversation_is_addressed_by_turn(tmp_path: Path) -> None:
    file = tmp_path / "talk.jsonl"
    lines = [{"case_id": "c", "output": "one"}, {"case_id": "c", "turn": 2, "output": "two"},
             {"case_id": "c", "output": "again"}, {"case_id": "c", "turn": 2, "output": "again two"}]  # fmt: skip
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    agent = RecordedAgent(str(file), label="talk")

    def said(turn: int, repeat: int) -> object:
        found = asyncio.run(agent.ask({"case_id": "c", "turn": turn}, 1, repeat=repeat))
        return found.output if isinstance(found, Answer) else found.detail

    assert [said(1, 1), said(2, 1), said(1, 2), said(2, 2)] == ["one", "two", "again", "again two"]
    assert said(3, 1) == "the recording has no answer to repeat 1 of this case, turn 3"


@pytest.mark.parametrize(("more", "what"), [
    ({"state": []}, "state"), ({"state": {"now": 1}}, "state"), ({"ended": 3}, "ended"),
])  # fmt: skip
def test_a_state_or_an_end_of_the_wrong_form_is_trouble(more: dict[str, object], what: str) -> None:
    found = read_reply({"case_id": "c", "output": "x", **more}, "c")
    assert isinstance(found, Trouble)
    assert what in found.detail


def test_an_agent_over_http_is_asked_within_a_trace_that_is_found_again(serve: Callable[..., Served]) -> None:
    seen: list[tuple[str, Any]] = []
    made = FastAPI()

    @made.post("/")
    async def answer(request: Request) -> JSONResponse:
        seen.append((request.headers["traceparent"], await request.json()))
        return JSONResponse({"output": "x"})

    line = {"case_id": "c", "input": {}, "context": {}, tracing.FIELD: tracing.traceparent("run", "c", 2)}
    asyncio.run(_asked(open_agent(serve(made).url, concurrency=1), line))
    assert seen == [(f"00-{tracing.trace_id('run', 'c', 2)}-{tracing.trace_id('run', 'c', 2)[:16]}-01",
                     {"case_id": "c", "input": {}, "context": {}})]  # fmt: skip


async def _asked(agent: Any, line: dict[str, Any]) -> None:
    await agent.ask(line, 10)
    await agent.close()
