"""The terms on which a deploy happens: overlap, draining, and how Inngest reaches the workers. A drill holds for these
alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from services.deploys.platform import read

if TYPE_CHECKING:
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


def terms(settings: Settings, environment: Environment, now: datetime) -> Terms:
    """The terms as the settings say now."""
    files = tuple(settings.settings_dir / file for file in settings.deploys.files)
    platform = read(environment.env_path, files, environment.name)
    named = None if environment.drill is None else environment.drill.transport
    return Terms(
        overlap_s=platform.seconds("overlap", now),
        draining_s=platform.seconds("draining", now),
        transport=named or settings.durable.transport,
    )
