"""What the worker tells Prometheus of itself. Counters of checks, commits and trouble; no labels from outside."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from services.errors import StoreError
from services.evidence import chain
from services.store import Store
from worker.collector import Collector
from worker.leases import Leases
from worker.parts import Parts
from worker.sending import Sender
from worker.sign_of_life import DeadMan
from worker.writer import Writer


class WorkerMetrics:
    """A collector in Prometheus' sense: read when asked, nothing counted twice."""

    def __init__(
        self, *, store: Store, collector: Collector, writer: Writer, leases: Leases, parts: Parts, sender: Sender,
        dead_man: DeadMan,
    ) -> None:  # fmt: skip
        self._store, self._collector, self._writer, self._leases, self._parts = store, collector, writer, leases, parts
        self._sender, self._dead_man = sender, dead_man
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """The Prometheus text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """Every metric, now."""
        yield CounterMetricFamily("greenlight_worker_looks", "Probes run.", self._collector.probed)
        yield CounterMetricFamily(
            "greenlight_worker_missed_deadlines", "Probes skipped for lack of time.", self._collector.missed
        )
        yield CounterMetricFamily(
            "greenlight_worker_samples_committed", "Samples durable in the store.", self._writer.committed_samples
        )
        yield CounterMetricFamily(
            "greenlight_worker_observations_dropped", "Observations lost: the store was away.", self._writer.dropped
        )
        set_aside = CounterMetricFamily(
            "greenlight_worker_observations_set_aside",
            "Observations that could not be judged or stored, by kind of error.",
            labels=["kind"],
        )
        for kind, number in sorted(self._writer.set_aside.items()):
            set_aside.add_metric([kind], number)
        yield set_aside
        restarts = CounterMetricFamily(
            "greenlight_worker_part_restarts", "Parts of the worker that failed and were restarted.", labels=["part"]
        )
        for part, number in sorted(self._parts.restarts.items()):
            restarts.add_metric([part], number)
        yield restarts
        yield GaugeMetricFamily(
            "greenlight_worker_parts_down", "Parts of the worker that failed too often and stay down.",
            len(self._parts.down),
        )  # fmt: skip
        yield GaugeMetricFamily("greenlight_worker_backlog", "Observations not yet durable.", self._writer.backlog)
        yield GaugeMetricFamily(
            "greenlight_worker_store_trouble",
            "1 while the store can't be written.",
            int(bool(self._writer.trouble or self._leases.trouble)),
        )
        yield CounterMetricFamily(
            "greenlight_alert_messages_accepted", "Messages that a channel accepted.", self._sender.accepted
        )
        yield CounterMetricFamily(
            "greenlight_alert_messages_failed", "Tries to send a message that failed.", self._sender.failed
        )
        if (age_s := self._dead_man.age_s()) is not None:
            yield GaugeMetricFamily(
                "greenlight_sign_of_life_age_seconds", "Since the last sign of life that its service accepted.", age_s
            )
        try:
            with self._store.read() as connection:
                link = chain.newest_link(connection)
        except StoreError:
            link = None  # said by greenlight_worker_store_trouble
        if link is not None:
            head = GaugeMetricFamily(
                "greenlight_evidence_head", "Number of the newest evidence record, with its hash.", labels=["hash"]
            )
            head.add_metric([link[1]], link[0])
            yield head
        size = self._store.size_bytes()
        if size is not None:
            yield GaugeMetricFamily("greenlight_store_bytes", "Size of the database on disk.", size)
