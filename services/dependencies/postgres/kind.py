"""A PostgreSQL database: log in, ask, write and take the write back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from services.dependencies.conditions import FactType
from services.dependencies.kind import Kind, lazily
from services.dependencies.tables import DeclaredTable, Variable


class PostgresTable(DeclaredTable):
    """A PostgreSQL database, behind a pooler or not."""

    facts: ClassVar[Mapping[str, FactType]] = {
        "ms": "number", "connections": "number", "max_connections": "number", "connections_percent": "number",
        "replica_lag_s": "number", "database_mb": "number", "server_version": "number",
    }  # fmt: skip

    kind: Literal["postgres"]
    url_variable: Variable = Field("DATABASE_URL", description="The variable that holds its address with login.")
    write: bool = Field(True, description="Whether a write into a temporary table is tried and rolled back.")

    def variables(self) -> Mapping[str, str]:
        """The address."""
        return {self.url_variable: "url_variable"}


POSTGRES = Kind(
    name="postgres",
    title="PostgreSQL",
    gloss="PostgreSQL: the database in which lasting data is kept.",
    settings=PostgresTable,
    asks=("url_variable",),
    run=lazily("services.dependencies.postgres.check"),
    folder=Path(__file__).parent,
)
