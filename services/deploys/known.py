"""What is known of an environment's platform, from all places: its API, the env file, files of the repository."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from services.deploys.asked import NAMES, Asked
from services.deploys.platform import Platform, read

if TYPE_CHECKING:
    from services.settings.model import Environment, Settings


def of(settings: Settings, environment: Environment, asked: Asked, now_ms: int) -> Platform:
    """The API's values first: they are in effect. Where it has none, the variables, then the files."""
    files = tuple(settings.settings_dir / file for file in settings.deploys.files)
    written = read(environment.env_path, files, environment.name)
    name = settings.deploys.platform
    if name is None:
        return written
    return replace(written, values=(*asked.as_values(NAMES[name], now_ms), *written.values))
