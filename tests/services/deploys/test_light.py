"""Whether now is a good moment; what a deploy would cut; what past ones did."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from services import clock
from services.dependencies.inngest.flight import InFlight
from services.deploys import gate, history
from services.deploys.light import light, words
from services.deploys.view import document, view
from services.settings import load
from services.store import Store, deploys, durations, heartbeats, spans
from services.store.deploys import Deploy
from services.store.spans import ENVIRONMENT, Span
from tests.conftest import Served
from tests.services.dependencies.test_inngest_control import environment
from tests.services.dependencies.test_inngest_server import KEY, Fake, row
from tests.services.dependencies.test_inngest_status import told

NOW = 1_800_000_000_000
Serve = Callable[..., Served]


def flying(since_ms: int) -> InFlight:
    return InFlight(id="r", function="scan", since_ms=NOW - since_ms)


def test_runs_that_sleep_are_interrupted_by_nothing() -> None:
    found = light([], {}, as_of_ms=NOW, idle=2)
    assert found.clear is True
    assert words(found)[0].endswith("interrupts nothing now. 2 runs sleep or wait.")


def test_nothing_at_work_is_clear_and_says_so() -> None:
    found = light([], {}, as_of_ms=NOW)
    assert found.clear is True
    assert words(found)[0] == "Nothing is at work: a deploy interrupts nothing now."


def test_the_time_left_is_read_off_runs_that_took_longer() -> None:
    took = {"scan": durations.of("scan", [10.0] * 50 + [100, 110, 120, 130, 200])}
    found = light([flying(60_000)], took, as_of_ms=NOW)
    assert (found.clear_in_s, found.within_s) == (pytest.approx(60, abs=1.3), pytest.approx(70, abs=1.3))
    assert "clear in about 6" in words(found)[0]
    found = light([flying(60_000), flying(150_000)], took, as_of_ms=NOW)
    assert (found.oldest_ms, found.clear_in_s) == (NOW - 150_000, pytest.approx(60, abs=1.3))


def test_too_little_known_is_said_and_never_a_number() -> None:
    for times in ([], [1.0, 2.0], [1.0] * 40):
        found = light([flying(60_000)], {"scan": durations.of("scan", times)}, as_of_ms=NOW)
        assert (found.clear, found.clear_in_s) == (False, None)
        assert "too few such runs are known" in words(found)[0]


def test_waiting_has_a_latest_moment() -> None:
    took = {"scan": durations.of("scan", [5000.0, 5001, 5002, 5003, 5004])}
    assert "costs more than it saves" in words(light([flying(0)], took, as_of_ms=NOW))[1]


def test_what_came_after_a_deploy_is_measured_and_no_more(sqlite_store: Store) -> None:
    at = NOW - 3_600_000 * 5

    def span(state: str, low: int, high: int) -> Span:
        return Span(environment="p", probe=ENVIRONMENT, state=state, code="", from_ms=at + low, until_ms=at + high)

    with sqlite_store.write() as connection:
        for version, when in (("one", at), ("two", at + 3_600_000 * 2), ("three", NOW - 1000)):
            deploys.note(connection, Deploy(environment="p", at_ms=when, version=version, source="seen"))
        spans.insert_all(connection, [span("not_ready", 0, 42_000), span("ready", 42_000, 3_600_000)])
    with sqlite_store.read() as connection:
        newest, second, first = history.read(connection, "p", NOW)
    assert (first.after.gap_s, first.after.healthy_after_s, first.is_confirmed) == (42, 42, True)
    assert (second.after.gap_s, second.is_confirmed) == (None, None), "nobody looked"
    assert newest.is_confirmed is None, "its 15 minutes are not over"
    assert history.a_month((newest, second, first), NOW) == pytest.approx(3 * 30 / 7)
    assert history.a_month((newest,), NOW) is None


SETTINGS = """
[deploys]
files = ["railway.json"]
[[environments]]
name = "p"
base_url = "http://p"
env_file = "p.env"
inngest = {{ api_url = "{url}" }}
"""


def settings_file(folder: Path, url: str) -> dict[str, str]:
    (folder / "p.env").write_text(f"INNGEST_SIGNING_KEY={KEY}\n")
    (folder / "railway.json").write_text('{"deploy": {"overlapSeconds": 30}}')
    (folder / "greenlight.toml").write_text(SETTINGS.format(url=url))
    return {"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder / "data")}


def test_the_page_s_model_is_read_from_store_and_files(sqlite_store: Store, tmp_path: Path) -> None:
    settings = load(settings_file(tmp_path, "http://127.0.0.1:9"))
    found = view(sqlite_store, settings, "p", clock.now_ms())
    assert found.light.clear is None
    told(sqlite_store, "inngest.runs", "runs.ok", running=[["01A", "scan", clock.now_ms() - 5000]])
    found = view(sqlite_store, settings, "p", clock.now_ms())
    assert (found.light.clear, found.light.at_work[0].function) == (False, "scan")
    assert view(sqlite_store, settings, "p", clock.now_ms() + 3_600_000).light.clear is None, "too old to speak for now"
    made = json.loads(json.dumps(document(found)))
    assert made["light"]["in_flight"][0]["run_id"] == "01A"
    assert {"draining_unset"} <= {item["code"] for item in made["findings"]}


def test_a_job_that_reports_is_at_work_from_its_start_to_its_end(sqlite_store: Store, tmp_path: Path) -> None:
    variables = settings_file(tmp_path, "http://127.0.0.1:9")
    file = tmp_path / "greenlight.toml"
    table = '[[environments.dependencies]]\nname = "nightly"\nkind = "heartbeat"\nevery = "1d"\n'
    file.write_text(file.read_text() + table)
    settings = load(variables)
    now = clock.now_ms()
    with sqlite_store.write() as connection:
        for n in range(6):
            for signal, at in (("start", now - 1_000_000 + n * 1000), ("ok", now - 1_000_000 + n * 1000 + 400)):
                heartbeats.append(connection, "p", "nightly", at_ms=at, signal=signal, exit_status=None, note="")  # type: ignore[arg-type]
        heartbeats.append(connection, "p", "nightly", at_ms=now - 100, signal="start", exit_status=None, note="")
    told(sqlite_store, "inngest.runs", "runs.ok", running=[])
    found = view(sqlite_store, settings, "p", clock.now_ms()).light
    (run,) = found.at_work
    assert (found.clear, run.function) == (False, "nightly")
    with sqlite_store.write() as connection:
        heartbeats.append(connection, "p", "nightly", at_ms=now, signal="fail", exit_status=1, note="")
    assert view(sqlite_store, settings, "p", clock.now_ms()).light.clear is True


def test_the_gate_waits_until_nothing_is_at_work(serve: Serve) -> None:
    fake = Fake()
    fake.rows = [row("01A", "RUNNING", ended_s=None)]
    seen = []

    def progress(found: object) -> None:
        seen.append(found)
        fake.rows.clear()

    at = environment(serve(fake.app()).url)
    found = asyncio.run(gate.wait(at, None, wait_s=60, progress=progress, pause_s=0.01))
    assert (found.clear, len(seen)) == (True, 1)
    fake.rows = [row("01A", "RUNNING", ended_s=None), row("p", "RUNNING", ended_s=None, function={"name": "pulse"})]
    found = asyncio.run(gate.wait(at, None, wait_s=0, progress=progress, pause_s=0.01))
    assert [run.run_id for run in found.at_work] == ["01A"], "our own pulse interrupts nobody"
