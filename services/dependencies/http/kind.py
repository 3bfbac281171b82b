"""An HTTP address: one request, judged by its conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from services.dependencies.conditions import FactType
from services.dependencies.kind import Kind, lazily
from services.dependencies.tables import DeclaredTable, http_url, references_in

# RFC 9110, 5.1: a field name is a token.
_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


class HttpTable(DeclaredTable):
    """An HTTP address. Without a condition on `status`, any 2xx is as expected."""

    facts: ClassVar[Mapping[str, FactType]] = {
        "status": "number", "ms": "number", "cert_days": "number", "size": "number", "body": "text", "header": "text",
        "json": "any",
    }  # fmt: skip

    kind: Literal["http"]
    url: str = Field(max_length=2000, description="The address, without secrets: those belong in headers.")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[str, str] = Field(
        default_factory=dict,
        max_length=30,
        description="Headers to send; ${NAME} stands for a variable's value, for secrets.",
    )
    body: str = Field("", max_length=100_000, description="What to send; ${NAME} stands for a variable's value.")
    follow_redirects: bool = Field(True, description="Whether a redirect within the same origin is followed.")

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return http_url(value, query=True)

    @field_validator("headers")
    @classmethod
    def _headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if _FIELD.fullmatch(name) is None:
                raise ValueError(f"{name[:40]!r} is no header's name")
            if any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
                raise ValueError(f"the header {name[:40]!r} holds a control character")
        return value

    def references(self) -> Mapping[str, str]:
        """The variables in headers and body."""
        return references_in("headers", self.headers) | references_in("body", {"text": self.body})


HTTP = Kind(
    name="http",
    title="HTTP address",
    gloss="HTTP: an address on the web or inside, asked as the application would ask it.",
    settings=HttpTable,
    asks=("url",),
    run=lazily("services.dependencies.http.check"),
    folder=Path(__file__).parent,
)
