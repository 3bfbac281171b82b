"""The terms on which a deploy happens: overlap, draining, and how Inngest reaches the workers. A drill holds for these
alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from services.clock import from_ms
from services.deploys import asked, known

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from services.settings.model import Environment, Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """Seconds, and `serve` or `connect`."""

    overlap_s: int
    draining_s: int
    transport: str

    def as_detail(self) -> dict[str, Any]:
        """As evidence keeps it."""
        return asdict(self)


def terms(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> Terms:
    """The terms as the settings say now. Raises StoreError."""
    platform = known.of(settings, environment, asked.load(connection, settings, environment.name), now_ms)
    now = from_ms(now_ms)
    named = None if environment.drill is None else environment.drill.transport
    return Terms(
        overlap_s=platform.seconds("overlap", now),
        draining_s=platform.seconds("draining", now),
        transport=named or settings.durable.transport,
    )
