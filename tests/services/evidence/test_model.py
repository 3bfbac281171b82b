"""Evidence as values: canonical text, chaining, and when a record is worth writing."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.evidence.model import (
    GENESIS,
    Evidence,
    Gap,
    Link,
    canonical,
    chain_hash,
    find_break,
    parse,
    worth_writing,
)

texts = st.text(max_size=20)
records = st.builds(
    Evidence,
    environment=texts,
    check=texts,
    outcome=st.sampled_from(["pass", "fail", "unknown"]),
    at_ms=st.integers(0, 2**45),
    value=st.none() | texts | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    code=texts,
    version=st.none() | texts,
)


@given(records)
def test_canonical_text_reads_back_as_the_same_record(record: Evidence) -> None:
    assert parse(canonical(record)) == record
    assert canonical(parse(canonical(record))) == canonical(record)


@given(st.lists(records, min_size=1, max_size=6), st.data())
def test_any_single_change_breaks_the_chain(items: list[Evidence], data: st.DataObject) -> None:
    links, previous = [], GENESIS
    for seq, item in enumerate(items, 1):
        body = canonical(item)
        links.append(Link(seq=seq, body=body, previous_hash=previous, hash=chain_hash(previous, body)))
        previous = links[-1].hash
    assert find_break(links) is None
    index = data.draw(st.integers(0, len(links) - 1))
    links[index] = replace(links[index], body=links[index].body + " ")
    found = find_break(links)
    assert found is not None
    assert found.seq == index + 1


def test_records_that_a_compaction_names_may_be_missing_or_back() -> None:
    """Put back from their archive, they are the chain that they were."""
    links, previous = [], GENESIS
    for seq in range(1, 5):
        body = canonical(Evidence(environment="e", check="c", outcome="pass", at_ms=seq))
        links.append(Link(seq=seq, body=body, previous_hash=previous, hash=chain_hash(previous, body)))
        previous = links[-1].hash
    gap = Gap(first=2, last=3, count=2, before=links[0].hash, after=links[2].hash)
    assert find_break([links[0], links[3]]) is not None
    assert find_break([links[0], links[3]], gaps=[gap]) is None
    assert find_break(links, gaps=[gap]) is None


BASE = Evidence(environment="e", check="c", outcome="pass", at_ms=0, code="ok", version="1")


def test_written_when_outcome_cause_or_version_changes_and_hourly() -> None:
    assert worth_writing(BASE, None)
    assert not worth_writing(replace(BASE, at_ms=60_000), BASE)
    assert worth_writing(replace(BASE, at_ms=3_600_000), BASE)
    assert worth_writing(replace(BASE, outcome="fail"), BASE)
    assert not worth_writing(replace(BASE, code="slow"), BASE), "one good state after another says nothing new"
    failed = replace(BASE, outcome="fail", code="refused")
    assert worth_writing(replace(failed, code="timeout"), failed), "another cause of what isn't well does"
    assert worth_writing(replace(BASE, version="2"), BASE)
    assert worth_writing(replace(BASE, fingerprint="f"), BASE)
    assert worth_writing(BASE, replace(BASE, at_ms=300_001)), "the last one is dated later: a clock was set back"
    assert not worth_writing(BASE, replace(BASE, at_ms=300_000)), "the clocks of two workers may differ so much"
    assert not worth_writing(replace(BASE, value=61.0), BASE), "a number that moves is a sample, not new evidence"
