"""A name in DNS: resolve it, and expect an address or a record."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from services.dependencies.conditions import FactType
from services.dependencies.kind import Kind, lazily
from services.dependencies.tables import DeclaredTable, Host, Port


class DnsTable(DeclaredTable):
    """A name in DNS. `answers has 192.0.2.1` asks for a record among those that come."""

    facts: ClassVar[Mapping[str, FactType]] = {"ms": "number", "answers": "texts", "count": "number", "ttl": "number"}

    kind: Literal["dns"]
    host: Host = Field(description="The name to resolve.")
    record: Literal["A", "AAAA", "CNAME", "MX", "NS", "TXT", "SRV", "CAA", "PTR", "SOA"] = "A"
    server: str | None = Field(None, description="The name server's address; without, this machine's own.")
    port: Port = 53

    @field_validator("server")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ipaddress.ip_address(value)
            except ValueError:
                raise ValueError("is no IP address: name the server by its address") from None
        return value


DNS = Kind(
    name="dns",
    title="DNS name",
    gloss="DNS: the directory in which names are given addresses.",
    settings=DnsTable,
    asks=("host", "record"),
    run=lazily("services.dependencies.dns.check"),
    folder=Path(__file__).parent,
)
