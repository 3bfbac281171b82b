"""Brings the database to this code's version. Starters wait for each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from services.errors import StoreError, StoreReadOnly, StoreTooNew, StoreUnreachable
from services.store.engine import Store

# Kept by hand so that an up-to-date start needs no Alembic (a test compares it with the newest migration).
HEAD = "0012"
MIGRATION_LOCK = 0x6772_6D67


def migrate(store: Store) -> bool:
    """Bring the database to HEAD, once, no matter who starts first. True where something was done.

    Raises StoreTooNew for a database that a newer version wrote, and the other StoreErrors.
    """
    _make_folder(store)
    current = _version(store) == HEAD
    store.tighten()
    if current:
        return False
    with _only_one(store) as connection:
        found = _version_in(connection)
        if found == HEAD:
            return False
        if found is not None and found > HEAD:
            raise _too_new(found)
        _upgrade(connection)
    return True


def check(store: Store) -> None:
    """Raise where the database is not at HEAD: readers never migrate."""
    found = _version(store)
    if found is not None and found > HEAD:
        raise _too_new(found)
    if found != HEAD:
        raise StoreUnreachable(
            "The database is not set up yet.", fix="Start the worker once: it prepares the database."
        )


@contextmanager
def opened(url: str, *, prepare: bool = False) -> Iterator[Store]:
    """A store for a command line: checked, or with `prepare` migrated; closed at the end. Raises StoreError."""
    store = Store.open(url)
    try:
        (migrate if prepare else check)(store)
        yield store
    finally:
        store.close()


def _too_new(found: str) -> StoreTooNew:
    return StoreTooNew(f"The database was written by a newer version of Greenlight (schema {found}, this is {HEAD}).")


def _version(store: Store) -> str | None:
    with store.read() as connection:
        return _version_in(connection)


def _version_in(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


@contextmanager
def _only_one(store: Store) -> Iterator[Connection]:
    """One write transaction that no other starter can enter: BEGIN IMMEDIATE, or an advisory lock."""
    with store.write() as connection:
        if not store.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        yield connection


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _make_folder(store: Store) -> None:
    database = store.engine.url.database
    if not store.is_sqlite or not database:
        return
    folder = Path(database).parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        kind: type[StoreError] = StoreReadOnly if isinstance(error, PermissionError) else StoreUnreachable
        raise kind(f"The data folder {folder} can't be made ({error.strerror}).") from error
