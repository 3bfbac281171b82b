"""PostgreSQL behind the real PgBouncer in transaction mode, as hosted databases offer it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from services.database_address import read
from services.evidence import chain
from services.health import record as ledger
from services.store import Store, samples
from services.store.migrate import check, migrate
from tests.services.health.test_record import seen
from tests.worker.conftest import RealWorker, start_worker  # noqa: F401 - a fixture


def test_everything_is_written_and_read_through_transaction_pooling(pooled_url: str) -> None:
    """Seen before: DuplicatePreparedStatement, since psycopg prepares what it runs for the fifth time."""
    store = Store.open(read(pooled_url).url)
    assert migrate(store)
    check(store)

    def write(environment: str) -> None:
        memory = ledger.Memory()
        for at_s in range(0, 400, 10):
            code = "readiness.ok" if at_s % 20 else "readiness.not_ready"
            ledger.record(store, [seen(at_s, code, environment)], memory)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, [f"e{number}" for number in range(6)]))
    with store.read() as connection:
        assert samples.count(connection) == 240
        assert chain.verify(connection) is None
        assert chain.tip(connection)[0] >= 6
        assert connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar() == 0
    store.close()
