"""The chain: many writers never fork it, and every kind of tampering is found where it is."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import text

from services.evidence import Evidence
from services.store import Store, evidence

WRITER = """
import sys
from services.evidence import Evidence
from services.store import Store, evidence
store = Store.open(sys.argv[1])
for n in range(int(sys.argv[3])):
    with store.write() as connection:
        evidence.append(store, connection, [Evidence(environment="e", check=sys.argv[2], outcome="pass", at_ms=n)])
"""


def record(at_ms: int = 1, outcome: str = "pass", check: str = "c") -> Evidence:
    return Evidence(environment="e", check=check, outcome=outcome, at_ms=at_ms)  # type: ignore[arg-type]


def fill(store: Store, count: int) -> None:
    for at_ms in range(count):
        with store.write() as connection:
            evidence.append(store, connection, [record(at_ms)])


def test_four_processes_append_without_forking_the_chain(store: Store, database_url: str) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, database_url, f"c{n}", "40"]) for n in range(4)]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 4
    with store.read() as connection:
        assert evidence.verify(connection) is None
        assert connection.execute(text("SELECT count(*) FROM evidence")).scalar() == 160


def test_latest_is_the_newest_record_of_every_check(store: Store) -> None:
    with store.write() as connection:
        evidence.append(store, connection, [record(1), record(2, "fail"), record(3, check="d")])
    with store.read() as connection:
        assert [(e.check, e.outcome, e.at_ms) for e in evidence.latest(connection, "e")] == [
            ("c", "fail", 2),
            ("d", "pass", 3),
        ]
        assert evidence.latest(connection, "other") == ()


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
        found = evidence.verify(connection)
    assert found is not None
    assert words in found.why
    assert found.seq in {3, 4}


def test_a_failed_transaction_leaves_no_record(store: Store) -> None:
    def fail_after_append() -> None:
        with store.write() as connection:
            evidence.append(store, connection, [record(1)])
            raise KeyError("something else went wrong")

    attempt: Callable[[], None] = fail_after_append
    with pytest.raises(KeyError):
        attempt()
    with store.read() as connection:
        assert evidence.history(connection, "e") == ()
        assert evidence.verify(connection) is None
