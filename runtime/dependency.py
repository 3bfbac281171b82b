"""When an application is ready. Every dependency that it requires is healthy; the others only degrade it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependency:
    """One dependency as checked just now. `detail` is shown to holders of the token: never a secret."""

    name: str
    required: bool
    healthy: bool
    configured: bool = True
    latency_ms: float | None = None
    error: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """The dependency's entry in `/api/runtime/dependencies`."""
        return {
            "required": self.required,
            "healthy": self.healthy,
            "configured": self.configured,
            "latency_ms": None if self.latency_ms is None else round(self.latency_ms, 2),
            "error": self.error,
        } | dict(self.detail)


def is_ready(dependencies: Iterable[Dependency]) -> bool:
    """`all(healthy for required)`: the contract's rule."""
    return all(dependency.healthy for dependency in dependencies if dependency.required)
