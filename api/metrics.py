"""What the portal tells Prometheus. Probe states and numbers from the store, no matter who measured them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runtime.token import bearer
from services import access, clock
from services.errors import StoreError
from services.health import view
from services.settings import Settings
from services.slo.view import slos as view_slos
from services.store import Store
from services.verdict.view import verdicts

STATES = ("ready", "degraded", "not_ready", "unknown")
SLO_STATES = ("ok", "at_risk", "broken", "no_data")
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
            "greenlight_probe_latency_seconds", "Latency of the newest check.", labels=("environment", "probe")
        )
        age = GaugeMetricFamily(
            "greenlight_probe_age_seconds", "Time since the newest check.", labels=("environment", "probe")
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
                if probe.at_ms:  # 0: never probed
                    age.add_metric((card.name, probe.probe), max(0.0, (found.as_of_ms - probe.at_ms) / 1000))
        yield from (state, probe_state, latency, age)
        yield from self._slos(store, found.as_of_ms)
        yield self._verdicts(store, found.as_of_ms)
        yield GaugeMetricFamily("greenlight_worker_up", "1 while a worker lives.", float(found.worker.alive))
        size = store.size_bytes()
        if size is not None:
            yield GaugeMetricFamily("greenlight_store_bytes", "Size of the database on disk.", size)

    def _verdicts(self, store: Store, now_ms: int) -> Metric:
        labels = ("environment", "simulated", "verdict")
        made = GaugeMetricFamily("greenlight_verdict", "1 for the verdict that holds now.", labels=labels)
        for found in verdicts(store, self._settings, now_ms):
            for state in ("GO", "NO_GO", "INCONCLUSIVE"):
                made.add_metric((found.environment, str(found.simulated).lower(), state), float(found.state == state))
        return made

    def _slos(self, store: Store, now_ms: int) -> Iterable[Metric]:
        labels = ("environment", "simulated", "sli")
        share = GaugeMetricFamily("greenlight_sli_good_ratio", "Good events of all known ones, 0 to 1.", labels=labels)
        target = GaugeMetricFamily("greenlight_slo_target_ratio", "The objective.", labels=labels)
        coverage = GaugeMetricFamily("greenlight_slo_coverage_ratio", "Observed part of the window.", labels=labels)
        left = GaugeMetricFamily(
            "greenlight_slo_budget_remaining_ratio", "Error budget that is left; below 0 overspent.", labels=labels
        )
        burning = GaugeMetricFamily(
            "greenlight_slo_burn_rate", "Burn rate over the rule's long window.", labels=(*labels, "rule", "firing")
        )
        state = GaugeMetricFamily("greenlight_slo_state", "1 for the state it is in.", labels=(*labels, "state"))
        for environment in self._settings.environments:
            found = view_slos(store, environment, now_ms, minute_days=self._settings.retention.minute_days)
            for row in found.rows:
                status = row.status
                at = (environment.name, str(environment.simulated).lower(), row.slo.sli)
                target.add_metric(at, row.slo.objective.target)
                coverage.add_metric(at, status.coverage)
                for name in SLO_STATES:
                    state.add_metric((*at, name), float(status.state == name))
                if status.value is not None and status.budget is not None:
                    share.add_metric(at, status.value)
                    left.add_metric(at, status.budget.remaining)
                for burn in status.burns:
                    if burn.burn_long is not None:
                        burning.add_metric((*at, burn.rule.name, str(burn.firing).lower()), burn.burn_long)
        return share, target, coverage, left, burning, state


def metrics_route(get_settings: Callable[[], Settings], get_store: Callable[[], Store]) -> Route:
    """`GET /metrics`, Prometheus text."""

    def text(settings: Settings) -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Once(PortalMetrics(settings, get_store)))
        return generate_latest(registry)

    async def metrics(request: Request) -> Response:
        settings = get_settings()
        if not _may_read(request, settings):
            return PlainTextResponse(
                "Send an API token as Authorization: Bearer <token>, or see [portal] metrics in greenlight.toml.\n",
                status_code=401, headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        try:
            body = await run_in_threadpool(text, settings)
        except StoreError as error:
            return PlainTextResponse(f"{error}\n", status_code=503)
        return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")

    return Route("/metrics", endpoint=metrics, methods=["GET"])


def _may_read(request: Request, settings: Settings) -> bool:
    """Everybody, who holds a token, or a program on this machine: as the settings say.

    What a proxy on this machine forwards is not of this machine.
    """
    who = settings.portal.metrics
    if who == "open":
        return True
    forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip"))
    if who == "local" and not forwarded and (request.client is None or access.is_this_machine(request.client.host)):
        return True
    given = bearer(request.headers.get("authorization"))
    return access.of_token(given, access.tokens_of(settings)) is not None


class _Once:
    """Registers without being collected: `describe` names nothing, so that registering reads no store."""

    def __init__(self, inner: PortalMetrics) -> None:
        self._inner = inner

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._inner.collect()
