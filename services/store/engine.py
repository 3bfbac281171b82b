"""How the database is opened and its transactions run; every error of its driver leaves as the store's own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from services import paths
from services.errors import StoreUnreachable
from services.store.troubles import translate, unstorable

BUSY_TIMEOUT_S = 5.0
# No prepared statements, since PgBouncer's transaction mode gives each transaction another server connection. A server
# that fell silent is noticed by TCP, in about 20 s.
POSTGRES_ARGUMENTS: dict[str, Any] = {
    "connect_timeout": 5,
    "prepare_threshold": None,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
CHAIN_LOCK = 0x6772_6C74  # "grlt": the advisory lock that serialises appends to the evidence chain


class Store:
    """An open database. `read()` and `write()` give a connection inside one transaction."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._opened: tuple[int, int] | None = None  # device and inode of the file

    @classmethod
    def open(cls, url: str) -> Store:
        """Prepare a store for that SQLAlchemy URL. Connects lazily: no IO here. Raises StoreUnreachable."""
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):  # its text quotes the URL
            raise StoreUnreachable("DATABASE_URL can't be read as a database's address.") from None
        if parsed.get_backend_name() != "sqlite":
            arguments = {name: value for name, value in POSTGRES_ARGUMENTS.items() if name not in parsed.query}
            return cls(
                create_engine(parsed, pool_pre_ping=True, pool_size=8, connect_args=arguments, hide_parameters=True)
            )
        engine = create_engine(
            parsed, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}, hide_parameters=True
        )
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
        if not self._is_in_place():
            raise StoreUnreachable(
                "The database file was moved or deleted while Greenlight runs, so nothing can be saved.",
                fix="Put it back, and saving goes on; or stop Greenlight and start it with another file.",
            )
        with _translated(), self.engine.connect() as raw:
            connection = raw.execution_options(greenlight_write=True)
            with connection.begin():
                yield connection

    def tighten(self) -> None:
        """Let this user alone read the database's files, and the data folder: an older version left them open."""
        path = self._file()
        if path is None or os.name != "posix":
            return
        for part in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))):
            with contextlib.suppress(OSError):  # not there, or another user's
                part.chmod(0o600)
        if path.parent == paths.data_dir():
            with contextlib.suppress(OSError):
                path.parent.chmod(0o700)

    def _file(self) -> Path | None:
        name = self.engine.url.database
        return Path(name) if self.is_sqlite and name and name != ":memory:" else None

    def _is_in_place(self) -> bool:
        """Whether the file that is open is still the one at its path."""
        path = self._file()
        if path is None:
            return True
        try:
            found = path.stat()
        except OSError:
            return self._opened is None
        now = (found.st_dev, found.st_ino)
        self._opened = self._opened or now
        return now == self._opened

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

    def purge(self) -> None:
        """Take what was overwritten or deleted out of SQLite's files, too: freed pages and the write-ahead log."""
        if not self.is_sqlite:
            return
        with _translated(), self.engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None  # noqa: S101 - it is open
            for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                raw.execute(statement)

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


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        meaning = translate(error)
        if meaning is None:
            raise
        raise meaning from error
    except (UnicodeEncodeError, OverflowError) as error:  # sqlite3 raises these as they are, on binding a value
        raise unstorable() from error
