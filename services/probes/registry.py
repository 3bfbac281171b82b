"""Which probes does an environment have? A new probe is one file, one line here, one test."""

from __future__ import annotations

from services.probes.dependencies import DependenciesProbe
from services.probes.inngest import InngestProbe
from services.probes.model import Probe
from services.probes.queues import QueueProbe
from services.probes.readiness import ReadinessProbe
from services.probes.redis_info import RedisInfoProbe
from services.probes.redis_ping import RedisPingProbe
from services.probes.redis_write import RedisWriteProbe
from services.settings.model import Environment


def probes_of(environment: Environment) -> tuple[Probe, ...]:
    """Every probe of an environment, readiness first."""
    return (
        ReadinessProbe.of(environment),
        DependenciesProbe.of(environment),
        RedisPingProbe.of(environment),
        RedisWriteProbe.of(environment),
        RedisInfoProbe.of(environment),
        InngestProbe.of(environment),
        *(QueueProbe.of(environment, queue) for queue in environment.queues),
    )
