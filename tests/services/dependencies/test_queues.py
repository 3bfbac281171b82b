"""Queues of every kind in a real Redis: exact ages, bounded work, unknown where unreadable."""

import asyncio
import json
import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.dependencies.messages import advice
from services.dependencies.model import Reading
from services.dependencies.queue.age import aging_of_all, oldest_share_rank, p95, time_of
from services.dependencies.queue.probe import QueueProbe
from services.settings.model import Queue
from tests.conftest import RealRedis
from tests.fuzzing import fuzz

MakeRedis = Callable[..., RealRedis]


@pytest.fixture
def server(make_redis: MakeRedis) -> RealRedis:
    return make_redis()


def look(server: RealRedis, kind: str = "list", field: str | None = "at", **more: object) -> Reading:
    queue = Queue(name="q", kind=kind, key="q", timestamp_field=field, **more)  # type: ignore[arg-type]
    return asyncio.run(QueueProbe(url=SecretStr(server.url), queue=queue, interval_s=60, deadline_s=30).run({}))


def client(server: RealRedis) -> redis.Redis:
    return redis.Redis.from_url(server.url)


def item(age_s: float, pad: int = 0) -> str:
    return json.dumps({"at": time.time() - age_s, "pad": "x" * pad})


def test_an_empty_queue_is_good(server: RealRedis) -> None:
    for kind in ("list", "stream", "zset"):
        reading = look(server, kind)
        assert (reading.code, reading.measures[0].good, reading.measures[0].value) == ("queue.empty", True, 0.0)


def test_a_small_list_is_read_whole(server: RealRedis) -> None:
    client(server).lpush("q", *[item(age) for age in range(100, 0, -1)])
    facts = look(server).detail["facts"]
    assert (facts["depth"], facts["sampled"], facts["p95_is"]) == (100, 100, "exact")
    assert facts["oldest_s"] == pytest.approx(100, abs=3)
    assert facts["p95_s"] == pytest.approx(95, abs=3)


def test_late_work_is_slow_and_bad_for_the_slo(server: RealRedis) -> None:
    client(server).lpush("q", item(500))
    reading = look(server, threshold_s=300)
    assert (reading.code, reading.measures[0].good) == ("queue.late", False)


@pytest.mark.parametrize("push", ["lpush", "rpush"])
def test_a_million_items_cost_the_same_few_commands(server: RealRedis, push: str) -> None:
    ages = range(1_000_000, 0, -1)
    connection = client(server)
    now = time.time()
    pipe = connection.pipeline(transaction=False)
    batch: list[str] = []
    for age in ages:
        batch.append('{"at": %f}' % (now - age / 1000))
        if len(batch) == 20_000:
            getattr(pipe, push)("q", *batch)
            pipe.execute()
            batch = []
    reading = look(server)
    facts = reading.detail["facts"]
    assert facts["depth"] == 1_000_000
    assert facts["sampled"] <= 250
    assert facts["oldest_s"] == pytest.approx(1000, abs=30)
    assert facts["p95_s"] == pytest.approx(950, abs=30)
    assert reading.detail["commands"] <= 5


def test_very_large_items_are_looked_at_with_a_shorter_reach(server: RealRedis) -> None:
    client(server).lpush("q", *[item(60, pad=100_000) for _ in range(50)])
    facts = look(server).detail["facts"]
    assert facts["depth"] == 50
    assert facts["sampled"] <= 3


def test_items_over_the_limit_are_unknown(server: RealRedis) -> None:
    client(server).lpush("q", *[item(60, pad=2_000_000) for _ in range(3)])
    reading = look(server)
    assert (reading.code, reading.measures[0].good) == ("queue.too_large", None)


def test_a_sorted_set_s_later_scores_are_not_waiting_yet(server: RealRedis) -> None:
    now = time.time()
    client(server).zadd("q", {f"m{age}": now - age for age in range(100)} | {"later": now + 5000})
    facts = look(server, "zset", None).detail["facts"]
    assert facts["depth"] == 100
    assert facts["oldest_s"] == pytest.approx(99, abs=3)
    assert facts["p95_s"] == pytest.approx(94, abs=3)


def test_a_sorted_set_scored_in_milliseconds(server: RealRedis) -> None:
    client(server).zadd("q", {"m": (time.time() - 40) * 1000})
    assert look(server, "zset", None).detail["facts"]["oldest_s"] == pytest.approx(40, abs=3)


