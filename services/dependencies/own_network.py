"""Tells our own network's outage from a target's. Where nothing outside is reached, our own network is down, and
nothing was measured of the targets.

Asked only when a target outside this machine can't be reached at all: an answer, even a refusal, came over the network.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from services.access import is_this_machine
from services.dependencies import network
from services.dependencies.run import Observation

if TYPE_CHECKING:
    from services.settings.model import Environment

UNREACHED = frozenset({"name_not_found", "name_unanswered", "no_connection", "unreachable", "no_answer"})
CODE = "prober.own_network"
ASK_S = 3.0
REMEMBERED_S = 5.0


@dataclass(slots=True)
class OwnNetwork:
    """Asks reference addresses, and remembers the answer for some seconds.

    Without configured references, those are the machine's name servers and the environments' other hosts. With none
    that is independent of the target, it is not known, and the target counts as down.
    """

    references: tuple[str, ...] = ()
    environments: tuple[Environment, ...] = ()
    _reached_at: dict[tuple[str, int], float] = field(default_factory=dict)
    _asked: dict[tuple[str, int], tuple[float, bool]] = field(default_factory=dict)

    async def excuse(self, environment: Environment, seen: Observation) -> Observation:
        """The observation; where our own network is down, one that says so and counts for nothing."""
        target = target_of(environment, seen.probe)
        if target is None or _is_local(target[0]):
            return seen
        if seen.reading.code.rpartition(".")[2] not in UNREACHED:
            if not seen.reading.code.startswith("prober."):
                self._reached_at[target] = time.monotonic()
            return seen
        if await self._works_without(target[0]):
            return seen
        checks = tuple(replace(check, outcome="unknown") for check in seen.reading.checks)
        return replace(seen, reading=replace(seen.reading, code=CODE, checks=checks))

    async def _works_without(self, host: str) -> bool:
        """Whether anything else outside is reached; True too where there is nothing else to ask."""
        now = time.monotonic()
        if any(now - at < REMEMBERED_S for (other, _), at in self._reached_at.items() if other != host):
            return True
        wanted = [address for address in self._addresses() if address[0] != host]
        if not wanted:
            return True
        return any(await asyncio.gather(*(self._reaches(address) for address in wanted)))

    def _addresses(self) -> tuple[tuple[str, int], ...]:
        if self.references:
            return tuple(_of_url(f"//{text}", 443) or (text, 443) for text in self.references)
        hosts = (target_of(environment, "readiness") for environment in self.environments)
        found = [*((server, 53) for server in name_servers()), *(host for host in hosts if host is not None)]
        return tuple(dict.fromkeys(address for address in found if not _is_local(address[0])))

    async def _reaches(self, address: tuple[str, int]) -> bool:
        at, answer = self._asked.get(address, (float("-inf"), False))
        if time.monotonic() - at < REMEMBERED_S:
            return answer
        reached = await _reaches(address)
        self._asked[address] = time.monotonic(), reached
        return reached


async def _reaches(address: tuple[str, int]) -> bool:
    try:
        async with asyncio.timeout(ASK_S):
            connected = await network.connect(await network.resolve(*address))
    except OSError as error:  # a time-out included
        return network.was_refused(error)  # somebody out there said no
    except ValueError:
        return False
    connected.close()
    return True


def target_of(environment: Environment, probe: str) -> tuple[str, int] | None:
    """Host and port that a probe asks; None where it asks none of its own."""
    table = next((item for item in environment.dependencies if item.name == probe), None)
    if table is not None:
        url = next((environment.variables[name].get_secret_value() for name in table.variables()
                    if name in environment.variables and "://" in environment.variables[name].get_secret_value()),
                   getattr(table, "address", "") or getattr(table, "url", ""))  # fmt: skip
        return _of_url(url) if url else _of_table(table)
    if probe.startswith(("redis.", "queue:")):
        redis = environment.secrets.redis_url
        return None if redis is None else _of_url(redis.get_secret_value())
    if probe in {"readiness", "dependencies", "inngest"}:
        return _of_url(environment.base_url)
    return _of_url(environment.server.api_url) if environment.server is not None else None


def _of_table(table: object) -> tuple[str, int] | None:
    host, port = getattr(table, "host", ""), getattr(table, "port", 0)
    server = getattr(table, "server", None)
    return (str(server or host), int(port)) if host else None


_PORTS: Mapping[str, int] = {"https": 443, "rediss": 6379, "redis": 6379, "postgres": 5432, "postgresql": 5432}


def _of_url(url: str, port: int = 80) -> tuple[str, int] | None:
    """Host and port of an address; `port` where it names none and its scheme has none."""
    try:
        parts = urlsplit(url)
        known = _PORTS.get(parts.scheme.partition("+")[0], port)
        return (parts.hostname, parts.port or known) if parts.hostname else None
    except ValueError:
        return None


def _is_local(host: str) -> bool:
    return host == "localhost" or is_this_machine(host)


def name_servers() -> Iterable[str]:
    """This machine's name servers, by address."""
    from dns import resolver

    try:
        return [str(server) for server in resolver.Resolver().nameservers if isinstance(server, str)]
    except resolver.NoResolverConfiguration:
        return []
