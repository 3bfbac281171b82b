"""The written summary of a morning: dependencies, queues, errors, budgets; once for each due moment."""

from dataclasses import replace
from pathlib import Path

from services import clock, summary
from services.dependencies.model import Reading, RunSeen
from services.evidence import chain
from services.health import record as ledger
from services.settings import load
from services.settings.model import Settings
from services.store import Store
from tests.services.health.test_record import seen


def settings(folder: Path) -> Settings:
    (folder / "greenlight.toml").write_text(
        '[[environments]]\nname = "e"\nbase_url = "http://127.0.0.1:9"\n'
        'queues = [{ name = "email", kind = "stream", key = "q" }]\n'
    )
    return load({"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder)})


def test_it_says_what_was_measured_and_no_more(store: Store, tmp_path: Path) -> None:
    now = clock.now_ms()
    runs = tuple(
        RunSeen(id=f"r{n}", app="a", function="a-scan", status=status, queued_ms=now - 605_000, started_ms=now - 604_000,
                ended_ms=now - 600_000)
        for n, status in enumerate(("COMPLETED", "FAILED", "COMPLETED"))
    )  # fmt: skip
    listed = replace(seen(now / 1000), probe="inngest.runs", reading=Reading(code="runs.ok", runs=runs))
    ledger.record(store, [seen(now / 1000), listed], ledger.Memory())
    (headline,) = summary.write(store, settings(tmp_path), due_ms=now)
    found = summary.newest(store, "e")
    assert found is not None
    text = found[1]
    assert headline.startswith("e: ")
    assert "readiness: ok" in text
    assert "Inngest function a-scan: 1 of 3 runs failed." in text
    assert "Inngest run success: 1 of 3 bad (33.33 %)." in text
    assert "**Error budgets**" in text
    assert "email: its depth is not known." in text
    assert "ready, policy" not in headline.replace("not ready", ""), "what was never measured is not ready"


def test_a_due_moment_is_written_once_whoever_tries_again(store: Store, tmp_path: Path) -> None:
    wanted, due = settings(tmp_path), clock.now_ms()
    assert len(summary.write(store, wanted, due_ms=due)) == 1
    assert summary.write(store, wanted, due_ms=due) == ()
    assert len(summary.write(store, wanted, due_ms=due + 1)) == 1
    with store.read() as connection:
        assert len([r for _, _, r in chain.history(connection, "e", limit=10) if r.check == summary.CHECK]) == 2