def test_a_long_sorted_set_of_json_is_read_by_rank(server: RealRedis) -> None:
    now = time.time()
    client(server).zadd("q", {json.dumps({"at": now - age, "n": age}): now - age for age in range(1000)})
    facts = look(server, "zset", "at").detail["facts"]
    assert (facts["depth"], facts["p95_is"]) == (1000, "exact")
    assert facts["p95_s"] == pytest.approx(949, abs=3)


def test_streams_are_exact_while_short_and_bounded_when_long(server: RealRedis) -> None:
    connection = client(server)
    start = int((time.time() - 2000) * 1000)
    for number in range(400):
        connection.xadd("q", {"a": 1}, id=f"{start + number * 1000}-0")
    facts = look(server, "stream", None).detail["facts"]
    assert (facts["depth"], facts["p95_is"]) == (400, "exact")
    assert facts["p95_s"] == pytest.approx(2000 - 20, abs=5)
    pipe = connection.pipeline(transaction=False)
    for number in range(400, 20_000):
        pipe.xadd("q", {"a": 1}, id=f"{start + 400_000 + number}-0")
    pipe.execute()
    facts = look(server, "stream", None).detail["facts"]
    assert facts["sampled"] == 500
    assert "bound" in facts["p95_is"]


@pytest.mark.parametrize(
    ("content", "code"), [("not json", "queue.no_times"), ('{"other": 1}', "queue.no_times"), ("[1]", "queue.no_times")]
)
def test_items_without_times_are_unknown_never_good(server: RealRedis, content: str, code: str) -> None:
    client(server).lpush("q", content)
    reading = look(server)
    assert (reading.code, reading.measures[0].good) == (code, None)


def test_another_kind_of_value_is_unknown(server: RealRedis) -> None:
    client(server).set("q", "text")
    for kind in ("list", "stream", "zset"):
        assert look(server, kind).code == "queue.wrong_type"


def test_redis_own_trouble_is_not_the_queue_s(server: RealRedis) -> None:
    server.stop()
    reading = look(server)
    assert (reading.code, reading.measures[0].good) == ("queue.unreadable", None)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300))
def test_p95_is_the_nearest_rank(ages: list[float]) -> None:
    found = p95(ages)
    assert found == sorted(ages)[math.ceil(0.95 * len(ages)) - 1]
    oldest_first = sorted(ages, reverse=True)
    assert oldest_first[oldest_share_rank(len(ages))] == found


@fuzz(300)
@given(st.binary(max_size=60))
def test_no_item_crashes_the_reader(raw: bytes) -> None:
    assert time_of(raw, "at") == "unreadable" or isinstance(time_of(raw, "at"), float)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1700000000", 1.7e9),
        (1700000000, 1.7e9),
        (1700000000000, 1.7e9),
        ("2023-11-14T22:13:20Z", 1.7e9),
        ("2023-11-14T23:13:20+01:00", 1.7e9),
        (1700000000000000, 1.7e9),
        (1700000000000000000, 1.7e9),
        ("1700000000000000000", 1.7e9),
        ("2023-11-14T22:13:20", "local"),
        ("2023-11-14 22:13:20", "local"),
        (True, "unreadable"),
        (-5, "unreadable"),
        (0, "unreadable"),
        (5000, "unreadable"),
        (1e400, "unreadable"),
        ("nan", "unreadable"),
        ("1e999", "unreadable"),
        (None, "unreadable"),
        ([1700000000], "unreadable"),
        ("yesterday", "unreadable"),
        ("0001-01-01T00:00:00Z", "unreadable"),
    ],
)
def test_times_in_items(value: object, expected: float | str) -> None:
    assert time_of(json.dumps({"at": value}).encode(), "at") == expected


def test_an_item_a_little_ahead_of_our_clock_is_new() -> None:
    assert aging_of_all([1030.0], now_s=1000.0).oldest_s == 0


def test_an_item_further_in_the_future_can_not_be_told() -> None:
    found = aging_of_all([2000.0], now_s=1000.0)
    assert (found.p95_s, found.why, found.legible) == (None, "future", False)


@pytest.mark.parametrize("units", [1, 1e3, 1e6, 1e9])
def test_an_old_item_is_late_in_every_unit(server: RealRedis, units: float) -> None:
    client(server).lpush("q", json.dumps({"at": int((time.time() - 5000) * units)}))
    reading = look(server)
    assert (reading.code, reading.measures[0].good) == ("queue.late", False)


