"""Pages through Streamlit's own test driver: what they say in each state, from the store alone."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from services import clock
from services.dependencies.model import Check, Reading
from services.dependencies.run import Observation
from services.health import record as ledger
from services.store import Store, workers
from services.store.migrate import migrate
from services.store.workers import Worker
from tests.conftest import ROOT
from tests.patience import PATIENCE_S
from ui import cached, overview


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name in list(os.environ):
        if name.startswith(("GREENLIGHT_", "REDIS_", "INNGEST_", "DATABASE_")):
            monkeypatch.delenv(name)
    config = tmp_path / "greenlight.toml"
    config.write_text(
        '[[environments]]\nname="staging"\nrole="staging"\nbase_url="http://s"\nsimulated=true\n'
        '[[environments]]\nname="production"\nrole="production"\nbase_url="http://p"\n'
    )
    monkeypatch.setenv("GREENLIGHT_CONFIG", str(config))
    monkeypatch.setenv("GREENLIGHT_DATA", str(tmp_path))
    store = Store.open(f"sqlite:///{tmp_path / 'greenlight.db'}")
    forget_cached()
    yield store
    forget_cached()
    store.close()


def forget_cached() -> None:
    """What a page process keeps, forgotten: each test stands for a process of its own."""
    cached.forget_settings()
    cached._opened.cache_clear()
    st.cache_data.clear()
    st.cache_resource.clear()


def see(store: Store, code: str, *, age_s: float = 1, probe: str = "readiness", environment: str = "production",
        checks: tuple[Check, ...] = (), **detail: object) -> None:  # fmt: skip
    reading = Reading(code=code, latency_ms=5.0, detail=detail, checks=checks)
    item = Observation(
        environment=environment, simulated=False, probe=probe, interval_s=30,
        at_ms=clock.now_ms() - int(age_s * 1000), lag_ms=0, reading=reading,
    )  # fmt: skip
    ledger.record(store, [item], ledger.Memory())


def beat(store: Store) -> None:
    now = clock.now_ms()
    with store.write() as connection:
        workers.beat(connection, Worker(id="w", address="http://x", started_ms=now, seen_ms=now))


def shown(page: str = "overview", **query: str) -> str:
    shell = AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=PATIENCE_S)
    for name, value in query.items():
        shell.query_params[name] = value
    shell.run()
    if page != "overview":
        shell.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert not shell.exception
    return " ".join(markup_of(element) for element in (*shell.get("html"), *shell.caption))


def markup_of(element: Any) -> str:
    """An element's text, whether our own markup or Streamlit's."""
    return str(element.body if element.type == "html" else element.value)


PAGES = ["overview", "dependency_health"]


@pytest.mark.parametrize("page", PAGES)
def test_before_the_first_start_the_page_says_what_to_do(data: Store, page: str) -> None:
    text = shown(page)
    assert "The database is not set up yet" in text
    assert "Start the worker once" in text


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_store_says_that_nothing_was_measured_and_no_worker_runs(data: Store, page: str) -> None:
    migrate(data)
    text = shown(page)
    assert "nothing was measured yet" in text
    assert "no worker runs" in text
    assert "python3 start.py" in text


def test_failing_comes_first_with_its_cause_and_the_next_step(data: Store) -> None:
    migrate(data)
    beat(data)
    see(data, "readiness.ok", environment="staging")
    see(data, "readiness.not_ready")
    text = shown()
    assert "production is not ready" in text
    assert "Fix the required dependency that is down" in text
    assert text.index("production") < text.index("staging")


def test_between_a_fault_and_its_confirmation_both_sentences_say_so(data: Store) -> None:
    migrate(data)
    beat(data)
    for environment in ("production", "staging"):
        for probe, code in (("readiness", "readiness.ok"), ("dependencies", "dependencies.ok"), ("redis.ping", "redis.ok"),
                            ("redis.write", "redis.write_ok"), ("redis.info", "redis.info_ok"), ("inngest", "inngest.ok")):  # fmt: skip
            see(data, code, age_s=3, probe=probe, environment=environment)
    refused = Check(name="redis.write", outcome="fail", value="redis.out_of_memory")
    see(data, "redis.out_of_memory", probe="redis.write", checks=(refused,))
    text = shown()
    assert (
        "No-Go for production. Redis refuses writes: its memory is full. It is failing, being confirmed (1 of 3)."
        in text
    )
    assert "production is ready, but failing, being confirmed (1 of 3): Redis refuses writes" in text
    assert "environments are ready" not in text


@pytest.mark.parametrize("page", PAGES)
def test_old_results_are_stale_and_never_green(data: Store, page: str) -> None:
    migrate(data)
    see(data, "readiness.ok", age_s=600)
    text = shown(page, env="production")
    assert "stale" in text
    assert "unknown" in text
    assert "production is ready" not in text


def test_simulated_environments_are_marked(data: Store) -> None:
    migrate(data)
    beat(data)
    see(data, "readiness.ok", environment="staging")
    assert shown(env="staging").count("simulated") >= 2
    assert "Generated for demonstration" not in shown(env="production")


@pytest.mark.parametrize("page", PAGES)
def test_an_unknown_environment_in_the_address_gets_the_list(data: Store, page: str) -> None:
    migrate(data)
    text = shown(page, env="<b>nowhere</b>")
    assert "Choose one of: staging, production" in text
    assert "<b>nowhere" not in text


def test_text_from_outside_is_shown_as_text(data: Store) -> None:
    migrate(data)
    beat(data)
    see(data, "readiness.ok", body={"version": "<img src=x onerror=alert(1)>\n\n# big"})
    see(data, "redis.error", probe="redis.ping", words={})
    for page in PAGES:
        text = shown(page, env="production")
        assert "<img" not in text
        assert "\n" not in "".join(line for line in text.splitlines() if "&lt;img" in line)


def test_a_damaged_database_is_one_sentence(data: Store, tmp_path: Path) -> None:
    (tmp_path / "greenlight.db").write_bytes(b"no database at all" * 100)
    assert "not a database" in shown()


def test_a_database_newer_than_the_code_is_one_sentence(data: Store) -> None:
    migrate(data)
    with data.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert "newer version of Greenlight" in shown()


def test_a_fault_of_ours_is_a_sentence_with_a_reference_into_the_log(
    data: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("planted-secret")

    migrate(data)
    monkeypatch.setattr(overview, "markup", broken)
    text = shown()
    assert "fault in Greenlight" in text
    assert "planted-secret" not in text
    assert "ZeroDivisionError" in caplog.text


def test_every_dependency_has_its_conditions_expected_and_actual(data: Store) -> None:
    migrate(data)
    beat(data)
    see(data, "readiness.ok")
    see(data, "redis.ok", probe="redis.ping")
    see(data, "redis.info_ok", probe="redis.info", facts={"used_memory_bytes": 1_048_576, "max_memory_bytes": None})
    text = shown("dependency_health", env="production")
    assert "within 250 ms" in text
    assert "1 MiB" in text
    assert "not reported" in text


@pytest.fixture
def pressed(data: Store) -> Callable[[], AppTest]:
    def press() -> AppTest:
        shell = AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=PATIENCE_S)
        shell.run()
        shell.switch_page(str(ROOT / "pages" / "dependency_health.py")).run()
        next(b for b in shell.button if b.label == "Probe now").click()
        return shell.run()

    return press


def test_probe_now_leaves_a_request_for_the_worker(data: Store, pressed: Callable[[], AppTest]) -> None:
    migrate(data)
    beat(data)
    pressed()
    with data.read() as connection:
        from services.store import jobs

        job = jobs.open_job(connection, kind="probe", environment="staging")
    assert job is not None
    assert job.requested_by == "local operator (unverified)"


def test_how_work_is_moved_is_told_in_words(data: Store) -> None:
    migrate(data)
    beat(data)
    assert "Run history: not known." in shown("dependency_health", env="staging")
    see(data, "runs.stuck", probe="inngest.runs", kind="cloud", words={"count": 1, "function": "scan", "run": "01X"},
        stuck=[{"id": "01X", "function": "<b>scan</b>", "progress_ms": 5}])  # fmt: skip
    text = shown("dependency_health", env="production")
    assert "Background jobs" in text
    assert "&lt;b&gt;scan" in text, "names from outside are text"


def test_the_tab_says_page_and_state(data: Store) -> None:
    migrate(data)
    assert overview.state_words(None) == "Not enough evidence: production"
    assert overview.state_words("staging") == "Not enough evidence (simulated): staging"
