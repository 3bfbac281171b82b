"""What does the portal tell Prometheus? Probe states and numbers from the store, whoever measured them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services import clock
from services.errors import StoreError
from services.health import view
from services.settings import Settings
from services.store import Store

STATES = ("ready", "degraded", "not_ready", "unknown")
PROBE_STATES = ("ok", "slow", "down", "unknown")


class PortalMetrics:
    """A collector in Prometheus' sense over the Overview's view-model. Raises StoreError while the store is away."""

    def __init__(self, settings: Settings, get_store: Callable[[], Store]) -> None:
        self._settings, self._get_store = settings, get_store

    def collect(self) -> Iterable[Metric]:
        """Every metric, now."""
        store = self._get_store()
        found = view.overview(store, self._settings, clock.now_ms())
        state = GaugeMetricFamily(
            "greenlight_environment_state", "1 for the state it is in.", labels=("environment", "simulated", "state")
        )
        probe_state = GaugeMetricFamily(
            "greenlight_probe_state", "1 for the state it is in.", labels=("environment", "probe", "state")
        )
        latency = GaugeMetricFamily(
            "greenlight_probe_latency_seconds", "Latency of the newest look.", labels=("environment", "probe")
        )
        age = GaugeMetricFamily(
            "greenlight_probe_age_seconds", "Time since the newest look.", labels=("environment", "probe")
        )
        for card in found.cards:
            simulated = str(card.simulated).lower()
            for name in STATES:
                state.add_metric((card.name, simulated, name), float(card.health.state == name))
            for probe in (p for d in card.health.dependencies for p in d.probes):
                for name in PROBE_STATES:
                    probe_state.add_metric((card.name, probe.probe, name), float(probe.state == name))
                if probe.latency_ms is not None:
                    latency.add_metric((card.name, probe.probe), probe.latency_ms / 1000)
                if probe.at_ms:  # 0: never looked at
                    age.add_metric((card.name, probe.probe), max(0.0, (found.as_of_ms - probe.at_ms) / 1000))
        yield from (state, probe_state, latency, age)
        yield GaugeMetricFamily("greenlight_worker_up", "1 while a worker lives.", float(found.worker.alive))
        size = store.size_bytes()
        if size is not None:
            yield GaugeMetricFamily("greenlight_store_bytes", "Size of the database on disk.", size)


def metrics_route(settings: Settings, get_store: Callable[[], Store]) -> Route:
    """`GET /metrics`, Prometheus text."""
    collector = PortalMetrics(settings, get_store)

    def text() -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Once(collector))
        return generate_latest(registry)

    async def metrics(_request: Request) -> Response:
        try:
            body = await run_in_threadpool(text)
        except StoreError as error:
            return PlainTextResponse(f"{error}\n", status_code=503)
        return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")

    return Route("/metrics", endpoint=metrics, methods=["GET"])


class _Once:
    """Registers without being collected: `describe` names nothing, so that registering reads no store."""

    def __init__(self, inner: PortalMetrics) -> None:
        self._inner = inner

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._inner.collect()
