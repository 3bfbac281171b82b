"""The store's address, as other tools write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from services.database_address import read
from tests.fuzzing import fuzz


@pytest.mark.parametrize(
    ("written", "url", "left_out"),
    [
        (
            "postgresql://u:p@h:5432/db?pgbouncer=true&schema=public&connection_limit=1&sslmode=require",
            "postgresql+psycopg://u:p@h:5432/db?sslmode=require",
            ("pgbouncer", "schema", "connection_limit"),
        ),
        ("postgres://u:p@h/db", "postgresql+psycopg://u:p@h/db", ()),
        ("postgresql+asyncpg://u:p@h/db\n", "postgresql+psycopg://u:p@h/db", ()),
        ("postgresql+psycopg2://u:p@h/db?supa=base-pooler.x", "postgresql+psycopg://u:p@h/db", ("supa",)),
        ("postgresql://u:p@[::1]:5432/db", "postgresql+psycopg://u:p@[::1]:5432/db", ()),
        ("postgresql://u:p%23%40@h/db", "postgresql+psycopg://u:p%23%40@h/db", ()),
        ("postgresql:///db?host=/run/postgresql", "postgresql+psycopg:///db?host=%2Frun%2Fpostgresql", ()),
        ("sqlite:////tmp/a.db?connection_limit=1&timeout=3", "sqlite:////tmp/a.db?timeout=3", ("connection_limit",)),
        ("sqlite+aiosqlite:///a.db", "sqlite:///a.db", ()),
    ],
)
def test_an_address_of_another_tool_is_read(written: str, url: str, left_out: tuple[str, ...]) -> None:
    found = read(written)
    assert (found.url, found.left_out, found.trouble) == (url, left_out, "")
    make_url(found.url)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("postgresql://u:planted-secret@h:54x/db", "port"),
        ("postgresql://u:planted-secret@h:0/db", "port"),
        ("postgresql://u:planted-secret@h:70000/db", "port"),
        ("postgresql://u:planted/secret@h/db", "@ or a /"),
        ("postgresql://u:planted?secret@h/db", "port"),
        ("postgresql://u:planted@secret@h/db", "@ or a /"),
        ("postgresql://u:planted#secret@h/db", "#"),
        ("postgresql://u:planted%secret@h/db", "percent-encoding"),
        ("postgresql://u:planted secret@h/db", "space"),
        ("postgresql://u:p@a:1,b:2/db", "several servers"),
        ("postgresql://u:p@h/db?schema=tenant", "schema"),
        ("postgresql://u:p@h/db?currentSchema=tenant", "schema"),
        ("postgresql://u:p@h/db?ssl=true", "encryption"),
        ("postgresql://u:p@h/db?sslaccept=strict", "encryption"),
        ("postgresql://u:p@h/db?sslmode=no-verify", "sslmode"),
        ("postgresql://u:p@h/db?connect_timeout=soon", "connect_timeout"),
        ("mysql://u:planted-secret@h/db", "begin"),
        ("jdbc:postgresql://h/db", "begin"),
        ("file:./dev.db", "begin"),
        ("prisma+postgres://x?api_key=planted-secret", "begin"),
        ("postgresql", "begin"),
        ("postgresql://u:p@[::1:5432/db", "IPv6"),
        ("postgresql://u:p@h:/db", "port"),
        ("postgresql://u:p@[::1]:/db", "port"),
        ("postgresql://h:", "port"),
        ("sqlite://h:x/a.db", "server"),
    ],
)
def test_what_the_driver_would_misread_is_refused_with_the_cause_and_without_the_password(
    written: str, words: str
) -> None:
    found = read(written)
    assert found.url == ""
    assert words in found.trouble
    assert found.fix.endswith(".")
    assert "planted" not in found.trouble + found.fix


@fuzz(300)
@given(
    st.text()
    | st.from_regex(r"(postgres(ql)?|sqlite)://[^/]{0,20}@?[^/]{0,20}/?.{0,20}(\?.{0,20})?", fullmatch=True)
    | st.text(st.sampled_from("ab@:/[]%?#,=&1"), max_size=20).map(lambda text: f"postgres://{text}")
)
def test_whatever_is_written_is_read_by_the_driver_or_refused(text: str) -> None:
    found = read(text)
    assert bool(found.url) != bool(found.trouble)
    if found.url:
        make_url(found.url)
