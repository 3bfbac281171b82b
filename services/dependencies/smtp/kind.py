"""A mail server: greet, encrypt, log in. Nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from services.dependencies.conditions import FactType
from services.dependencies.kind import Kind, lazily
from services.dependencies.tables import DeclaredTable, Host, Port, Variable


class SmtpTable(DeclaredTable):
    """A mail server."""

    facts: ClassVar[Mapping[str, FactType]] = {"ms": "number", "cert_days": "number", "extensions": "texts"}

    kind: Literal["smtp"]
    host: Host
    port: Port = 587
    tls: Literal["starttls", "implicit", "none"] = Field(
        "starttls", description="starttls (port 587), implicit (port 465), or none."
    )
    user_variable: Variable | None = Field(None, description="The variable that holds the user name.")
    password_variable: Variable | None = Field(None, description="The variable that holds the password.")

    @model_validator(mode="after")
    def _login(self) -> SmtpTable:
        if (self.user_variable is None) != (self.password_variable is None):
            raise ValueError("a login needs both user_variable and password_variable")
        if self.user_variable is not None and self.tls == "none":
            raise ValueError('a login over tls = "none" would send the password in the clear: use starttls or implicit')
        return self

    def variables(self) -> Mapping[str, str]:
        """The login."""
        named = {self.user_variable: "user_variable", self.password_variable: "password_variable"}
        return {name: field for name, field in named.items() if name is not None}


SMTP = Kind(
    name="smtp",
    title="Mail server",
    gloss="SMTP: how mail is handed to a mail server.",
    settings=SmtpTable,
    asks=("host", "port"),
    run=lazily("services.dependencies.smtp.check"),
    folder=Path(__file__).parent,
)
