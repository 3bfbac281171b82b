"""What a database driver's errors mean: tables, whose first fitting row counts and whose last row fits all."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

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

Meaning = tuple[str, type[StoreError], str]
NOT_STORABLE = "The database refuses a value that was to be written."

# Words of SQLite's messages: sqlite3_errstr() and sqlite3.c.
_SQLITE: tuple[Meaning, ...] = (
    ("append-only", StoreRejected, "Evidence is append-only: the database refused to change it."),
    ("is locked", StoreBusy, "The database is locked by another program."),
    ("disk is full", StoreFull, "The disk of the data folder is full, so nothing can be saved."),
    ("readonly database", StoreReadOnly, "The database can't be written: it is read-only."),
    ("disk I/O error", StoreUnreachable, "The disk reports an error while reading or writing the database."),
    ("unable to open", StoreUnreachable, "The database file can't be opened: its folder is missing or closed to us."),
    ("malformed", StoreCorrupt, "The database file is damaged."),
    ("not a database", StoreCorrupt, "The file in the database's place is not a database."),
    ("too big", StoreRejected, NOT_STORABLE),
    ("constraint failed", StoreRejected, NOT_STORABLE),
    ("no such table", StoreFault, "The database lacks a table: it was changed from outside or never set up."),
    ("interrupted", StoreBusy, "The database broke off a statement."),
    ("", StoreFault, "The database reports an error that is not known here."),
)

# SQLSTATE classes and codes: PostgreSQL's documentation, appendix A. "" is an error without a code.
_POSTGRES: tuple[Meaning, ...] = (
    ("53100", StoreFull, "The database server's disk is full."),
    ("53200", StoreBusy, "The database server has no memory left."),
    ("53300", StoreBusy, "The database server accepts no more connections."),
    ("53", StoreBusy, "The database server lacks a resource."),
    ("25006", StoreReadOnly, "The database server is read-only."),
    ("25P03", StoreBusy, "The database server closed an idle transaction."),
    ("40001", StoreBusy, "Another writer was first."),
    ("40P01", StoreBusy, "Two writers waited for each other."),
    ("40", StoreBusy, "The database rolled the transaction back."),
    ("55P03", StoreBusy, "The database is locked by another program."),
    ("57014", StoreBusy, "The database server broke off a statement that took too long (statement_timeout)."),
    ("57P", StoreUnreachable, "The database server is starting or stopping."),
    ("57", StoreBusy, "Somebody at the database server broke off a statement."),
    ("58", StoreUnreachable, "The database server's machine reports a disk or system error."),
    ("08P01", StoreUnreachable, "The connection to the database broke its protocol; a pooler may be in front of it."),
    ("08", StoreUnreachable, "The connection to the database server broke."),
    ("28", StoreUnreachable, "The database server refuses the user or password in DATABASE_URL."),
    ("3D000", StoreUnreachable, "The database named in DATABASE_URL does not exist."),
    ("42501", StoreReadOnly, "The user in DATABASE_URL may not read or write Greenlight's tables."),
    ("42P01", StoreFault, "The database lacks a table: it was changed from outside or never set up."),
    ("P0001", StoreRejected, "Evidence is append-only: the database refused to change it."),
    ("22", StoreRejected, NOT_STORABLE),
    ("23", StoreRejected, NOT_STORABLE),
    ("54", StoreRejected, NOT_STORABLE),
    ("XX000", StoreUnreachable, "The database server, or a pooler in front of it, reports an internal error."),
    ("XX", StoreCorrupt, "The database server reports that its data are damaged."),
    ("", StoreFault, "The database reports an error that is not known here."),
)


def translate(error: SQLAlchemyError) -> StoreError | None:
    """The StoreError that a driver's error means; None where the error is no driver's, but a fault in our own code."""
    if isinstance(error, PoolTimeout):
        return StoreBusy("All connections to the database are in use.")
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        return _from_sqlite(error.orig)
    return _from_postgres(error)


def unstorable() -> StoreError:
    """What a driver means that refuses a value before it asks the database."""
    return StoreRejected(NOT_STORABLE)


def _from_sqlite(error: sqlite3.Error) -> StoreError:
    message = str(error)
    kind, sentence = next((kind, sentence) for words, kind, sentence in _SQLITE if words in message)
    return kind(_named(sentence, getattr(error, "sqlite_errorname", "")) if kind is StoreFault else sentence)


def _from_postgres(error: DBAPIError) -> StoreError:
    import psycopg

    original = error.orig
    state = getattr(original, "sqlstate", None) or ""
    if not state and isinstance(original, psycopg.DataError):  # the driver refused a value, U+0000 for one
        return unstorable()
    if not state and (error.connection_invalidated or isinstance(original, psycopg.OperationalError)):
        return StoreUnreachable("The database server can't be reached.")
    kind, sentence = next((kind, sentence) for prefix, kind, sentence in _POSTGRES if state.startswith(prefix))
    return kind(_named(sentence, state or type(original).__name__) if kind is StoreFault else sentence)


def _named(sentence: str, code: str) -> str:
    return f"{sentence.removesuffix('.')} ({code})." if code else sentence
