"""The worker sees a changed env file: new fingerprint, new evidence, and probes with the new secrets."""

from collections.abc import Callable
from pathlib import Path

from services import clock, requests
from services.access import local_operator
from services.health.view import raw_evidence
from services.settings import load
from services.settings.model import Settings
from services.store import Store, jobs, snapshots
from tests.conftest import RealRedis
from tests.patience import wait_until
from tests.worker.conftest import RealWorker
from tests.worker.test_process import open_store


def watched(folder: Path, redis_url: str) -> dict[str, str]:
    (folder / "s.env").write_text(f"REDIS_URL={redis_url}\nREDIS_REQUIRED=true\n")
    (folder / "s.env").chmod(0o600)
    (folder / "greenlight.toml").write_text(
        '[[environments]]\nname="s"\nbase_url="http://127.0.0.1:9"\nenv_file="s.env"\n'
        "intervals = { redis_ping = 1, readiness = 1 }\n"
    )
    return {"GREENLIGHT_CONFIG": str(folder / "greenlight.toml")}


def begun(start_worker: Callable[..., RealWorker], folder: Path, redis_url: str) -> tuple[RealWorker, Store, Settings]:
    """A worker that watches such a file, its store, and its settings."""
    variables = watched(folder, redis_url)
    worker = start_worker(**variables)
    worker.wait()
    return worker, open_store(worker), load(variables | {"GREENLIGHT_DATA": str(worker.data)})


def fingerprints(store: Store, settings: Settings, check: str) -> set[str | None]:
    proofs = raw_evidence(store, settings, "s", clock.now_ms())
    return {p.record.fingerprint for p in proofs if p.record.check == check and p.stale is None}


def test_a_changed_env_file_is_noticed_without_a_restart(
    start_worker: Callable[..., RealWorker], make_redis: Callable[..., RealRedis], tmp_path: Path
) -> None:
    worker, store, settings = begun(start_worker, tmp_path, "redis://127.0.0.1:1")

    def newest() -> str:
        with store.read() as connection:
            found = snapshots.newest(connection, "s")
        return found.fingerprint if found else ""

    wait_until(lambda: newest() in fingerprints(store, settings, "env.validation") and bool(newest()))
    before = newest()
    (tmp_path / "s.env").write_text(f"REDIS_URL={make_redis().url}\nREDIS_REQUIRED=true\n")
    wait_until(lambda: newest() != before)
    wait_until(lambda: newest() in fingerprints(store, settings, "redis.ping"))
    passed = {
        p.record.outcome for p in raw_evidence(store, settings, "s", clock.now_ms()) if p.record.check == "redis.ping"
    }
    assert "pass" in passed, "the probe uses the new address"
    stale = [p.stale for p in raw_evidence(store, settings, "s", clock.now_ms()) if p.record.fingerprint == before]
    assert stale
    assert None not in stale
    assert "redis://" not in worker.log.read_text()


def test_who_corrects_the_file_and_asks_at_once_is_measured_under_what_it_says_now(
    start_worker: Callable[..., RealWorker], make_redis: Callable[..., RealRedis], tmp_path: Path
) -> None:
    _, store, settings = begun(start_worker, tmp_path, "redis://127.0.0.1:1")
    wait_until(
        lambda: (
            None not in fingerprints(store, settings, "redis.ping")
            and bool(fingerprints(store, settings, "redis.ping"))
        )
    )
    (tmp_path / "s.env").write_text(f"REDIS_URL={make_redis().url}\nREDIS_REQUIRED=true\n")
    asked = requests.probe_now(store, settings, "s", by=local_operator("Ada"))

    def done() -> bool:
        job = requests.find(store, asked.id)
        return job is not None and job.state == "done"

    wait_until(done)
    newest = next(p for p in raw_evidence(store, settings, "s", clock.now_ms()) if p.record.check == "redis.ping")
    assert (newest.record.outcome, newest.stale) == ("pass", None)
    with store.read() as connection:
        found = snapshots.newest(connection, "s")
    assert found is not None
    assert newest.record.fingerprint == found.fingerprint


def test_validate_now_tries_the_values_and_leaves_both_kinds_of_evidence(
    start_worker: Callable[..., RealWorker], make_redis: Callable[..., RealRedis], tmp_path: Path
) -> None:
    _, store, settings = begun(start_worker, tmp_path, make_redis().url)
    job = requests.validate_now(store, settings, "s", by=local_operator("test"))

    def finished() -> bool:
        with store.read() as connection:
            found = jobs.get(connection, job.id)
        return found is not None and found.state == "done"

    wait_until(finished)
    kept = [p.record for p in raw_evidence(store, settings, "s", clock.now_ms())]
    proofs = {record.check: record for record in reversed(kept)}
    by = {record.detail["by"] for record in kept if record.check == "env.validation"}
    assert "a person's request" in by, "the worker's own first check may come before or after"
    assert proofs["env.connections"].detail["connections"]["redis"]["state"] == "ok"
    assert proofs["env.connections"].outcome == "fail", "the application itself does not answer"
