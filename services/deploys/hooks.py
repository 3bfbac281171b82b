"""The platform's webhook: at which address it calls, and what a call does. A hint to look at once, and no more.

The platform signs nothing, so the address is the secret, and what a call says is not read: only what the application
itself answers becomes a deploy.
"""

from __future__ import annotations

import hmac
import secrets

from services.deploys import asked
from services.errors import GreenlightError
from services.fingerprint import InstallationKey, installation_key
from services.settings.model import Environment, Settings
from services.store import Store, claims, jobs

PATH = "/api/v1/hooks/railway/"
MOST_BYTES = 100_000
PAUSE_MS = 5_000  # between two looks that calls bring about
BY = "the platform's webhook"


class UnknownHook(GreenlightError):
    """No environment has this address."""


def identifier(key: InstallationKey, environment: str) -> str:
    """The secret in an environment's address."""
    return key.secret("railway-hook", environment)


def address(settings: Settings, environment: str) -> str:
    """The path that the platform calls. Raises SettingsError where there is no installation key."""
    return PATH + identifier(installation_key(settings.data_dir), environment)


def receive(store: Store, settings: Settings, given: str, *, now_ms: int) -> None:
    """Have the environment looked at. Raises UnknownHook, SettingsError or StoreError."""
    environment = _environment(settings, given)
    if environment is None:
        raise UnknownHook("No hook has this address.")
    with store.write() as connection:
        asked.hint(connection, environment.name, now_ms)
        if jobs.open_job(connection, kind="probe", environment=environment.name) is not None:
            return
        name = f"hook:{environment.name}"
        if claims.take(connection, name, secrets.token_hex(8), now_ms=now_ms, lease_ms=PAUSE_MS):
            jobs.enqueue(connection, id_=secrets.token_hex(8), kind="probe", environment=environment.name, by=BY,
                         now_ms=now_ms)  # fmt: skip


def _environment(settings: Settings, given: str) -> Environment | None:
    """Whose address it is; all are compared, so that the time taken says nothing."""
    key, found = installation_key(settings.data_dir), None
    for environment in settings.environments:
        if hmac.compare_digest(identifier(key, environment.name).encode(), given.encode("utf-8", "replace")):
            found = environment
    return found
