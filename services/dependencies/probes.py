"""The probes of an environment. A new probe is one file, one line here, one test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from services.dependencies.app.readiness import ReadinessProbe
from services.dependencies.app.report import DependenciesProbe
from services.dependencies.inngest.pulse import PulseProbe
from services.dependencies.inngest.route import InngestProbe
from services.dependencies.inngest.runs import RunsProbe
from services.dependencies.inngest.sync import SyncProbe
from services.dependencies.model import Probe
from services.dependencies.probe import DeclaredProbe
from services.dependencies.queue.probe import QueueProbe
from services.dependencies.redis.info import RedisInfoProbe
from services.dependencies.redis.ping import RedisPingProbe
from services.dependencies.redis.write import RedisWriteProbe
from services.dependencies.registry import KINDS
from services.dependencies.tables import DeclaredTable
from services.store.heartbeats import Beat

if TYPE_CHECKING:
    from services.settings.model import Environment

Beats = Callable[[str, str], Sequence[Beat]]  # environment and job → its calls, newest first
Siblings = Callable[[], Sequence[str]]  # where the workers of this installation are


def probes_of(environment: Environment, beats: Beats | None = None, siblings: Siblings = tuple) -> tuple[Probe, ...]:
    """Every probe of an environment, readiness first. `beats` reads the calls of jobs, `siblings` the workers, where
    there is a store."""
    return (
        ReadinessProbe.from_settings(environment),
        DependenciesProbe.from_settings(environment),
        RedisPingProbe.from_settings(environment),
        RedisWriteProbe.from_settings(environment),
        RedisInfoProbe.from_settings(environment),
        InngestProbe.from_settings(environment),
        *_of_server(environment, siblings),
        *(QueueProbe.from_settings(environment, queue) for queue in environment.queues),
        *(_declared(environment, table, beats) for table in environment.dependencies),
    )


def _declared(environment: Environment, table: DeclaredTable, beats: Beats | None) -> Probe:
    named = {*table.variables(), *table.references()}
    return DeclaredProbe(
        kind=KINDS[table.kind],
        table=table,
        variables={name: value for name, value in environment.variables.items() if name in named},
        beats=None if beats is None else partial(beats, environment.name, table.name),
    )


def _of_server(environment: Environment, siblings: Siblings) -> tuple[Probe, ...]:
    """What is asked of the Inngest server; nothing where none is known, or its API can't be opened."""
    server = environment.server
    if server is None:
        return ()
    found: list[Probe] = (
        [PulseProbe.from_settings(environment), SyncProbe.from_settings(environment, siblings)] if server.pulsed else []
    )
    readable = not server.cloud or environment.secrets.inngest_signing_key is not None
    if environment.inngest.runs and readable:
        found.append(RunsProbe.from_settings(environment))
    return tuple(found)
