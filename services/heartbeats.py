"""The calls of jobs: at which address each job calls, and what becomes of a call.

An address holds a secret that is made from the installation's key, so that nothing has to be kept or configured.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from services.dependencies.cleaning import cleaner
from services.errors import GreenlightError
from services.fingerprint import InstallationKey, installation_key
from services.redact import scrub
from services.settings.model import Environment, Settings
from services.store import Store, heartbeats
from services.store.heartbeats import Beat, Signal

KIND = "heartbeat"
MOST_BYTES = 10_000  # of a call's body
MOST_A_MINUTE = 30  # calls of one job
PATH = "/api/v1/heartbeats/"


class UnknownHeartbeat(GreenlightError):
    """No job calls at this address."""


class TooManyCalls(GreenlightError):
    """A job calls so often that the store would fill up."""


def identifier(key: InstallationKey, environment: str, name: str) -> str:
    """The secret in a job's address."""
    return key.secret("heartbeat", f"{environment}\0{name}")


def address(settings: Settings, environment: str, name: str) -> str:
    """The path at which a job calls. Raises SettingsError where there is no installation key."""
    return PATH + identifier(installation_key(settings.data_dir), environment, name)


def receive(
    store: Store, settings: Settings, given: str, *, signal: Signal, exit_status: int | None, body: bytes, now_ms: int
) -> None:
    """Keep a call. Raises UnknownHeartbeat, TooManyCalls, SettingsError or StoreError."""
    found = _job(settings, given)
    if found is None:
        raise UnknownHeartbeat("No heartbeat has this address.")
    environment, name = found
    note = cleaner(environment)(scrub(body[:MOST_BYTES].decode("utf-8", "replace")))
    with store.write() as connection:
        if heartbeats.count_since(connection, environment.name, name, now_ms - 60_000) >= MOST_A_MINUTE:
            raise TooManyCalls(f"This heartbeat came {MOST_A_MINUTE} times within a minute. Call once a run.")
        heartbeats.append(
            connection, environment.name, name, at_ms=now_ms, signal=signal, exit_status=exit_status, note=note
        )


def _job(settings: Settings, given: str) -> tuple[Environment, str] | None:
    """Whose address it is; all are compared, so that the time taken says nothing."""
    key = installation_key(settings.data_dir)
    found = None
    for environment in settings.environments:
        for table in environment.dependencies:
            if table.kind == KIND and hmac.compare_digest(
                identifier(key, environment.name, table.name).encode(), given.encode("utf-8", "replace")
            ):
                found = environment, table.name
    return found


class Calls:
    """Reads the calls of a job for its probe."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, environment: str, name: str) -> Sequence[Beat]:
        """The newest calls, newest first. Raises StoreError."""
        with self._store.read() as connection:
            return heartbeats.newest(connection, environment, name)
