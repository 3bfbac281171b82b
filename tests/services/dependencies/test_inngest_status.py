"""How work moves: what a restart would lose in each mode, who has the schedules, stuck runs and the way out."""

from pathlib import Path

import pytest

from services import clock
from services.dependencies.inngest.status import document, moving
from services.dependencies.model import Reading
from services.dependencies.run import Observation
from services.health import record as ledger
from services.settings import load
from services.settings.model import Settings
from services.store import Store, schedules

EVENT = "INNGEST_EVENT_KEY"


def settings(folder: Path, inngest: str = "", **variables: str) -> Settings:
    (folder / "p.env").write_text("INNGEST_EVENT_KEY=e\nINNGEST_SIGNING_KEY=abcd\n")
    (folder / "greenlight.toml").write_text(
        f'[[environments]]\nname = "p"\nbase_url = "http://p"\nenv_file = "p.env"\n{inngest}\n'
    )
    return load(variables | {"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder)})


def told(store: Store, probe: str, code: str, **detail: object) -> None:
    item = Observation(environment="p", simulated=False, probe=probe, interval_s=60, at_ms=clock.now_ms(), lag_ms=0,
                       reading=Reading(code=code, detail=detail))  # fmt: skip
    ledger.record(store, [item], ledger.Memory())


@pytest.mark.parametrize(
    ("kind", "title"),
    [("dev", "Ephemeral"), ("start", "History persistent, queue not known"), ("cloud", "Persistent, at Inngest Cloud"),
     (None, "Not known")],
)  # fmt: skip
def test_what_a_restart_would_lose_is_what_the_server_is(
    sqlite_store: Store, tmp_path: Path, kind: str | None, title: str
) -> None:
    told(sqlite_store, "inngest.runs", "runs.ok", kind=kind)
    found = moving(sqlite_store, settings(tmp_path), "p", clock.now_ms())
    assert found.title == title
    assert found.loses


def test_our_own_server_is_known_from_how_it_was_started(sqlite_store: Store, tmp_path: Path) -> None:
    base = {"GREENLIGHT_DATA": str(tmp_path)}
    assert moving(sqlite_store, load(base, root=tmp_path), "local", clock.now_ms()).kind == "none"
    for mode, kind in (("dev", "dev"), ("production", "persistent")):
        (tmp_path / "stack.json").write_text(
            f'{{"inngest": "{mode}", "inngest_mode": "{"dev" if mode == "dev" else "cloud"}", "inngest_url": "http://127.0.0.1:8288"}}'
        )
        assert moving(sqlite_store, load(base, root=tmp_path), "local", clock.now_ms()).kind == kind


def test_a_simulated_environment_s_made_up_key_goes_nowhere(tmp_path: Path) -> None:
    (made,) = settings(tmp_path, "simulated = true").environments
    assert made.server is None


def test_a_pulse_goes_where_the_worker_s_own_server_and_event_key_are(tmp_path: Path) -> None:
    own = {"INNGEST_BASE_URL": "http://127.0.0.1:8288", "INNGEST_SIGNING_KEY": "abcd", EVENT: "e"}
    url = 'inngest = { api_url = "http://127.0.0.1:8288" }'
    (shared,) = settings(tmp_path, url, **own).environments
    other_key, _ = settings(tmp_path, url, **own | {EVENT: "f"}).environments
    cloud, beside = settings(tmp_path, "", **own).environments
    assert [e.server.pulsed for e in (shared, other_key, cloud, beside) if e.server] == [True, False, False, True]
    assert beside.is_own, "no environment shares it, but the hand-over needs a pulse"


def test_stuck_runs_come_with_commands_that_name_the_key_and_don_t_hold_it(sqlite_store: Store, tmp_path: Path) -> None:
    told(sqlite_store, "inngest.runs", "runs.stuck", stuck=[{"id": "01X", "function": "scan", "progress_ms": 5}])
    found = moving(sqlite_store, settings(tmp_path), "p", clock.now_ms())
    (stuck,) = found.stuck
    assert stuck.commands == (
        'curl -X POST -H "Authorization: Bearer $INNGEST_SIGNING_KEY" https://api.inngest.com/v2/runs/01X/cancel',
        'curl -X POST -H "Authorization: Bearer $INNGEST_SIGNING_KEY" https://api.inngest.com/v2/runs/01X/rerun',
    )
    assert document(found)["stuck"][0]["function"] == "scan"


def test_who_has_the_schedules_follows_the_pulse(sqlite_store: Store, tmp_path: Path) -> None:
    own = {"INNGEST_BASE_URL": "http://127.0.0.1:8288", "INNGEST_SIGNING_KEY": "abcd", EVENT: "e"}
    chosen = settings(tmp_path, 'inngest = { api_url = "http://127.0.0.1:8288" }', **own)
    with sqlite_store.write() as connection:
        schedules.begin(connection, task="retention", due_ms=1, by="inngest", worker="w", now_ms=2)
        schedules.end(connection, task="retention", due_ms=1, worker="w", outcome="done", now_ms=3)
    now = clock.now_ms()
    assert moving(sqlite_store, chosen, "p", now).scheduler == "fallback"
    told(sqlite_store, "inngest.pulse", "pulse.ok")
    found = moving(sqlite_store, chosen, "p", clock.now_ms())
    assert (found.scheduler, found.schedules[0].outcome, found.schedules[0].by) == ("inngest", "done", "inngest")
    assert moving(sqlite_store, chosen, "p", clock.now_ms() + 130_000).scheduler == "fallback", "a stale pulse"
