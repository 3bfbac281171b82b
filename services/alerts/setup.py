"""What alerts need to know of the settings: environments as far as they matter here, and channels. No secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from services import clock
from services.channels import address
from services.channels.address import Address, Service
from services.dependencies.own_network import target_of
from services.settings.model import AlertChannel, Environment, Settings

UNUSABLE: Service = "apprise"  # what is said of an address that can't be read; load refuses such settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """An environment: what strict mode requires, and by probe the host that it asks."""

    name: str
    simulated: bool = False
    strict: tuple[str, ...] = ()
    targets: Mapping[str, str] = field(default_factory=dict)
    probes: frozenset[str] = frozenset()  # those that are configured


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """A channel without its address."""

    name: str
    service: Service
    environments: frozenset[str]
    severities: frozenset[str]
    quiet: tuple[time, time] | None = None
    digest_at: time | None = None
    zone: tzinfo = UTC

    def takes(self, environment: str, severity: str) -> bool:
        """Whether it is told of that at once. What concerns Greenlight itself (no environment) is for every channel."""
        return severity != "digest" and severity in self.severities and (
            not environment or environment in self.environments
        )  # fmt: skip

    def due_ms(self, severity: str, now_ms: int) -> int:
        """When a message may go: now; in quiet hours at their end, unless it is a page."""
        if self.quiet is None or severity == "page":
            return now_ms
        begin, end = self.quiet
        here = clock.from_ms(now_ms).astimezone(self.zone)
        inside = begin <= here.time() < end if begin < end else here.time() >= begin or here.time() < end
        return clock.to_ms(self._next(here, end)) if inside else now_ms

    def digest_due_ms(self, now_ms: int) -> int | None:
        """The newest moment at or before now at which the digest was due; None for a channel without one."""
        if self.digest_at is None:
            return None
        here = clock.from_ms(now_ms).astimezone(self.zone)
        today = datetime.combine(here.date(), self.digest_at, tzinfo=self.zone)
        return clock.to_ms(today if today <= here else today - timedelta(days=1))

    def _next(self, here: datetime, at: time) -> datetime:
        today = datetime.combine(here.date(), at, tzinfo=self.zone)
        return today if today > here else today + timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertSetup:
    """All of it. `resolved_after_ms`: for so long must all be well before an alert is over."""

    environments: Mapping[str, Watched] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()
    resolved_after_ms: int = 300_000

    @classmethod
    def from_settings(cls, settings: Settings) -> AlertSetup:
        """As the settings say."""
        real = frozenset(e.name for e in settings.environments if not e.simulated)
        return cls(
            environments={e.name: _watched(e) for e in settings.environments},
            channels=tuple(_channel(item, settings, real) for item in settings.alerts.channels),
            resolved_after_ms=round(settings.alerts.resolved_after_s * 1000),
        )


def addresses(settings: Settings) -> dict[str, Address]:
    """The channels' addresses, which are secrets; by name."""
    found = {name: address.read(url.get_secret_value()) for name, url in settings.channel_urls.items()}
    return {name: item for name, item in found.items() if isinstance(item, Address)}


def _watched(environment: Environment) -> Watched:
    from services.dependencies.probes import probes_of

    names = [probe.name for probe in probes_of(environment)]
    targets = {name: target_of(environment, name) for name in names}
    return Watched(
        name=environment.name, simulated=environment.simulated, strict=environment.strict, probes=frozenset(names),
        targets={name: f"{found[0]}:{found[1]}" for name, found in targets.items() if found is not None},
    )  # fmt: skip


def _channel(item: AlertChannel, settings: Settings, real: frozenset[str]) -> Channel:
    read = addresses(settings).get(item.name)
    quiet = None if item.quiet is None else (time.fromisoformat(item.quiet[:5]), time.fromisoformat(item.quiet[6:]))
    return Channel(
        name=item.name, service=UNUSABLE if read is None else read.service, quiet=quiet,
        environments=frozenset(item.environments) or real, severities=frozenset(item.severities),
        digest_at=None if item.digest_at is None else time.fromisoformat(item.digest_at), zone=ZoneInfo(item.timezone),
    )  # fmt: skip
