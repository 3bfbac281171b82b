"""Queues as job libraries really write them: what waits, since when, and what is due; else *cannot tell*."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from services.dependencies.model import Reading
from services.dependencies.queue.probe import QueueProbe
from services.settings.model import Queue
from tests.conftest import RawServer, RealRedis
from tests.fuzzing import fuzz

KEYS = {
    "bullmq": "bull:q", "bull": "bull:q", "rq": "rq:queue:q", "celery": "q", "arq": "arq:queue",
    "sidekiq": "queue:q", "laravel": "queues:q",
}  # fmt: skip
FORMATS = sorted(KEYS)


@pytest.fixture
def server(make_redis: Callable[..., RealRedis]) -> RealRedis:
    return make_redis()


def look(server: RealRedis | RawServer, form: str, deadline_s: float = 60, **more: object) -> Reading:
    queue = Queue(name="q", format=form, key=KEYS[form], **more)  # type: ignore[arg-type]
    url = SecretStr(f"redis://127.0.0.1:{server.port}/0")
    return asyncio.run(QueueProbe(url=url, queue=queue, interval_s=60, deadline_s=deadline_s).run({}))


def ms(age_s: float) -> int:
    return int((time.time() - age_s) * 1000)


def bullmq_jobs(client: redis.Redis, ages: list[float], *, to: str = "wait", delay_ms: int = 0) -> None:
    """As BullMQ 5 writes them (addStandardJob-9.lua, addDelayedJob-6.lua, addPrioritizedJob-9.lua)."""
    for number, age in enumerate(ages, 1):
        job = f"{to}{number}"
        client.hset(f"bull:q:{job}", mapping={"name": "send", "data": "{}", "timestamp": ms(age), "delay": delay_ms})
        if to == "delayed":
            client.zadd("bull:q:delayed", {job: (ms(age) + delay_ms) * 0x1000 + number})
        elif to == "prioritized":
            client.zadd("bull:q:prioritized", {job: 3 * 0x100000000 + number})
        else:
            client.lpush(f"bull:q:{to}", job)


def know(server: RealRedis, form: str, name: str = "q") -> None:
    """What the library leaves of a queue that is empty now."""
    client = redis.Redis.from_url(server.url)
    if form in {"bullmq", "bull"}:
        client.hset(f"bull:{name}:meta", "opts.maxLenEvents", 10_000)
    elif form == "rq":
        client.sadd("rq:queues", f"rq:queue:{name}")
    elif form == "sidekiq":
        client.sadd("queues", name)
    elif form == "celery":
        client.sadd(f"_kombu.binding.{name}", f"{name}\x06\x16\x06\x16{name}")
        client.sadd("_kombu.binding.celery.pidbox", "")


@pytest.mark.parametrize("form", ["bullmq", "bull", "rq", "sidekiq", "celery"])
def test_a_queue_that_its_library_knows_under_another_name_is_not_empty(server: RealRedis, form: str) -> None:
    """A key written wrong was green for ever: nothing waits where nobody ever puts anything."""
    know(server, form, "emails")
    reading = look(server, form)
    assert (reading.code, reading.measures[0].good) == ("queue.absent", None)
    assert reading.checks[0].outcome == "unknown"
    know(server, form)
    assert look(server, form).code == "queue.empty"


def test_an_empty_queue_of_celery_behind_a_prefix_is_found(server: RealRedis) -> None:
    client = redis.Redis.from_url(server.url)
    client.sadd("app:_kombu.binding.q", "")
    client.sadd("_kombu.binding.celery.pidbox", "")
    queue = Queue(name="q", format="celery", key="app:q")
    probe = QueueProbe(url=SecretStr(server.url), queue=queue, interval_s=60, deadline_s=60)
    assert asyncio.run(probe.run({})).code == "queue.empty"


def write(server: RealRedis, form: str, age_s: float) -> None:
    """One waiting job of that age, as its library writes it."""
    client = redis.Redis.from_url(server.url)
    moment = datetime.fromtimestamp(time.time() - age_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if form in {"bullmq", "bull"}:
        bullmq_jobs(client, [age_s])
    elif form == "rq":  # rq 2, job.py: utcformat
        client.hset("rq:job:1", mapping={"enqueued_at": moment, "created_at": moment, "data": b"x\x9c\x00"})
        client.rpush("rq:queue:q", "1")
    elif form == "celery":
        client.lpush("q", json.dumps({"body": "W10=", "headers": {"id": "1", "sent": moment}, "properties": {}}))
    elif form == "arq":
        client.zadd("arq:queue", {"1": ms(age_s)})
    elif form == "sidekiq":  # 7: seconds
        client.lpush("queue:q", json.dumps({"class": "J", "args": [], "enqueued_at": time.time() - age_s}))
    else:
        client.rpush("queues:q", json.dumps({"uuid": "1", "data": {}, "pushedAt": str(time.time() - age_s)}))


@pytest.mark.parametrize("form", FORMATS)
def test_late_fresh_and_empty_are_told_apart_in_every_format(server: RealRedis, form: str) -> None:
    more = {"timestamp_field": "sent"} if form == "celery" else {}
    know(server, form)
    assert look(server, form, **more).code == "queue.empty"
    write(server, form, 2)
    assert look(server, form, **more).code == "queue.ok"
    redis.Redis.from_url(server.url).flushall()
    write(server, form, 4000)
    reading = look(server, form, **more)
    assert (reading.code, reading.measures[0].good) == ("queue.late", False)
    assert reading.measures[0].value == pytest.approx(4000, abs=60)


def test_delayed_jobs_of_bullmq_are_late_only_after_their_time(server: RealRedis) -> None:
    client = redis.Redis.from_url(server.url)
    bullmq_jobs(client, [5000], to="delayed", delay_ms=20_000_000)
    assert look(server, "bullmq").code == "queue.empty", "due in four hours: nothing waits"
    bullmq_jobs(client, [3600, 3600, 3600], to="delayed")
    reading = look(server, "bullmq")
    assert (reading.code, reading.detail["facts"]["depth"]) == ("queue.late", 3)
    assert reading.measures[0].value == pytest.approx(3600, abs=60)


def test_a_job_that_was_delayed_waits_since_it_was_due(server: RealRedis) -> None:
    bullmq_jobs(redis.Redis.from_url(server.url), [3600], delay_ms=3_590_000)
    assert look(server, "bullmq").code == "queue.ok"


@pytest.mark.parametrize("part", ["paused", "prioritized"])
def test_paused_and_prioritized_jobs_wait_too(server: RealRedis, part: str) -> None:
    bullmq_jobs(redis.Redis.from_url(server.url), [4000, 10], to=part)
    reading = look(server, "bullmq")
    assert (reading.code, reading.detail["facts"]["depth"]) == ("queue.late", 2)


def test_a_hundred_thousand_jobs_cost_a_few_commands(server: RealRedis) -> None:
    client = redis.Redis.from_url(server.url)
    pipe = client.pipeline(transaction=False)
    for number in range(100_000, 0, -1):
        if number > 99_000 or number < 1000 or number % 1000 in {0, 1} or 94_900 < number < 95_100:
            pipe.hset(f"bull:q:{number}", mapping={"timestamp": ms(number / 10), "delay": 0})
        pipe.lpush("bull:q:wait", number)
    pipe.execute()
    reading = look(server, "bullmq")
    facts = reading.detail["facts"]
    assert (facts["depth"], facts["p95_is"]) == (100_000, "exact")
    assert facts["oldest_s"] == pytest.approx(10_000, abs=120)
    assert facts["p95_s"] == pytest.approx(9500, abs=120)
    assert reading.detail["commands"] < 220


def test_jobs_whose_hashes_are_gone_can_not_be_told(server: RealRedis) -> None:
    redis.Redis.from_url(server.url).lpush("bull:q:wait", "1", "2")
    reading = look(server, "bullmq")
    assert (reading.code, reading.measures[0].good, reading.detail["facts"]["depth"]) == ("queue.no_times", None, 2)


def test_a_celery_queue_without_times_says_how_much_waits_and_no_more(server: RealRedis) -> None:
    client = redis.Redis.from_url(server.url)
    client.lpush("q", json.dumps({"body": "W10=", "headers": {"id": "1"}, "properties": {}}))
    client.lpush("q\x06\x163", json.dumps({"body": "W10=", "headers": {"id": "2"}, "properties": {"priority": 3}}))
    reading = look(server, "celery")
    assert (reading.code, reading.measures[0].good, reading.detail["facts"]["depth"]) == ("queue.no_times", None, 2)


def test_sidekiq_eight_writes_milliseconds(server: RealRedis) -> None:
    redis.Redis.from_url(server.url).lpush("queue:q", json.dumps({"class": "J", "enqueued_at": ms(4000)}))
    assert look(server, "sidekiq").code == "queue.late"


def test_a_laravel_job_that_is_due_and_was_not_moved_waits(server: RealRedis) -> None:
    client = redis.Redis.from_url(server.url)
    client.zadd("queues:q:delayed", {"{}": int(time.time()) + 3600})
    assert look(server, "laravel").code == "queue.empty"
    client.zadd("queues:q:delayed", {"{1}": int(time.time()) - 4000})
    assert look(server, "laravel").code == "queue.late"


def test_a_deferred_arq_job_is_not_waiting(server: RealRedis) -> None:
    redis.Redis.from_url(server.url).zadd("arq:queue", {"1": ms(-3600)})
    assert look(server, "arq").code == "queue.empty"


@pytest.mark.parametrize("form", FORMATS)
def test_another_kind_of_key_can_not_be_told(server: RealRedis, form: str) -> None:
    client = redis.Redis.from_url(server.url)
    for key in (KEYS[form], "bull:q:wait"):
        client.set(key, "text")
    reading = look(server, form)
    assert (reading.code, reading.measures[0].good) == ("queue.wrong_type", None)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"key": "q"}, "set one of the two"),
        ({"key": "q", "kind": "zset", "format": "bullmq"}, "set one of the two"),
        ({"key": "q", "format": "resque"}, "bullmq"),
        ({"key": "q", "kind": "list"}, "timestamp_field"),
        ({"key": "q", "kind": "list", "timestamp_field": "at", "group": "g"}, "stream"),
        ({"key": "q", "kind": "zset", "timezone": "Mars/Olympus"}, "no known zone"),
        ({"key": "q", "kind": "zset", "timezone": "../../etc/passwd"}, "no known zone"),
    ],
)
def test_a_wrong_combination_is_refused_with_what_to_do(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Queue(name="q", **fields)  # type: ignore[arg-type]


REPLIES = st.one_of(
    st.binary(max_size=40),
    st.integers(-(2**70), 2**70).map(lambda number: b":%d\r\n" % number),
    st.binary(max_size=20).map(lambda raw: b"$%d\r\n%s\r\n" % (len(raw), raw)),
    st.sampled_from([b"*0\r\n", b"*-1\r\n", b"$-1\r\n", b"*2\r\n$1\r\na\r\n$3\r\nnan\r\n", b"*1\r\n*1\r\n:1\r\n",
                     b"-NOPERM no\r\n", b"-WRONGTYPE x\r\n", b"_\r\n", b"#t\r\n", b",inf\r\n", b"%1\r\n+a\r\n:1\r\n",
                     b">1\r\n+push\r\n", b"*1\r\n" * 200]),
)  # fmt: skip


@fuzz(40)
@given(st.lists(REPLIES, min_size=1, max_size=6), st.sampled_from(["list", "zset", "stream", *FORMATS]))
def test_whatever_a_server_sends_nothing_but_an_empty_queue_or_a_readable_one_is_good(
    raw_server: Callable[..., RawServer], replies: list[bytes], form: str
) -> None:
    def behave(connection: object) -> None:
        for reply in replies:
            if not connection.recv(65_536):  # type: ignore[attr-defined]
                return
            connection.sendall(reply * 3)  # type: ignore[attr-defined]

    kinds = {"list": {"kind": "list", "timestamp_field": "at"}, "zset": {"kind": "zset"}, "stream": {"kind": "stream"}}
    queue = Queue(name="q", key="q", **kinds.get(form, {"format": form}))  # type: ignore[arg-type]
    server = raw_server(behave)
    probe = QueueProbe(url=SecretStr(f"redis://127.0.0.1:{server.port}"), queue=queue, interval_s=1, deadline_s=2)
    reading = asyncio.run(probe.run({}))
    server.close()
    good = reading.measures[0].good
    assert good is None or reading.code in {"queue.empty", "queue.ok", "queue.late"}
