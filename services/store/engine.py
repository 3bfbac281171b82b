"""How is the database opened, and which of its errors mean what? Every foreign database error is translated here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from services.errors import (
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
)

BUSY_TIMEOUT_S = 5.0
CHAIN_LOCK = 0x6772_6C74  # "grlt": the advisory lock that serialises appends to the evidence chain


class Store:
    """An open database. `read()` and `write()` give a connection inside one transaction."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"

    @classmethod
    def open(cls, url: str) -> Store:
        """Prepare a store for that SQLAlchemy URL. Connects lazily: no IO here."""
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return cls(create_engine(parsed, pool_pre_ping=True, pool_size=8, connect_args={"connect_timeout": 5}))
        engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False})
        _prepare_sqlite(engine)
        return cls(engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the database."""
        with _translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One durable transaction: all of it or nothing. SQLite takes its write lock at the beginning."""
        with _translated(), self.engine.connect() as raw:
            connection = raw.execution_options(greenlight_write=True)
            with connection.begin():
                yield connection

    def lock_chain(self, connection: Connection) -> None:
        """Hold off every other writer of the evidence chain until this transaction ends."""
        if not self.is_sqlite:  # SQLite's BEGIN IMMEDIATE already does
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CHAIN_LOCK})

    def size_bytes(self) -> int | None:
        """Bytes that the database takes on disk (its write-ahead log included); None on a server."""
        if not self.is_sqlite or not self.engine.url.database:
            return None
        path = Path(self.engine.url.database)
        return sum(p.stat().st_size for p in (path, path.with_name(path.name + "-wal")) if p.exists())

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        write = connection.get_execution_options().get("greenlight_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


# What the drivers say → what it means for us. SQLite's words are from its sqlite3_errstr().
_SQLITE_MEANINGS: tuple[tuple[str, type[StoreError], str], ...] = (
    ("is locked", StoreBusy, "The database is locked by another program."),
    ("disk is full", StoreFull, "The disk of the data folder is full, so nothing can be saved."),
    ("readonly database", StoreReadOnly, "The database can't be written: it is read-only."),
    ("disk I/O error", StoreUnreachable, "The disk reports an error while reading or writing the database."),
    ("unable to open", StoreUnreachable, "The database file can't be opened: its folder is missing or closed to us."),
    ("malformed", StoreCorrupt, "The database file is damaged."),
    ("not a database", StoreCorrupt, "The file in the database's place is not a database."),
)
_POSTGRES_MEANINGS: tuple[tuple[str, type[StoreError], str], ...] = (
    ("53100", StoreFull, "The database server's disk is full."),
    ("53300", StoreBusy, "The database server accepts no more connections."),
    ("25006", StoreReadOnly, "The database server is read-only."),
    ("40001", StoreBusy, "Another writer was first."),
    ("40P01", StoreBusy, "Two writers waited for each other."),
    ("55P03", StoreBusy, "The database is locked by another program."),
    ("57P", StoreUnreachable, "The database server is starting or stopping."),
    ("28", StoreUnreachable, "The database server refuses the user or password in DATABASE_URL."),
    ("3D000", StoreUnreachable, "The database named in DATABASE_URL does not exist."),
)


def translate(error: SQLAlchemyError) -> StoreError | None:
    """The StoreError that a driver's error means; None where it is a fault in our own code."""
    if not isinstance(error, DBAPIError):
        return None
    original = error.orig
    if isinstance(original, sqlite3.Error):
        message = str(original)
        for words, kind, sentence in _SQLITE_MEANINGS:
            if words in message:
                return kind(sentence)
        return None
    state = getattr(original, "sqlstate", None)
    if state is None:
        return (
            StoreUnreachable("The database server can't be reached.")
            if error.connection_invalidated or (type(original).__name__ == "OperationalError")
            else None
        )
    for prefix, kind, sentence in _POSTGRES_MEANINGS:
        if state.startswith(prefix):
            return kind(sentence)
    return None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        meaning = translate(error)
        if meaning is None:
            raise
        raise meaning from error
