"""The database's own refusal to change evidence, lifted inside one transaction for redaction and compaction alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from sqlalchemy import Connection, text


@contextmanager
def lifted(connection: Connection, verb: Literal["UPDATE", "DELETE"]) -> Iterator[None]:
    """Let evidence be updated or deleted here. An error rolls the trigger's removal back with everything else."""
    if connection.dialect.name == "sqlite":
        name = f"evidence_no_{verb.lower()}"
        connection.execute(text(f"DROP TRIGGER {name}"))
        yield
        refuse = "BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END"
        connection.execute(text(f"CREATE TRIGGER {name} BEFORE {verb} ON evidence {refuse}"))
    else:
        connection.execute(text("ALTER TABLE evidence DISABLE TRIGGER evidence_append_only"))
        yield
        connection.execute(text("ALTER TABLE evidence ENABLE TRIGGER evidence_append_only"))
