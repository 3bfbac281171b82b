"""The name of a deployed version: one reader, one length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services import deployed
from services.dependencies.app import readiness
from services.dependencies.http_client import Answer

DIGEST = "registry.example.org/team/a-service-with-a-long-name/and-a-longer-path-still@sha256:" + "ab" * 32


def test_long_versions_that_differ_at_their_end_stay_two() -> None:
    one, two = deployed.name(DIGEST), deployed.name(DIGEST[:-1] + "c")
    assert one is not None
    assert one != two
    assert len(one) <= deployed.LENGTH


def test_an_image_s_digest_of_more_than_eighty_characters_is_kept_whole() -> None:
    short = "app@sha256:" + "ab" * 32 + "-release"
    assert len(short) > 80
    assert deployed.name(short) == short


@given(st.text(st.characters()) | st.integers() | st.booleans() | st.none() | st.lists(st.integers()))
def test_a_name_that_was_read_once_reads_the_same_again(version: object) -> None:
    found = deployed.name(version)
    assert found is None or (deployed.name(found) == found and 0 < len(found) <= deployed.LENGTH)
    if found is not None:
        found.encode()


def test_what_readiness_named_is_what_evidence_is_compared_with() -> None:
    body = b'{"ready": true, "version": "%s"}' % DIGEST.encode()
    reading = readiness.judge(Answer(status=200, headers={}, body=body, timings={"total": 1.0}), slow_ms=10)
    assert deployed.named_by(dict(reading.detail)) == reading.version == deployed.name(DIGEST)
