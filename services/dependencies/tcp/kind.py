"""A TCP port: connect, encrypt where asked, read a banner where one is expected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from services.dependencies.conditions import FactType
from services.dependencies.kind import Kind, lazily
from services.dependencies.tables import DeclaredTable, Host, Port


class TcpTable(DeclaredTable):
    """A TCP port."""

    facts: ClassVar[Mapping[str, FactType]] = {"ms": "number", "cert_days": "number", "banner": "text"}

    kind: Literal["tcp"]
    host: Host
    port: Port
    tls: bool = Field(False, description="Whether to encrypt, and to check the certificate.")
    banner: bool = Field(False, description="Whether to wait for the first line that it says by itself.")


TCP = Kind(
    name="tcp",
    title="TCP port",
    gloss="TCP: a port that accepts connections, whatever is spoken there.",
    settings=TcpTable,
    asks=("host", "port"),
    run=lazily("services.dependencies.tcp.check"),
    folder=Path(__file__).parent,
)
