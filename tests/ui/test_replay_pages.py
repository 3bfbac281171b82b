"""Replay harness, driven through Streamlit: start, live progress, verdict, cases, baseline, and when there is nothing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services import clock
from services.replay import runs
from services.store import Store, replays
from tests.services.replay.test_runs import Scripted, begin, make_set, runner
from tests.ui.driver import configured, open_page, press, text_of
from tests.ui.test_pages import forget_cached


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    config = '[[environments]]\nname="production"\nbase_url="http://p"\n'
    with configured(tmp_path, monkeypatch, config) as store:
        yield store


def opened(**query: str) -> AppTest:
    return open_page("replay_harness", **query)


def finished(store: Store, folder: Path, wrong: tuple[str, ...] = ()) -> str:
    begun = begin(store, make_set(folder))
    asyncio.run(runner(store, begun, Scripted(wrong=wrong)).work())
    runs.conclude(store, begun.run)
    return begun.run.id


def test_before_the_first_run_the_page_says_what_to_do(data: Store) -> None:
    assert "No replay was run yet" in text_of(opened())


def test_a_started_run_waits_in_the_store_for_a_worker(data: Store) -> None:
    shell = press(opened(), "Start replay")
    with data.read() as connection:
        run = replays.newest(connection)[0]
    assert (run.state, run.runner, run.agent, run.total) == ("queued", "worker", "reference", 50)
    assert run.requested_by == "local operator (unverified)"
    text = text_of(shell)
    assert "0 of 50 answers" in text
    assert "Waiting for a worker" in text


def test_a_link_from_the_checklist_has_chosen_that_environment_s_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = (
        '[replay]\nagents = [{ name = "prod swarm", url = "http://p/agent", environment = "prod" }]\n'
        '[[environments]]\nname = "prod"\nbase_url = "http://p"\n'
        '[[environments]]\nname = "stage"\nbase_url = "http://s"\n'
    )
    with configured(tmp_path, monkeypatch, config):
        plain, linked, without = opened(), opened(env="prod"), opened(env="stage")
        assert (plain.selectbox[0].value, linked.selectbox[0].value) == ("reference", "prod swarm")
        assert "This agent isn't linked to an environment; the run won't count toward a verdict." in text_of(plain)
        assert "This agent is prod's: what it achieves counts there." in text_of(linked)
        assert "stage has no agent here yet" in text_of(without)
        some = linked.selectbox[1].select("canary").run()
        assert "Only a run of all cases counts for the Go." in text_of(some)


def test_progress_is_shown_to_whoever_opens_the_address_and_can_be_stopped(data: Store, tmp_path: Path) -> None:
    begun = begin(data, make_set(tmp_path))
    with data.write() as connection:
        replays.claim(connection, begun.run.id, "w", limit=2, now_ms=clock.now_ms(), lease_ms=1000)
        body = '{"case_id":"c0"}'
        replays.finish(connection, begun.run.id, "w", [replays.Finished(position=0, outcome="passed", body=body)])
    shell = opened(run=begun.run.id)
    assert "1 of 20 answers" in text_of(shell)
    press(shell, "Cancel the run")
    with data.read() as connection:
        assert replays.state_of(connection, begun.run.id) == "cancelled"


def test_a_blocked_run_says_so_first_and_lists_what_failed(data: Store, tmp_path: Path) -> None:
    run_id = finished(data, tmp_path, wrong=("c3", "c5"))
    text = text_of(opened(run=run_id))
    assert "scripted: blocked" in text
    assert "18 of 20 cases passed" in text
    assert text.index("c3") < text.index("the text lacks")
    assert ">c4<" not in text, "only what did not pass is shown at first"
    assert ">c4<" in text_of(opened(run=run_id, show="all"))


def test_a_case_opens_with_what_was_said_and_why(data: Store, tmp_path: Path) -> None:
    run_id = finished(data, tmp_path, wrong=("c3",))
    shell = opened(run=run_id, case="c3")
    assert "the text lacks &#x27;done&#x27;" in text_of(shell)
    assert any(code.value == "wrong" for code in shell.code)


def test_a_run_becomes_the_baseline_and_the_next_is_compared_with_it(data: Store, tmp_path: Path) -> None:
    first = finished(data, tmp_path)
    press(opened(run=first), "Make it the baseline")
    second = finished(data, tmp_path, wrong=tuple(f"c{n}" for n in range(8)))
    text = text_of(opened(run=second))
    assert f"Compared with {first}" in text
    assert "The drop is real" in text
    assert "baseline" in text_of(opened())


def test_scoring_again_is_one_press(data: Store, tmp_path: Path) -> None:
    run_id = finished(data, tmp_path)
    press(opened(run=run_id), "Score again")
    with data.read() as connection:
        run = replays.get(connection, run_id)
    assert run is not None
    assert run.summary["rescored_ms"]


def test_an_unknown_run_or_case_is_a_sentence(data: Store, tmp_path: Path) -> None:
    assert "There is no run" in text_of(opened(run="<b>nope</b>"))
    assert "<b>nope" not in text_of(opened(run="<b>nope</b>"))
    assert "has no case" in text_of(opened(run=finished(data, tmp_path), case="nope"))


def test_an_unsound_golden_set_is_a_sentence_and_the_list_stays(data: Store, tmp_path: Path) -> None:
    run_id = finished(data, tmp_path)
    (tmp_path / "broken.json").write_text("{}")
    config = tmp_path / "greenlight.toml"
    config.write_text('[replay]\ngolden = "broken.json"\n' + config.read_text())
    forget_cached()
    text = text_of(opened())
    assert "golden set can&#x27;t be used" in text
    assert run_id in text


def test_the_headline_is_the_newest_run_that_counts_and_experiments_are_listed_as_such(
    data: Store, tmp_path: Path
) -> None:
    finished(data, tmp_path)  # from somebody's command line: of no environment
    text = text_of(opened())
    assert "No run that counts for an environment has finished yet." in text
    assert "experiment" in text
    with data.write() as connection:
        connection.execute(replays.replay_runs.update().values(environment="prod"))
    assert "for prod: passed" in text_of(opened())
    finished(data, tmp_path, wrong=("lead-01",))
    assert "for prod: passed" in text_of(opened()), "the newer experiment is no headline"


def test_a_run_says_which_it_is_what_flipped_and_can_be_run_again(data: Store, tmp_path: Path) -> None:
    first = finished(data, tmp_path)
    second = finished(data, tmp_path, wrong=("c1",))
    shell = opened(run=second, against=first)
    text = text_of(shell)
    assert "an experiment: it counts for no environment" in text
    assert f"Flipped against {first}" in text
    assert "failed now, passed before" in text
    assert any(button.label == "Run again" for button in shell.button)


def test_scored_again_the_verdict_before_stands_beside_and_a_baseline_can_be_undone(
    data: Store, tmp_path: Path
) -> None:
    first, second = finished(data, tmp_path), finished(data, tmp_path)
    shell = press(opened(run=first), "Score again")
    text = text_of(shell)
    assert "Earlier verdicts of this run" in text
    assert "scored again" in text
    press(opened(run=first), "Make it the baseline")
    shell = press(opened(run=second), "Make it the baseline")
    assert "This run is the baseline now" in text_of(shell)
    shell = press(shell, "Undo")
    assert f"Run {first} is the baseline again." in text_of(shell)
    with data.read() as connection:
        run = replays.get(connection, first)
        assert run is not None
        assert replays.baseline(connection, run.golden_name, run.agent) == first