def test_local_times_can_not_be_told_unless_their_zone_is_known(server: RealRedis) -> None:
    at = datetime.now(ZoneInfo("Asia/Tokyo")).replace(tzinfo=None) - timedelta(seconds=900)
    client(server).lpush("q", json.dumps({"at": at.isoformat()}))
    reading = look(server)
    assert (reading.code, reading.measures[0].good) == ("queue.local_times", None)
    reading = look(server, timezone="Asia/Tokyo")
    assert reading.code == "queue.late"
    assert reading.measures[0].value == pytest.approx(900, abs=60)


def test_items_fifty_minutes_ahead_can_not_be_told(server: RealRedis) -> None:
    client(server).lpush("q", item(-3000))
    reading = look(server)
    assert (reading.code, reading.measures[0].good, reading.measures[0].value) == ("queue.future_times", None, None)


def test_what_can_not_be_read_is_never_outvoted_by_what_can(server: RealRedis) -> None:
    client(server).lpush("q", item(1), *["unreadable"] * 99)
    assert look(server).code == "queue.no_times"
    client(server).lpush("q", item(9000))
    assert look(server).code == "queue.no_times"
    client(server).delete("q")
    client(server).lpush("q", *[item(9000)] * 39, "unreadable")
    assert look(server).code == "queue.late"


def test_scores_that_can_be_no_times_are_never_empty_nor_good(server: RealRedis) -> None:
    """A job library's delayed set, read as a plain sorted set: due time in ms × 4096 + counter."""
    due = int((time.time() - 3600) * 1000)
    client(server).zadd("q", {f"{number}": due * 4096 + number for number in range(3)})
    reading = look(server, "zset", None)
    assert (reading.code, reading.measures[0].good, reading.detail["facts"]["depth"]) == ("queue.no_scores", None, 3)


@pytest.mark.parametrize("score", [0, 5, 1.0, 4294967297, float("inf"), float("-inf"), 1e300])
def test_priorities_and_other_scores_are_no_times(server: RealRedis, score: float) -> None:
    client(server).zadd("q", {"a": score})
    assert look(server, "zset", None).code == "queue.no_scores"


def stream_with_group(server: RealRedis, ages: list[int]) -> redis.Redis:
    connection = client(server)
    for age in ages:
        connection.xadd("q", {"a": 1}, id=f"{int((time.time() - age) * 1000)}-0")
    connection.xgroup_create("q", "workers", id="0")
    return connection


def test_a_stream_that_a_group_has_read_and_confirmed_is_empty(server: RealRedis) -> None:
    connection = stream_with_group(server, [9000, 8000, 7000])
    assert look(server, "stream", None).code == "queue.late"
    entries = connection.xreadgroup("workers", "c", {"q": ">"})[0][1]
    assert look(server, "stream", None).code == "queue.late", "given out and not confirmed: it still waits"
    connection.xack("q", "workers", *[entry[0] for entry in entries])
    reading = look(server, "stream", None)
    assert (reading.code, reading.measures[0].good) == ("queue.empty", True)
    connection.xadd("q", {"a": 1})
    reading = look(server, "stream", None)
    assert (reading.code, reading.detail["facts"]["depth"]) == ("queue.ok", 1)


def test_of_several_groups_the_one_furthest_behind_counts_unless_one_is_named(server: RealRedis) -> None:
    connection = stream_with_group(server, [9000, 8000])
    connection.xgroup_create("q", "fast", id="$")
    assert look(server, "stream", None).code == "queue.late"
    assert look(server, "stream", None, group="fast").code == "queue.empty"
    reading = look(server, "stream", None, group="nobody")
    assert (reading.code, reading.measures[0].good) == ("queue.no_group", None)


def test_a_stream_with_ids_of_its_own_can_not_be_told(server: RealRedis) -> None:
    client(server).xadd("q", {"a": 1}, id="7-1")
    reading = look(server, "stream", None)
    assert (reading.code, reading.measures[0].good) == ("queue.no_times", None)


def test_a_queue_that_this_user_may_not_read_says_what_to_allow(server: RealRedis) -> None:
    client(server).execute_command("ACL", "SETUSER", "app", "on", ">planted-secret", "~app:*", "+@all")
    queue = Queue(name="q", kind="list", key="jobs:q", timestamp_field="at")
    url = server.url.replace("redis://", "redis://app:planted-secret@")
    reading = asyncio.run(QueueProbe(url=SecretStr(url), queue=queue, interval_s=60, deadline_s=30).run({}))
    assert (reading.code, reading.measures[0].good) == ("queue.no_permission", None)
    assert "~jobs:q*" in advice(reading.code, reading.words).fix
