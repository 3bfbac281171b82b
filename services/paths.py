"""Where settings and data lie. Needs the standard library alone, for command lines that must start fast."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from services.database_address import Address, read

ROOT = Path(__file__).resolve().parents[1]
TEAM_KEYS = "greenlight.keys.toml"  # a team's own additions to the catalogue of keys, beside the settings file
TEAM_STEPS = "greenlight.steps.toml"  # a team's own checklist, in place of ours, beside the settings file


def config_path(variables: Mapping[str, str] | None = None, root: Path = ROOT) -> Path:
    """The settings file: `GREENLIGHT_CONFIG`, else `greenlight.toml`."""
    variables = os.environ if variables is None else variables
    return Path(variables.get("GREENLIGHT_CONFIG") or root / "greenlight.toml")


def team_keys(variables: Mapping[str, str] | None = None, root: Path = ROOT) -> Path:
    """Where a team's own keys are described, whether or not they are."""
    return config_path(variables, root).parent / TEAM_KEYS


def data_dir(variables: Mapping[str, str] | None = None, root: Path = ROOT) -> Path:
    """The data folder: `GREENLIGHT_DATA`, else `data`."""
    variables = os.environ if variables is None else variables
    return Path(variables.get("GREENLIGHT_DATA") or root / "data").resolve()


def database_address(variables: Mapping[str, str] | None = None, folder: Path | None = None) -> Address:
    """The store's address: `DATABASE_URL`, else SQLite in the data folder; refused with a reason where it is wrong."""
    variables = os.environ if variables is None else variables
    url = variables.get("DATABASE_URL", "").strip()
    if not url:
        return Address(url=f"sqlite:///{(folder or data_dir(variables)) / 'greenlight.db'}")
    return read(url)


def database_url(variables: Mapping[str, str] | None = None, folder: Path | None = None) -> str | None:
    """The SQLAlchemy URL of the store; None where `DATABASE_URL` is refused."""
    return database_address(variables, folder).url or None


def stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file does; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
