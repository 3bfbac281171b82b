"""The chain: many writers never fork it, and every kind of tampering is found where it is."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text

from services.errors import StoreCorrupt, StoreRejected
from services.evidence import Evidence, chain
from services.store import Store

WRITER = """
import sys
from services.evidence import Evidence, chain
from services.store import Store
store = Store.open(sys.argv[1])
for n in range(int(sys.argv[3])):
    with store.write() as connection:
        chain.append(store, connection, [Evidence(environment="e", check=sys.argv[2], outcome="pass", at_ms=n)])
"""


def record(at_ms: int = 1, outcome: str = "pass", check: str = "c") -> Evidence:
    return Evidence(environment="e", check=check, outcome=outcome, at_ms=at_ms)  # type: ignore[arg-type]


def fill(store: Store, count: int) -> None:
    for at_ms in range(count):
        with store.write() as connection:
            chain.append(store, connection, [record(at_ms)])


def test_four_processes_append_without_forking_the_chain(store: Store, database_url: str) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, database_url, f"c{n}", "40"]) for n in range(4)]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 4
    with store.read() as connection:
        assert chain.verify(connection) is None
        assert connection.execute(text("SELECT count(*) FROM evidence")).scalar() == 160


def test_latest_is_the_newest_record_of_every_check(store: Store) -> None:
    with store.write() as connection:
        chain.append(store, connection, [record(1), record(2, "fail"), record(3, check="d")])
    with store.read() as connection:
        assert [(e.check, e.outcome, e.at_ms) for e in chain.latest(connection, "e")] == [
            ("c", "fail", 2),
            ("d", "pass", 3),
        ]
        assert chain.latest(connection, "other") == ()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE evidence SET body = replace(body, 'pass', 'fail') WHERE seq = 3", "changed"),
        ("DELETE FROM evidence WHERE seq = 3", "dropped or moved"),
        ("UPDATE evidence SET seq = seq + 100 WHERE seq = 3", "dropped or moved"),
    ],
)
def test_tampering_is_found_where_it_is(sqlite_store: Store, statement: str, words: str) -> None:
    fill(sqlite_store, 6)
    with sqlite_store.write() as connection:
        connection.execute(text("DROP TRIGGER evidence_no_update"))
        connection.execute(text("DROP TRIGGER evidence_no_delete"))
        connection.execute(text(statement))
    with sqlite_store.read() as connection:
        found = chain.verify(connection)
    assert found is not None
    assert words in found.why
    assert found.seq in {3, 4}


def test_a_failed_transaction_leaves_no_record(store: Store) -> None:
    def fail_after_append() -> None:
        with store.write() as connection:
            chain.append(store, connection, [record(1)])
            raise KeyError("something else went wrong")

    attempt: Callable[[], None] = fail_after_append
    with pytest.raises(KeyError):
        attempt()
    with store.read() as connection:
        assert chain.history(connection, "e") == ()
        assert chain.verify(connection) is None


def lower_the_guard(store: Store, connection: Connection) -> None:
    """What an attacker who owns the database does first."""
    if store.is_sqlite:
        for name in ("evidence_no_update", "evidence_no_delete", "evidence_no_replace"):
            connection.execute(text(f"DROP TRIGGER {name}"))
    else:
        connection.execute(text("ALTER TABLE evidence DISABLE TRIGGER evidence_append_only"))


@pytest.mark.parametrize(
    "change",
    ["check_name = 'other'", "environment = 'other'", "outcome = 'pass'", "at_ms = at_ms + 1", "body = replace(body, 'fail', 'pass')"],
)  # fmt: skip
def test_what_a_record_is_found_by_can_not_say_otherwise_than_its_content(store: Store, change: str) -> None:
    """Moving failing records to another check turned NO_GO into INCONCLUSIVE, with a chain that was called whole."""
    proofs = [Evidence(environment="e", check="c", outcome=o, at_ms=i) for i, o in enumerate(("pass", "fail"), 1)]  # type: ignore[arg-type]
    with store.write() as connection:
        chain.append(store, connection, proofs)
    with store.write() as connection:
        lower_the_guard(store, connection)
        connection.execute(text(f"UPDATE evidence SET {change} WHERE seq = 2"))
    with store.read() as connection:
        broken = chain.verify(connection)
    assert broken is not None
    assert broken.seq == 2
    if "environment" not in change and "body" not in change:
        with store.read() as connection, pytest.raises(StoreCorrupt, match="altered"):
            chain.latest(connection, "e")


@pytest.mark.parametrize("change", ["environment = 'other'", "check_name = 'd'", "outcome = 'pass'", "at_ms = 1"])
def test_a_record_that_was_moved_to_where_nobody_would_meet_it_is_found_by_every_verdict(
    store: Store, change: str
) -> None:
    """A read by environment, and by the newest record of each check, never sees it."""
    with store.write() as connection:
        chain.append(store, connection, [record(1), record(2, "fail"), record(3, check="d"), record(4)])
    with store.write() as connection:
        lower_the_guard(store, connection)
        connection.execute(text(f"UPDATE evidence SET {change} WHERE seq = 2"))
    with store.read() as connection:
        assert [e.outcome for e in chain.latest(connection, "e")] == ["pass", "pass"]
        with pytest.raises(StoreCorrupt, match="record 2"):
            chain.refuse_misfiled(connection)


def test_a_moved_record_is_found_at_any_age_without_reading_every_record(store: Store) -> None:
    with store.write() as connection:
        chain.append(store, connection, [record(0, "fail"), *(record(n) for n in range(1, 4000))])
    with store.write() as connection:
        lower_the_guard(store, connection)
        connection.execute(text("UPDATE evidence SET environment = 'other' WHERE seq = 1"))
    with store.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ANALYZE evidence"))
    with store.read() as connection:
        way = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        query = chain._MISFILED[connection.dialect.name].compile(connection, compile_kwargs={"literal_binds": True})
        plan = "\n".join(str(row) for row in connection.exec_driver_sql(way + str(query).replace("%%", "%")))
        assert "evidence_misfiled" in plan, plan
        with pytest.raises(StoreCorrupt, match="record 1"):
            chain.refuse_misfiled(connection)


def test_names_that_json_writes_in_another_way_are_no_alarm(store: Store) -> None:
    odd = ['queue."quoted"', "queue.back\\slash", "queue.Größe-漢-😀", "queue.tab\there", "queue.\x7f"]
    with store.write() as connection:
        chain.append(store, connection, [record(1, check=name) for name in odd])
    with store.read() as connection:
        chain.refuse_misfiled(connection)


def test_replace_is_refused_like_update_and_delete(sqlite_store: Store) -> None:
    with sqlite_store.write() as connection:
        chain.append(sqlite_store, connection, [Evidence(environment="e", check="c", outcome="fail", at_ms=1)])
    with pytest.raises(StoreRejected, match="append-only"), sqlite_store.write() as connection:
        connection.execute(text(
            "REPLACE INTO evidence SELECT seq, environment, check_name, 'pass', at_ms, body, previous_hash, hash FROM evidence"
        ))  # fmt: skip
