"""Settings: one frozen, validated object from `greenlight.toml`, the environment and env files."""

from services.settings.load import load, load_and_prepare
from services.settings.model import Environment, Queue, Secrets, Settings

__all__ = ["Environment", "Queue", "Secrets", "Settings", "load", "load_and_prepare"]
