"""The store's troubles: each is one sentence, loses nothing, and passes when its cause does."""

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from services.errors import (
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFault,
    StoreFull,
    StoreReadOnly,
    StoreRejected,
    StoreUnreachable,
)
from services.evidence import Evidence, chain
from services.store import Store, engine, samples
from services.store.migrate import check, migrate
from services.store.samples import Sample
from services.store.schema import evidence as evidence_table
from tests.conftest import RawServer


def put(store: Store, at_ms: int) -> None:
    with store.write() as connection:
        samples.append(connection, [Sample(environment="e", sli="s", at_ms=at_ms, value=1.0, good=True)], {})


def count(store: Store) -> int:
    with store.read() as connection:
        return samples.count(connection)


def test_sqlite_is_durable_and_lets_readers_read(sqlite_store: Store) -> None:
    with sqlite_store.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL


def test_a_full_disk_is_said_loses_nothing_and_passes(sqlite_store: Store) -> None:
    put(sqlite_store, 1)
    with sqlite_store.read() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()

    def limit(to: int) -> None:
        with sqlite_store.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={to}")

    limit(pages)
    with pytest.raises(StoreFull) as caught, sqlite_store.write() as connection:
        samples.append(
            connection,
            [Sample(environment="e", sli="s", at_ms=i, value=1.0, good=True) for i in range(10, 50_000)],
            {},
        )
    assert "full" in caught.value.advice.what
    assert caught.value.passes
    assert count(sqlite_store) == 1
    limit(1 << 30)
    put(sqlite_store, 2)
    assert count(sqlite_store) == 2


def test_a_locked_database_is_busy_and_passes(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sqlite_store.engine.url.database
    assert path is not None
    impatient = Store.open(f"sqlite:///{path}?timeout=0.05")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.05)
    impatient = Store.open(f"sqlite:///{path}")
    with pytest.raises(StoreBusy, match="locked"):
        put(impatient, 1)
    assert count(impatient) == 0, "readers go on while it is locked"
    holder.execute("ROLLBACK")
    put(impatient, 1)
    assert count(impatient) == 1
    holder.close()
    impatient.close()


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "greenlight.db"
    path.write_bytes(b"this is no database" * 500)
    with pytest.raises(StoreCorrupt, match="not a database"):
        check(Store.open(f"sqlite:///{path}"))


def test_a_file_damaged_in_the_middle_is_said_to_be_damaged(sqlite_store: Store) -> None:
    for at in range(0, 3000, 100):
        with sqlite_store.write() as connection:
            samples.append(
                connection,
                [Sample(environment="e", sli="s", at_ms=at + i, value=1.0, good=True) for i in range(100)],
                {},
            )
    path = sqlite_store.engine.url.database
    assert path is not None
    with sqlite_store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    sqlite_store.close()
    data = bytearray(Path(path).read_bytes())
    data[4096:] = b"\x55" * (len(data) - 4096)
    Path(path).write_bytes(bytes(data))
    with pytest.raises(StoreCorrupt, match="damaged"):
        count(Store.open(f"sqlite:///{path}"))


@pytest.mark.skipif(os.name == "nt", reason="permissions of another kind")
def test_a_read_only_database_is_said_and_passes(sqlite_store: Store) -> None:
    put(sqlite_store, 1)
    path = sqlite_store.engine.url.database
    assert path is not None
    with sqlite_store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")  # what root meets instead of file permissions
    with pytest.raises(StoreReadOnly, match="read-only"):
        put(sqlite_store, 2)
    with sqlite_store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=OFF")
    put(sqlite_store, 2)
    assert count(sqlite_store) == 2


def test_a_server_that_is_away_is_one_sentence_without_the_password() -> None:
    with pytest.raises(StoreUnreachable) as caught:
        check(Store.open("postgresql+psycopg://someone:planted-secret@127.0.0.1:1/none"))
    assert "planted-secret" not in str(caught.value)


def test_a_missing_database_is_one_sentence(postgres_url: str) -> None:
    with pytest.raises(StoreUnreachable):
        check(Store.open(postgres_url.replace("/t", "/none_", 1) if "/t" in postgres_url else postgres_url + "x"))


def test_errors_of_our_own_are_not_dressed_up_as_the_store_s(store: Store) -> None:
    with pytest.raises(KeyError), store.write():
        raise KeyError("ours")
    with pytest.raises(Exception) as caught, store.write() as connection:
        connection.execute(text("SELECT 1").columns(nothing=1))  # type: ignore[arg-type]
    assert not isinstance(caught.value, StoreError)


