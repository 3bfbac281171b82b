"""Samples, spans, claims, jobs and workers, on both databases."""

import itertools
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from services.store import Store, claims, jobs, samples, spans, workers
from services.store.samples import Sample
from services.store.spans import Changes, Span, StoredSpan
from services.store.workers import Worker


def sample(at_ms: int, value: float | None = 1.0, *, good: bool | None = True, sli: str = "s") -> Sample:
    return Sample(environment="e", sli=sli, at_ms=at_ms, value=value, good=good)


def test_a_sample_written_twice_stays_as_it_was(store: Store) -> None:
    with store.write() as connection:
        known: dict[tuple[str, str], int] = {}
        samples.append(connection, [sample(1, 5.0), sample(2)], known)
        samples.append(connection, [sample(1, 99.0)], known)
    with store.read() as connection:
        assert samples.newest_values(connection, "e", since_ms=0) == {"s": ((1, 5.0), (2, 1.0))}


def test_buckets_count_good_bad_and_unknown_apart(store: Store) -> None:
    with store.write() as connection:
        batch = [sample(0, 1.0), sample(5, 3.0, good=False), sample(6, None, good=None), sample(25, 7.0)]
        samples.append(connection, batch, {})
    with store.read() as connection:
        first, second = samples.bucketed(connection, "e", "s", from_ms=0, until_ms=30, width_ms=10)
    assert (first.from_ms, first.count, first.good, first.bad, first.mean, first.highest) == (0, 3, 1, 1, 2.0, 3.0)
    assert (second.from_ms, second.count) == (20, 1)


def test_retention_drops_only_what_is_older(store: Store) -> None:
    with store.write() as connection:
        samples.append(connection, [sample(at) for at in (1, 2, 3)], {})
        assert samples.drop_before(connection, 3) == 2
        assert samples.count(connection) == 1


def seen(at_ms: int, state: str, code: str = "") -> Span:
    return Span(environment="e", probe="p", state=state, code=code, from_ms=at_ms, until_ms=at_ms)


def follow(store: Store, moments: list[tuple[int, str]], gap_ms: int = 20) -> list[tuple[int, int, str]]:
    before: StoredSpan | None = None
    with store.write() as connection:
        for at_ms, state in moments:
            changes = Changes()
            before = changes.observe(before, seen(at_ms, state), gap_ms=gap_ms)
            changes.apply(connection)
    with store.read() as connection:
        return [(s.from_ms, s.until_ms, s.state) for s in reversed(spans.load(connection, "e", since_ms=0))]


def test_spans_lengthen_change_without_a_hole_and_leave_gaps_open(store: Store) -> None:
    moments = [(0, "ok"), (10, "ok"), (20, "down"), (30, "down"), (100, "down"), (110, "ok")]
    assert follow(store, moments) == [(0, 10, "ok"), (10, 30, "down"), (100, 100, "down"), (100, 110, "ok")]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), st.sampled_from(["ok", "down", "slow"])), min_size=1, max_size=30))
def test_spans_never_overlap_and_end_in_the_newest_state(steps: list[tuple[int, str]]) -> None:
    changes, before, at_ms = Changes(), None, 0
    for pause, state in steps:
        at_ms += pause
        before = changes.observe(before, seen(at_ms, state), gap_ms=20)
    made = [stored.span for stored in changes.begun]
    assert all(a.until_ms <= b.from_ms for a, b in itertools.pairwise(made))
    assert (made[-1].state, made[-1].until_ms) == (steps[-1][1], at_ms)


def test_the_newest_span_is_the_one_that_lasts_longest_whenever_it_was_written(store: Store) -> None:
    with store.write() as connection:
        spans.insert_all(connection, [seen(500, "down"), seen(100, "ok")])
    with store.read() as connection:
        assert spans.newest(connection, "e")["p"].span.state == "down"


def test_a_lease_is_one_owner_s_until_it_ends_and_renewable(store: Store) -> None:
    def take(owner: str, now: int) -> bool:
        with store.write() as connection:
            return claims.take(connection, "n", owner, now_ms=now, lease_ms=100)

    assert take("a", 0)
    assert not take("b", 50)
    assert take("a", 90), "its owner renews it"
    assert not take("b", 150)
    assert take("b", 191), "nothing stays claimed for longer than its lease"


def test_what_is_done_is_never_claimed_again(store: Store) -> None:
    with store.write() as connection:
        assert claims.take(connection, "n", "a", now_ms=0, lease_ms=10)
        assert claims.finish(connection, "n", "a")
        assert not claims.take(connection, "n", "a", now_ms=5, lease_ms=10)
        assert not claims.take(connection, "n", "b", now_ms=999, lease_ms=10)


def test_of_many_threads_exactly_one_gets_the_claim(store: Store) -> None:
    won: list[int] = []
    barrier = threading.Barrier(8)

    def attempt(number: int) -> None:
        barrier.wait()
        with store.write() as connection:
            if claims.take(connection, "n", f"w{number}", now_ms=0, lease_ms=1000):
                won.append(number)

    threads = [threading.Thread(target=attempt, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def enqueue(store: Store, id_: str, at_ms: int, environment: str = "e") -> None:
    with store.write() as connection:
        jobs.enqueue(connection, id_=id_, kind="probe", environment=environment, by="x", now_ms=at_ms)


def claim(store: Store, owner: str, now_ms: int) -> jobs.Job | None:
    with store.write() as connection:
        return jobs.claim(connection, owner, now_ms=now_ms, lease_ms=100, environments=("e",))


def test_jobs_go_to_one_worker_oldest_first_and_come_back_when_a_lease_ends(store: Store) -> None:
    enqueue(store, "second", 2)
    enqueue(store, "first", 1)
    enqueue(store, "elsewhere", 0, environment="other")
    first, second = claim(store, "a", 10), claim(store, "b", 10)
    assert first is not None
    assert second is not None
    assert (first.id, second.id) == ("first", "second")
    assert claim(store, "c", 10) is None
    again = claim(store, "c", 111)
    assert again is not None
    assert again.id == "first"
    with store.write() as connection:
        assert not jobs.finish(connection, "first", "a", state="done", message="", now_ms=120), "a lost its lease"
        assert jobs.finish(connection, "first", "c", state="done", message="ok", now_ms=120)


def test_a_stopping_worker_hands_its_jobs_back(store: Store) -> None:
    enqueue(store, "j", 1)
    assert claim(store, "a", 10) is not None
    with store.write() as connection:
        jobs.hand_back(connection, "a")
    assert claim(store, "b", 11) is not None


def test_a_worker_is_seen_until_it_leaves(store: Store) -> None:
    with store.write() as connection:
        workers.beat(connection, Worker(id="w", address="a", started_ms=1, seen_ms=1))
        workers.beat(connection, Worker(id="w", address="a", started_ms=1, seen_ms=9, trouble="full"))
        assert [(w.seen_ms, w.trouble) for w in workers.load(connection)] == [(9, "full")]
        workers.leave(connection, "w")
        assert workers.load(connection) == ()
