"""A provider of language models: its list of models, asked with the key. Nothing is billed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from services.dependencies.conditions import FactType
from services.dependencies.kind import Kind, lazily
from services.dependencies.tables import DeclaredTable, Variable, http_url

ADDRESSES = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com/v1"}
KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "compatible": "MODEL_API_KEY"}


class ModelApiTable(DeclaredTable):
    """A provider of language models."""

    facts: ClassVar[Mapping[str, FactType]] = {
        "status": "number", "ms": "number", "cert_days": "number", "models": "texts", "count": "number",
        "header": "text", "json": "any",
    }  # fmt: skip

    kind: Literal["model_api"]
    provider: Literal["openai", "anthropic", "compatible"] = Field(
        "openai", description="Whose interface it has; compatible: OpenAI's, at an address of its own."
    )
    url: str = Field("", description="The address before /models; unset means the provider's own.")
    key_variable: Variable | None = Field(
        None, description="The variable that holds the key; unset: OPENAI_API_KEY, ANTHROPIC_API_KEY or MODEL_API_KEY."
    )
    model: str = Field("", max_length=200, description="A model that must be offered.")
    slow_ms: float = Field(3000, gt=0, le=600_000)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return http_url(value) if value else ""

    @model_validator(mode="after")
    def _address(self) -> ModelApiTable:
        if self.provider == "compatible" and not self.url:
            raise ValueError("a compatible provider needs url, the address before /models")
        return self

    @property
    def address(self) -> str:
        """The address before /models."""
        return self.url or ADDRESSES[self.provider]

    @property
    def key(self) -> str:
        """The variable that holds the key."""
        return self.key_variable or KEYS[self.provider]

    def variables(self) -> Mapping[str, str]:
        """The key."""
        return {self.key: "key_variable"}


MODEL_API = Kind(
    name="model_api",
    title="Model provider",
    gloss="Model provider: the service that runs the language models which agents ask.",
    settings=ModelApiTable,
    asks=("provider", "key_variable", "model"),
    run=lazily("services.dependencies.model_api.check"),
    folder=Path(__file__).parent,
)
