"""The kit's drill function: what it writes, durably; and events that ask for nonsense."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import inngest
import pytest
from inngest.experimental import mocked

from runtime.drill import EVENT, KEPT_S, FileLines, Line, RedisLines, drill, plan
from runtime.redis_check import client_for
from tests.conftest import RealRedis


def client() -> inngest.Inngest:
    return inngest.Inngest(app_id="t", is_production=False)


def run(function: inngest.Function[Any], **data: Any) -> Any:
    loop = asyncio.new_event_loop()  # the SDK would make one, and leave it open
    asyncio.set_event_loop(loop)
    try:
        return mocked.trigger(function, inngest.Event(name=EVENT, data=data), mocked.Inngest(app_id="t"))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_each_body_says_that_it_began_and_that_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "drill.jsonl"
    done = run(drill(client(), FileLines(path), worker="w"), id="abcd1234", steps_s=[0.01, 0])
    assert done.status is mocked.Status.COMPLETED
    lines = [json.loads(line) for line in path.read_text().splitlines() if line]
    assert [(x["step"], x["phase"]) for x in lines] == [(n, p) for n in (1, 2, 3) for p in ("begin", "end")]
    assert {(x["id"], x["worker"]) for x in lines} == {("abcd1234", "w")}
    assert len({x["attempt"] for x in lines}) == 3
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "data",
    [{}, {"id": 7}, {"id": "../../etc"}, {"id": "a b c d"}, {"id": "abcd", "steps_s": []}, {"id": "abcd", "steps_s": "x"},
     {"id": "abcd", "steps_s": [True]}, {"id": "abcd", "steps_s": [-1]}, {"id": "abcd", "steps_s": [float("nan")]},
     {"id": "abcd", "steps_s": [1e9]}, {"id": "abcd", "steps_s": [1] * 21}],
)  # fmt: skip
def test_an_event_that_asks_for_nonsense_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"id|step"):
        plan(data)


def test_such_a_run_fails_and_writes_nothing(tmp_path: Path) -> None:
    done = run(drill(client(), FileLines(tmp_path / "drill.jsonl")), id="../x")
    assert done.status is mocked.Status.FAILED
    assert not (tmp_path / "drill.jsonl").exists()


def test_too_few_retries_are_refused() -> None:
    with pytest.raises(ValueError, match="retries must be 4 or more"):
        drill(client(), FileLines(Path("x")), retries=3)


def test_lines_in_redis_end_by_themselves_and_carry_its_time(make_redis: Callable[..., RealRedis]) -> None:
    server = make_redis()

    async def push() -> tuple[list[bytes], int, int]:
        made = client_for(server.url)
        assert made is not None
        lines = RedisLines(made)
        for phase in ("begin", "end"):
            await lines.append(Line(id="abcd", run="r", step=1, attempt="a", phase=phase, worker="w", up_s=1.5))  # type: ignore[arg-type]
        found = await made.lrange("greenlight:drill:abcd", 0, -1)  # type: ignore[misc]
        left, now = await made.ttl("greenlight:drill:abcd"), await made.time()
        await made.aclose()
        return found, left, int(now[0])

    found, left, now = asyncio.run(push())
    assert [json.loads(x)["phase"] for x in found] == ["begin", "end"]
    assert 0 < left <= KEPT_S
    assert all(now + 1 - json.loads(x)["at"] >= 0 for x in found)


def test_a_redis_that_refuses_fails_the_step(make_redis: Callable[..., RealRedis]) -> None:
    server = make_redis("maxmemory 1mb")

    async def push() -> None:
        made = client_for(server.url)
        assert made is not None
        await made.config_set("maxmemory", "1")
        try:
            await RedisLines(made).append(
                Line(id="abcd", run="r", step=1, attempt="a", phase="begin", worker="w", up_s=1)
            )
        finally:
            await made.aclose()

    with pytest.raises(Exception, match="maxmemory"):
        asyncio.run(push())
