"""What the platform's API said last, as it is kept: values, deploys, and what went wrong when it was asked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from services.clock import HOUR_MS
from services.dependencies.cleaning import cleaner
from services.deploys.api import Api, Deployment, Refusal
from services.deploys.platform import SECONDS, TITLES, Field, Value
from services.errors import SettingsError
from services.settings.load import with_current_secrets
from services.settings.model import Environment, Settings
from services.store import readings
from services.units import seconds

KIND, HINT = "platform", "platform_hint"
EVERY_MS = 300_000
SOON_MS = 10_000  # after a hint it is asked no sooner than this after the last time
OLD_MS = HOUR_MS
NAMES = {"railway": "Railway"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """`read_ms`: when it last answered, None while it never did. `code`, `why`: what went wrong since, else empty;
    `part` is `deploys` where the settings were read all the same. `about`: of which service; `hint_ms`: the hint that
    it followed."""

    about: str = ""
    hint_ms: int = 0
    asked_ms: int = 0
    read_ms: int | None = None
    values: Mapping[Field, str] = field(default_factory=dict)
    deployments: tuple[Deployment, ...] = ()
    code: str = ""
    why: str = ""
    part: str = ""
    wait_until_ms: int = 0

    def is_due(self, now_ms: int, *, hinted: bool = False) -> bool:
        """Whether to ask again; a request to wait is kept to."""
        if now_ms < self.wait_until_ms <= now_ms + 2 * HOUR_MS:
            return False
        return not 0 <= now_ms - self.asked_ms < (SOON_MS if hinted else EVERY_MS)

    def as_values(self, name: str, now_ms: int) -> tuple[Value, ...]:
        """The values, each with where it is from and how old it is."""
        if self.read_ms is None:
            return ()
        source = f"{name}'s API, {seconds(max(0, now_ms - self.read_ms) / 1000)} ago"
        return tuple(Value(field=field, value=self.values[field], source=source) for field in TITLES
                     if field in self.values)  # fmt: skip

    def grants(self) -> bool:
        """Whether what a deploy grants is known from here."""
        return not SECONDS.isdisjoint(self.values)

    def is_old(self, now_ms: int) -> bool:
        """Whether what it said last is too old to speak for now."""
        return self.read_ms is not None and abs(now_ms - self.read_ms) > OLD_MS


def why_not(settings: Settings, environment: Environment) -> str:
    """The code of why the API is not asked; "" where it is. The env file is read again: a token may be new in it."""
    if settings.deploys.platform is None:
        return "none"
    if settings.deploys.service is None:
        return "no_service_named"
    return "" if current(environment).variables.get(environment.platform_token) else "no_token"


def current(environment: Environment) -> Environment:
    """With the token that its env file holds now; as it was, where that can't be read."""
    try:
        return with_current_secrets(environment)
    except SettingsError:
        return environment


async def ask(settings: Settings, environment: Environment, before: Asked, now_ms: int) -> Asked:
    """Ask it; what it said before stays where it refuses. Nothing of it holds the environment's own secrets."""
    wanted, environment = settings.deploys, current(environment)
    assert wanted.service is not None  # noqa: S101 - why_not was asked
    token = environment.variables[environment.platform_token]
    api = Api(url=wanted.api_url, token=token, clean=cleaner(environment))
    found = await api.read(wanted.service, wanted.project, now_ms)
    if isinstance(found, Refusal):
        return replace(before, asked_ms=now_ms, part="", **_trouble(found, now_ms))
    read = Asked(
        about=before.about,
        hint_ms=before.hint_ms,
        asked_ms=now_ms,
        read_ms=now_ms,
        values=found.values,
        deployments=found.deployments,
    )
    if found.refused is None:
        return read
    return replace(read, deployments=before.deployments, part="deploys", **_trouble(found.refused, now_ms))


def _trouble(found: Refusal, now_ms: int) -> dict[str, Any]:
    wait = now_ms + found.wait_s * 1000 if found.wait_s else 0
    why = found.why or ("too many requests" if found.code == "limited" else "")
    return {"code": found.code, "why": why, "wait_until_ms": wait}


def about(settings: Settings) -> str:
    """Which service is asked about, and where."""
    wanted = settings.deploys
    return " ".join((wanted.api_url, wanted.project or "-", wanted.service or "-"))


def load(connection: Connection, settings: Settings, environment: str) -> Asked:
    """What is kept; empty before it was asked. What was said of another service says nothing of this one."""
    kept, wanted = readings.load(connection, environment, KIND), about(settings)
    if kept is None or kept.body.get("about") != wanted:
        return Asked(about=wanted)
    body: dict[str, Any] = {name: kept.body[name] for name in Asked.__dataclass_fields__ if name in kept.body}
    return Asked(**body | {"deployments": tuple(Deployment(**item) for item in body["deployments"])})


def keep(connection: Connection, environment: str, found: Asked) -> None:
    """Keep it."""
    readings.keep(connection, environment, KIND, at_ms=found.asked_ms, body=asdict(found))


def hint(connection: Connection, environment: str, now_ms: int) -> None:
    """Have it asked soon: the platform called, or a deploy was seen. Kept, so that none is lost while it is asked."""
    readings.keep(connection, environment, HINT, at_ms=now_ms, body={})


def hinted_ms(connection: Connection, environment: str) -> int:
    """When the last hint came, as its writer's clock says; 0 where none did."""
    kept = readings.load(connection, environment, HINT)
    return 0 if kept is None else kept.at_ms
