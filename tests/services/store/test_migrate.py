"""Migrations: two starters migrate once, a newer database is refused, the schema is what the code says."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from services.errors import StoreReadOnly, StoreTooNew, StoreUnreachable
from services.store import Store
from services.store.migrate import HEAD, check, migrate
from services.store.schema import metadata

STARTER = (
    "import sys; from services.store import Store; from services.store.migrate import migrate; "
    "print(migrate(Store.open(sys.argv[1])))"
)


def test_many_starters_at_once_migrate_once(database_url: str) -> None:
    starters = [
        subprocess.Popen([sys.executable, "-c", STARTER, database_url], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [starter.communicate(timeout=60)[0].strip() for starter in starters]
    assert [starter.returncode for starter in starters] == [0] * 4
    assert sorted(said) == ["False", "False", "False", "True"]


def test_the_migrated_tables_are_those_of_the_schema(store: Store) -> None:
    with store.read() as connection:
        found = inspect(connection)
        for table in metadata.sorted_tables:
            assert {c["name"] for c in found.get_columns(table.name)} == {c.name for c in table.columns}
            assert {i["name"] for i in found.get_indexes(table.name)} >= {i.name for i in table.indexes}


def test_head_is_the_newest_migration() -> None:
    names = sorted(p.name for p in (Path(__file__).parents[3] / "services/store/migrations/versions").glob("*.py"))
    assert names[-1].startswith(HEAD)


def test_a_database_newer_than_the_code_is_refused_and_left_alone(store: Store) -> None:
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refuse in (migrate, check):
        with pytest.raises(StoreTooNew, match="newer version"):
            refuse(store)


def test_a_reader_says_that_nothing_is_set_up_yet(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable, match="not set up yet"):
        check(Store.open(f"sqlite:///{tmp_path / 'new.db'}"))


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises((StoreUnreachable, StoreReadOnly), match="can't be made"):
        migrate(Store.open(f"sqlite:///{tmp_path / 'file' / 'x.db'}"))
