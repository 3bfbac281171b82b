"""The worker as a process: measures without a browser, loses nothing when killed, leaves in order."""

import hashlib
import hmac
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import jcs
import pytest

from services import clock, requests
from services.access import local_operator
from services.environments import draft, trial
from services.environments.draft import Draft
from services.evidence import chain
from services.health.evaluate import evaluate
from services.health.view import worker_life
from services.settings import load
from services.settings.installation import WORKER_FUNCTIONS
from services.slo.check import check
from services.store import Store, conditions, jobs, samples
from tests.conftest import RealRedis
from tests.patience import PATIENCE_S, wait_until
from tests.worker.conftest import TOKEN, RealWorker

Start = Callable[..., RealWorker]


def open_store(worker: RealWorker) -> Store:
    return Store.open(f"sqlite:///{worker.data / 'greenlight.db'}")


def state(store: Store, probe: str) -> str:
    with store.read() as connection:
        found = {c.probe: c for c in conditions.load(connection, "local")}
    return found[probe].state if probe in found else "missing"


def test_it_measures_itself_and_redis_for_real(start_worker: Start, make_redis: Callable[..., RealRedis]) -> None:
    worker = start_worker(REDIS_URL=make_redis().url)
    worker.wait()
    store = open_store(worker)

    def all_known() -> bool:
        with store.read() as connection:
            found = evaluate("local", conditions.load(connection, "local"), clock.now_ms())
        probes = [probe for d in found.dependencies if d.measured for probe in d.probes]
        return len(probes) == 6 and all(probe.state == "ok" for probe in probes)

    wait_until(all_known)
    with store.read() as connection:
        assert chain.verify(connection) is None
        assert {e.check for e in chain.latest(connection, "local")} >= {"readiness.ready", "redis.ping"}
    body = httpx.get(f"{worker.url}/api/runtime/dependencies", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert body["dependencies"]["inngest"]["route_mounted"] is True
    assert httpx.get(f"{worker.url}/api/runtime/dependencies").status_code == 401


def test_its_inngest_route_is_in_dev_mode_without_a_key(start_worker: Start) -> None:
    worker = start_worker()
    worker.wait()
    body = httpx.get(f"{worker.url}/inngest").json()
    assert (body["mode"], body["function_count"]) == ("dev", WORKER_FUNCTIONS)


def test_it_would_register_its_duties_with_inngest(start_worker: Start) -> None:
    key = "signkey-prod-" + "ab" * 32
    worker = start_worker(INNGEST_SIGNING_KEY=key, INNGEST_EVENT_KEY="event")
    worker.wait()
    url = f"{worker.url}/inngest"
    assert httpx.get(url).status_code == 401
    body = jcs.canonicalize({"url": url})
    at = int(time.time())
    secret = key.removeprefix("signkey-prod-").encode()
    signed = f"t={at}&s={hmac.new(secret, body + str(at).encode(), hashlib.sha256).hexdigest()}"
    headers = {"X-Inngest-Sync-Kind": "in_band", "X-Inngest-Signature": signed}
    answer = httpx.put(url, headers=headers, content=body).json()
    names = {function["id"].removeprefix("greenlight-worker-") for function in answer["functions"]}
    assert names == {
        "probe-environments", "daily-health-check", "replay-canary", "retention", "replay-run", "pulse",
    }  # fmt: skip
    triggers = [t for f in answer["functions"] for t in f["triggers"]]
    assert {t.get("cron") for t in triggers} >= {"0 8 * * *", "*/5 * * * *", "30 3 * * *"}
    assert {t.get("event") for t in triggers} >= {"greenlight/pulse", "greenlight/replay.requested"}
    assert answer["url"] == url
    (fanned,) = (f for f in answer["functions"] if f["id"].endswith("replay-run"))
    assert fanned["concurrency"] == [{"limit": 8}]
    assert all(step["retries"]["attempts"] >= 2 for f in answer["functions"] for step in f["steps"].values())


def test_a_website_drives_no_function_of_it(start_worker: Start) -> None:
    """Without a server configured, nobody calls; with one, no browser does."""
    worker = start_worker()
    worker.wait()
    call = {"event": {"name": "inngest/scheduled.timer", "data": {}}, "events": [], "steps": {}, "ctx": {"attempt": 0}}
    url = f"{worker.url}/inngest?fnId=greenlight-worker-replay-canary&stepId=step"
    assert httpx.post(url, json=call).status_code == 403
    assert httpx.post(url, content="{}", headers={"Content-Type": "text/plain"}).status_code == 403
    configured = start_worker(data=worker.data / "two", INNGEST_DEV="http://127.0.0.1:1")
    configured.wait()
    url = f"{configured.url}/inngest?fnId=greenlight-worker-replay-canary&stepId=step"
    assert httpx.post(url, json=call, headers={"Origin": "https://evil.example"}).status_code == 403
    assert httpx.post(url, json=call, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert httpx.post(url, content="{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert httpx.post(url, json=call).status_code not in {403, 415}
    assert httpx.post(url, json={"x": "y" * (17 << 20)}, timeout=PATIENCE_S).status_code == 413


def test_a_stranger_can_have_it_registered_nowhere(start_worker: Start) -> None:
    worker = start_worker(INNGEST_SIGNING_KEY="signkey-prod-" + "ab" * 32, INNGEST_EVENT_KEY="event")
    worker.wait()
    assert httpx.put(f"{worker.url}/inngest").status_code == 401
    assert httpx.put(f"{worker.url}/inngest", headers={"Host": "evil.example"}).status_code == 400


def test_redis_going_away_turns_it_down_and_coming_back_turns_it_up(
    start_worker: Start, make_redis: Callable[..., RealRedis]
) -> None:
    redis = make_redis()
    worker = start_worker(REDIS_URL=redis.url)
    worker.wait()
    store = open_store(worker)
    wait_until(lambda: state(store, "redis.ping") == "ok")
    redis.stop()
    wait_until(lambda: state(store, "redis.ping") == "down")
    with store.read() as connection:
        found = {c.probe: c for c in conditions.load(connection, "local")}["redis.ping"]
    assert (found.code, found.failures) == ("redis.refused", 3)
    redis.start()
    wait_until(lambda: state(store, "redis.ping") == "ok")


def test_sigterm_ends_it_in_order(start_worker: Start) -> None:
    worker = start_worker()
    worker.wait()
    wait_until(lambda: worker.committed() > 0)
    acknowledged = worker.committed()
    assert worker.stop() == 0
    store = open_store(worker)
    with store.read() as connection:
        assert samples.count(connection) >= acknowledged
        from sqlalchemy import text

        assert connection.execute(text("SELECT count(*) FROM claims WHERE NOT done")).scalar() == 0
        assert connection.execute(text("SELECT count(*) FROM workers")).scalar() == 0
    assert "handed back" in worker.log.read_text()


def test_a_worker_collects_through_transaction_pooling(
    pooled_url: str, start_worker: Callable[..., RealWorker]
) -> None:
    worker = start_worker(DATABASE_URL=pooled_url)
    worker.wait()
    wait_until(lambda: worker.committed() > 5, found=worker.log.read_text)
    assert worker.stop() == 0
    log = worker.log.read_text()
    assert "they are left out: pgbouncer" in log
    assert "Traceback" not in log


def has_committed(worker: RealWorker) -> bool:
    return worker.committed() > 0


def kill_at_random_moments(start: Start, data: Path, times: int, generator: random.Random) -> None:
    """Restart it, let it live for a moment, kill it; whatever it acknowledged must be there, whole and in order."""
    acknowledged = 0
    for number in range(times):
        worker = start(data=data, GREENLIGHT_WORKER_ID="kill")  # the same owner: no waiting for its own lease
        worker.wait()
        if number % 4 == 0:
            wait_until(partial(has_committed, worker))
        give_up = time.monotonic() + generator.uniform(0.02, 1.4)
        acknowledged_now = worker.committed()
        while time.monotonic() < give_up:
            acknowledged_now = worker.committed()
            time.sleep(0.01)
        worker.stop(signal.SIGKILL)
        store = open_store(worker)
        with store.read() as connection:
            held = samples.count(connection)
            assert chain.verify(connection) is None
        store.close()
        assert held >= acknowledged + acknowledged_now, "an acknowledged sample was lost"
        acknowledged = held
        with sqlite3.connect(data / "greenlight.db") as raw:
            assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert acknowledged >= times / 4, "it lived long enough to have something to lose"
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    found = check(store)
    store.close()
    assert found.compared > 0
    assert found.differences == (), "sums and samples are written together or not at all"


def test_sigkill_at_random_moments_loses_nothing(start_worker: Start, tmp_path: Path) -> None:
    kill_at_random_moments(start_worker, tmp_path / "kill", 4, random.Random(7))


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_sigkill_a_thousand_times_loses_nothing(start_worker: Start, tmp_path: Path) -> None:
    kill_at_random_moments(start_worker, tmp_path / "kill", 1000, random.Random(8))


def test_a_second_worker_takes_over_within_a_lease(start_worker: Start, tmp_path: Path) -> None:
    first = start_worker(data=tmp_path / "d")
    first.wait()
    store = open_store(first)
    wait_until(lambda: state(store, "readiness") == "ok")
    second = start_worker(data=tmp_path / "d")
    second.wait()
    before = first.committed()
    assert second.committed() == 0, "while one collects, the other looks on"
    first.stop(signal.SIGKILL)
    wait_until(lambda: second.committed() > 0)
    assert before > 0


def test_probe_now_is_done_by_the_worker_with_progress(start_worker: Start) -> None:
    worker = start_worker()
    worker.wait()
    settings = load({"GREENLIGHT_DATA": str(worker.data)}, root=worker.data)
    store = open_store(worker)
    wait_until(lambda: worker_life(store, clock.now_ms()).alive)
    job = requests.probe_now(store, settings, "local", by=local_operator("test"))
    assert requests.probe_now(store, settings, "local", by=local_operator("test")).id == job.id, (
        "a second press finds the first"
    )

    def found() -> jobs.Job:
        current = requests.find(store, job.id)
        assert current is not None
        return current

    wait_until(lambda: found().state == "done")
    assert (found().done_steps, found().total_steps) == (6, 6)


def test_wrong_settings_end_it_with_the_list_of_problems(start_worker: Start, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('colour = 1\n[[environments]]\nname = "a"\n')
    worker = start_worker(GREENLIGHT_CONFIG=str(tmp_path / "bad.toml"))
    assert worker.process.wait(PATIENCE_S) == 2
    text = worker.log.read_text()
    assert "colour" in text
    assert "base_url" in text
    assert "Traceback" not in text


def test_a_newer_database_ends_it_with_a_sentence(start_worker: Start, tmp_path: Path) -> None:
    first = start_worker(data=tmp_path / "d")
    first.wait()
    first.stop()
    with sqlite3.connect(tmp_path / "d" / "greenlight.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    second = start_worker(data=tmp_path / "d")
    assert second.process.wait(PATIENCE_S) == 2
    assert "newer version of Greenlight" in second.log.read_text()
    assert "Traceback" not in second.log.read_text()


def test_it_says_when_the_store_is_away_and_goes_on_afterwards(start_worker: Start, tmp_path: Path) -> None:
    """A write lock held by another program stands for any trouble that passes: results wait in memory."""
    worker = start_worker(data=tmp_path / "d")
    worker.wait()
    wait_until(lambda: worker.committed() > 0)
    holder = sqlite3.connect(tmp_path / "d" / "greenlight.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    wait_until(lambda: "locked by another program" in worker.log.read_text())
    wait_until(lambda: httpx.get(f"{worker.url}/api/health/ready").status_code == 503)
    held = worker.committed()
    holder.execute("ROLLBACK")
    wait_until(lambda: worker.committed() > held)
    wait_until(lambda: httpx.get(f"{worker.url}/api/health/ready").status_code == 200)
    assert "Traceback" not in worker.log.read_text()


def test_a_foreign_host_name_is_refused(start_worker: Start) -> None:
    worker = start_worker()
    worker.wait()
    assert httpx.get(f"{worker.url}/api/health/ready", headers={"Host": "evil.example"}).status_code == 400


def test_it_keeps_its_record_on_postgresql(start_worker: Start, postgres_url: str) -> None:
    worker = start_worker(DATABASE_URL=postgres_url.replace("postgresql+psycopg", "postgresql"))
    worker.wait()
    wait_until(partial(has_committed, worker))
    assert worker.stop() == 0
    store = Store.open(postgres_url)
    with store.read() as connection:
        assert samples.count(connection) >= 1
        assert chain.verify(connection) is None
        assert chain.latest(connection, "local")
    store.close()


def test_changed_settings_are_taken_up_by_the_same_process_and_wrong_ones_said(
    start_worker: Start, tmp_path: Path
) -> None:
    path = tmp_path / "greenlight.toml"
    one = '[[environments]]\nname = "one"\nbase_url = "http://127.0.0.1:9"\n'
    path.write_text(one)
    worker = start_worker(GREENLIGHT_CONFIG=str(path))
    worker.wait()
    store = open_store(worker)

    def measured(name: str) -> bool:
        with store.read() as connection:
            return bool(conditions.load(connection, name))

    wait_until(lambda: measured("one"), found=worker.log.read_text)
    path.write_text(one + "[[environments\n")
    wait_until(
        lambda: "can't be used as it is" in worker_life(store, clock.now_ms()).trouble, found=worker.log.read_text
    )
    path.write_text(one + one.replace("one", "two"))
    wait_until(lambda: measured("two"), found=worker.log.read_text)
    assert worker.process.poll() is None, "the same process goes on"
    assert "everything was written and handed back" in worker.log.read_text()
    assert worker.stop() == 0


def test_a_draft_is_tried_once_and_counted_nowhere(
    start_worker: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "greenlight.toml"
    path.write_text('[[environments]]\nname = "one"\nbase_url = "http://127.0.0.1:9"\n')
    worker = start_worker(GREENLIGHT_CONFIG=str(path))
    worker.wait()
    store = open_store(worker)
    wait_until(lambda: worker_life(store, clock.now_ms()).alive)
    monkeypatch.setenv("GREENLIGHT_CONFIG", str(path))
    monkeypatch.setenv("GREENLIGHT_DATA", str(worker.data))
    answers_ = {"name": "web", "kind": "http", "url": f"{worker.url}/api/health/live", "required": True}
    plan = draft.plan(Draft(name="two", role="other", base_url=worker.url, dependencies=(answers_,)))
    me = local_operator("test")
    number = draft.keep(store, plan, by=me)
    job = requests.try_draft(store, load(), "two", number, by=me)

    def found() -> jobs.Job:
        current = requests.find(store, job.id)
        assert current is not None
        return current

    wait_until(lambda: found().state in {"done", "failed"}, found=worker.log.read_text)
    assert found().state == "done", found().message
    results = {item.probe: item for item in trial.from_text(found().message)}
    assert results["web"].state == "ok", results["web"]
    assert results["readiness"].state == "ok"
    assert results["redis.ping"].state == "unknown", "it has no address yet, and says so"
    with store.read() as connection:
        assert conditions.load(connection, "two") == ()
    assert path.read_text().count("[[environments]]") == 1