def test_an_error_that_nobody_thought_of_becomes_the_store_s_own_with_its_code(store: Store) -> None:
    with pytest.raises(StoreFault) as caught, store.write() as connection:
        connection.execute(text("SELECT nonsense FROM nowhere"))
    assert caught.value.passes
    with pytest.raises(StoreError) as caught_too, store.write() as connection:
        connection.execute(text("SELEC 1"))
    assert "not known here (" in caught_too.value.advice.what
    put(store, 1)
    assert count(store) == 1


@pytest.mark.parametrize("value", ["half \ud83d", "a\x00b"])
def test_a_text_that_the_database_can_not_hold_is_rejected(store: Store, value: str) -> None:
    if store.is_sqlite and "\x00" in value:
        return  # SQLite holds it
    with pytest.raises(StoreRejected) as caught, store.write() as connection:
        connection.execute(evidence_table.insert(), [_row(value)])
    assert not caught.value.passes


@pytest.mark.parametrize("value", [2**63, -(2**70)])
def test_a_number_that_the_database_can_not_hold_is_rejected(store: Store, value: int) -> None:
    with pytest.raises(StoreRejected), store.write() as connection:
        connection.execute(evidence_table.insert(), [_row("x") | {"at_ms": value}])


def _row(body: str) -> dict[str, object]:
    return {
        "environment": "e", "check_name": "c", "outcome": "pass", "at_ms": 1, "body": body,
        "previous_hash": "0" * 64, "hash": "1" * 64,
    }  # fmt: skip


def test_no_error_holds_what_was_to_be_written(store: Store) -> None:
    with pytest.raises(StoreError) as caught, store.write() as connection:
        connection.execute(evidence_table.insert(), [_row("planted-secret"), _row("planted-secret")])
    error: BaseException | None = caught.value
    while error is not None:
        assert "planted-secret" not in f"{error}{error!r}"
        error = error.__cause__


def test_a_statement_timeout_on_a_locked_table_is_one_sentence_and_passes(postgres_url: str) -> None:
    """SQLSTATE 57014, as hosted databases set it for every session."""
    migrated = Store.open(postgres_url)
    migrate(migrated)
    impatient = Store.open(f"{postgres_url}&options=-cstatement_timeout%3D200")
    with migrated.engine.connect() as holder, holder.begin():
        holder.execute(text("LOCK TABLE samples IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreBusy, match="took too long"):
            put(impatient, 1)
    put(impatient, 1)
    assert count(migrated) == 1
    impatient.close()
    migrated.close()


def test_a_server_that_does_not_answer_is_unreachable(raw_server: Callable[..., RawServer]) -> None:
    """`psycopg.errors.ConnectionTimeout` is no `OperationalError` by its class's name."""
    release = threading.Event()
    silent = raw_server(lambda _: release.wait() and None)
    with pytest.raises(StoreUnreachable):
        check(Store.open(f"postgresql+psycopg://u:planted-secret@127.0.0.1:{silent.port}/db?connect_timeout=2"))
    release.set()


def test_a_url_that_can_not_be_read_is_said_without_its_password() -> None:
    with pytest.raises(StoreUnreachable) as caught:
        Store.open("postgresql+psycopg://u:p@h:planted-secret/db")
    assert "planted" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_evidence_can_not_be_changed_or_deleted(store: Store) -> None:
    with store.write() as connection:
        chain.append(store, connection, [Evidence(environment="e", check="c", outcome="pass", at_ms=1)])
    for statement in ("UPDATE evidence SET outcome = 'fail'", "DELETE FROM evidence"):
        with pytest.raises(Exception, match="append-only"), store.write() as connection:
            connection.execute(text(statement))


@pytest.mark.skipif(os.name == "nt", reason="permissions of another kind")
def test_the_database_and_its_neighbours_are_for_this_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    monkeypatch.setenv("GREENLIGHT_DATA", str(folder))
    folder.mkdir(mode=0o755)
    (folder / "greenlight.db").touch(mode=0o644)  # as an older version left it
    opened = Store.open(f"sqlite:///{folder / 'greenlight.db'}")
    migrate(opened)
    put(opened, 1)
    opened.tighten()
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    opened.close()
    assert set(modes.values()) == {0o600}, modes
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_file_that_is_moved_away_is_said_and_passes_when_it_is_back(sqlite_store: Store, tmp_path: Path) -> None:
    put(sqlite_store, 1)
    path = tmp_path / "greenlight.db"
    path.rename(tmp_path / "elsewhere.db")
    with pytest.raises(StoreUnreachable, match="moved or deleted"):
        put(sqlite_store, 2)
    (tmp_path / "elsewhere.db").rename(path)
    put(sqlite_store, 2)
    assert count(sqlite_store) == 2
