"""The settings as evidence: what keeps deploys from interrupting work is a step of the checklist."""

from pathlib import Path

from services import clock
from services.deploys import proof
from services.deploys.view import view
from services.evidence import chain
from services.settings import load
from services.settings.model import Settings
from services.store import Store, durations, samples
from services.store.durations import RAN, RUN, STEP
from services.store.samples import Sample

SET = "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS={}\nRAILWAY_DEPLOYMENT_DRAINING_SECONDS={}\n"


def settings(folder: Path, env: str) -> Settings:
    (folder / "p.env").write_text(env)
    (folder / "greenlight.toml").write_text('[[environments]]\nname = "p"\nbase_url = "http://p"\nenv_file = "p.env"\n')
    return load({"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder / "data")})


def proven(store: Store, found: Settings, *, asked: bool = True) -> tuple[str, str, object]:
    proof.keep(store, found, found.environment("p"), clock.now_ms(), asked=asked)
    with store.read() as connection:
        record = chain.newest(connection, "p", proof.CHECK)
    assert record is not None
    return record.outcome, record.code, record.value


def test_an_unknown_platform_proves_nothing_and_its_page_says_so(sqlite_store: Store, tmp_path: Path) -> None:
    found = settings(tmp_path, "")
    assert proven(sqlite_store, found) == ("unknown", "unnamed", None)
    page = view(sqlite_store, found, "p", clock.now_ms())
    assert [f.code for f in page.findings] == ["unnamed"]
    assert not page.is_named


def test_settings_hold_where_they_cover_what_was_measured(sqlite_store: Store, tmp_path: Path) -> None:
    assert proven(sqlite_store, settings(tmp_path, SET.format(20, 3))) == ("pass", "", 23)
    now = clock.now_ms()
    made = [Sample(environment="p", sli=durations.name(prefix, "scan", step), at_ms=now - n * 60_000, value=45.0,
                   good=True) for n in range(100) for prefix, step in ((STEP, "ask"), (RUN, ""), (RAN, ""))]  # fmt: skip
    with sqlite_store.write() as connection:
        samples.append(connection, made, {})
    assert proven(sqlite_store, settings(tmp_path, SET.format(20, 3))) == ("fail", "too_short", 23)
    assert proven(sqlite_store, settings(tmp_path, SET.format(20, 60))) == ("pass", "", 80)
    assert proven(sqlite_store, settings(tmp_path, SET.format(20, "long"))) == ("fail", "draining_no_number", 20)
    assert proven(sqlite_store, settings(tmp_path, "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS=5\n"))[1] == "draining_unset"


def test_it_is_written_when_it_says_something_new(sqlite_store: Store, tmp_path: Path) -> None:
    found = settings(tmp_path, SET.format(300, 180))
    now, environment = clock.now_ms(), found.environment("p")
    assert proof.keep(sqlite_store, found, environment, now)
    assert not proof.keep(sqlite_store, found, environment, now + 60_000)
    assert proof.keep(sqlite_store, found, environment, now + clock.HOUR_MS)
    assert proof.keep(sqlite_store, found, environment, now + clock.HOUR_MS + 1000, asked=True)
