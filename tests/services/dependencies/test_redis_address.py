"""Redis addresses: one parser, which agrees with redis-py."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dependencies.redis import address as redis_address
from services.dependencies.redis.address import Address, Trouble, read
from services.envs import catalogue, kinds
from tests.fuzzing import fuzz

PART = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
HOSTS = st.sampled_from(["h", "Redis.Example.org", "127.0.0.1", "[::1]", "a-b.upstash.io"])
PATHS = st.sampled_from(["", "/", "/0", "/2", "/15", "//3", "/abc", "/1/2"])
QUERIES = st.sampled_from(
    ["", "?db=2", "?db=0", "?protocol=3", "?ssl_cert_reqs=none", "?db=5&socket_timeout=1", "?x=%20y"]
)


@st.composite
def urls(draw: st.DrawFn) -> str:
    scheme = draw(st.sampled_from(["redis", "rediss"]))
    user, password = quote(draw(PART), safe=""), quote(draw(PART), safe="")
    login = draw(st.sampled_from(["", f":{password}@", f"{user}:{password}@", f"{user}@"]))
    port = draw(st.sampled_from(["", ":6379", ":1", ":65535"]))
    host = draw(HOSTS)
    return f"{scheme}://{login}{host}{port if host else ''}{draw(PATHS)}{draw(QUERIES)}"


@settings(max_examples=400)
@given(urls())
def test_it_agrees_with_redis_py(url: str) -> None:
    theirs = redis.Redis.from_url(url).connection_pool.connection_kwargs
    ours = read(url)
    assert isinstance(ours, Address), url
    assert (ours.host, ours.port, ours.database) == (
        theirs.get("host", "localhost"), theirs.get("port", 6379), theirs.get("db", 0),
    )  # fmt: skip
    assert (ours.user, ours.password) == (theirs.get("username") or "", theirs.get("password") or "")
    secure = redis.Redis.from_url(url).connection_pool.connection_class is redis.SSLConnection
    assert ours.secure is secure


@pytest.mark.parametrize(
    ("url", "what", "how"),
    [
        ("rediss://default:1234#cd@host:6379", "a #", "# is %23"),
        ("rediss://default:12/34@host:6379", "a /", "/ is %2F"),
        ("rediss://default:12?34@host:6379", "a ?", "? is %3F"),
        ("rediss://default:12[34@host:6379", "a [", "[ is %5B"),
        ("rediss://default:planted secret@host:6379", "space", "%20"),
        ("redis://host:99999", "port", "Correct"),
        ("redis://host:0", "port", "Correct"),
        ("redis://host:abc", "port", "Correct"),
        ("redis://host/-1", "database", "Correct"),
        ("redis://host?db=two", "whole number", "Correct"),
        ("unix:///run/redis.sock", "Unix socket", "redis://"),
        ("valkey://host:6379", "valkey://", "redis://"),
        ("redis+sentinel://host:26379", "Sentinel", "primary"),
        ("https://host:6379", "does not begin", "rediss://"),
        ("REDIS://host:6379", "does not begin", "rediss://"),
        ("host:6379", "does not begin", "rediss://"),
        ("", "does not begin", "rediss://"),
        ("redis://", "no host", "rediss://"),
        ("redis://:planted@/0", "no host", "rediss://"),
    ],
)
def test_what_can_not_be_used_says_why_and_what_to_do_and_not_the_password(url: str, what: str, how: str) -> None:
    found = read(url)
    assert isinstance(found, Trouble)
    assert what in found.what
    assert how in found.how
    assert "planted" not in found.what + found.how
    assert "1234" not in found.what + found.how


def test_the_validator_says_the_same_as_the_probes() -> None:
    key = next(key for key in catalogue.load(None).keys.values() if key.kind == "redis_url")
    found = kinds.check(key, "rediss://default:1234#cd@host:6379")
    trouble = read("rediss://default:1234#cd@host:6379")
    assert isinstance(trouble, Trouble)
    assert found == ("redis_address", {"what": trouble.what, "how": trouble.how})


def test_white_space_at_the_ends_is_ignored() -> None:
    assert isinstance(read(" redis://h:6379/3\n"), Address)


@fuzz(200)
@given(st.text(st.characters()))
def test_nothing_crashes_it(text: str) -> None:
    for url in (text, f"redis://{text}", f"rediss://u:{text}@h"):
        found = redis_address.read(url)
        assert isinstance(found, Trouble) or (0 < found.port < 65_536 and found.database >= 0)


def test_its_repr_shows_no_password() -> None:
    assert "planted" not in repr(read("redis://u:planted@h:1"))
