"""Retention."""

from pathlib import Path

from services import clock, retention
from services.evidence import chain
from services.health import record as ledger
from services.settings import load
from services.store import Store, samples
from tests.services.health.test_record import seen


def test_retention_drops_old_samples_and_keeps_evidence(store: Store, tmp_path: Path) -> None:
    now_s = clock.now_ms() / 1000
    ledger.record(store, [seen(now_s - 40 * 86_400), seen(now_s)], ledger.Memory())
    dropped = retention.drop_old(store, load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path))
    assert dropped.samples == 1
    with store.read() as connection:
        assert samples.count(connection) == 1
        assert len(chain.history(connection, "e")) == 2
