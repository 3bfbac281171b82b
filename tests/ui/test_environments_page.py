"""The page Environments: what is configured, and adding one up to the written file, without an editor."""

import html
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services import clock, requests
from services.environments import draft, trial
from services.evidence import decisions
from services.store import Store, jobs
from tests.ui import driver
from tests.ui.driver import configured, open_page, press
from ui import cached

CONFIG = (
    '# our settings\n[[environments]]\nname = "prod"   # the one that counts\nrole = "production"\n'
    'base_url = "http://127.0.0.1:9"\n\n[slo]\nok = "Ship."\n'
)


def text_of(shell: AppTest) -> str:
    return html.unescape(driver.text_of(shell))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with configured(tmp_path, monkeypatch, CONFIG) as found:
        yield found


def fill(shell: AppTest, **answers: str) -> AppTest:
    for label, value in answers.items():
        next(w for w in (*shell.text_input, *shell.selectbox) if w.label == label.replace("_", " ")).set_value(value)
    return shell.run()


def test_what_is_configured_is_shown_with_its_file(store: Store, tmp_path: Path) -> None:
    text = text_of(open_page("environments"))
    assert "prod" in text
    assert "http://127.0.0.1:9" in text
    assert str(tmp_path / "greenlight.toml") in text
    assert "nowhere: set env_file or env_prefix" in text


def test_from_answers_to_the_written_file_and_back(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "greenlight.toml"
    shell = fill(open_page("environments"), Name="staging", Address_of_the_application="http://127.0.0.1:8")
    press(shell, "Preview")
    assert '+name = "staging"' in shell.code[0].value
    assert path.read_text() == CONFIG, "a preview writes nothing"
    press(shell, "Add staging")
    written = path.read_text()
    assert written.startswith(CONFIG.rstrip()), "comments, order and layout stay"
    assert "staging was added to greenlight.toml" in text_of(shell)
    cached.forget_settings()
    assert cached.settings().names == ("prod", "staging")
    with store.read() as connection:
        (said,) = decisions.everywhere(connection, draft.KIND)
    assert (said.environment, said.by) == ("staging", "local operator")
    assert "Added to greenlight.toml." in text_of(shell)
    press(shell, "Undo the last write")
    assert path.read_text() == CONFIG


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"Name": "prod", "Address_of_the_application": "http://x"}, "two environments are named"),
        ({"Name": "st aging", "Address_of_the_application": "http://x"}, "name"),
        ({"Name": "staging", "Address_of_the_application": "ftp://x"}, "base_url"),
        ({"Name": "staging", "Address_of_the_application": "http://user:geheim-7@x"}, "base_url"),
        ({"Name": "", "Address_of_the_application": ""}, "name"),
    ],
)
def test_wrong_answers_are_named_and_kept(store: Store, tmp_path: Path, answers: dict[str, str], said: str) -> None:
    shell = press(fill(open_page("environments"), **answers), "Preview")
    text = text_of(shell)
    assert "This can't be added as it is." in text
    assert said in text
    assert "geheim-7" not in text
    assert next(w for w in shell.text_input if w.label == "Name").value == answers["Name"], "what was typed is kept"
    assert (tmp_path / "greenlight.toml").read_text() == CONFIG


def test_a_file_that_cant_be_written_is_given_to_copy(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "writable", lambda _path: False)
    shell = fill(open_page("environments"), Name="staging", Address_of_the_application="http://127.0.0.1:8")
    press(shell, "Preview")
    assert "can't be written from here" in text_of(shell)
    assert any(code.value.startswith("[[environments]]") for code in shell.code)
    assert not any(button.label.startswith("Add ") for button in shell.button)


def test_the_worker_is_asked_to_test_it_and_its_findings_are_shown(store: Store) -> None:
    shell = fill(open_page("environments"), Name="staging", Address_of_the_application="http://127.0.0.1:8")
    press(shell, "Preview")
    press(shell, "Test it")
    with store.write() as connection:
        job = jobs.claim(connection, "w", now_ms=clock.now_ms(), lease_ms=60_000, environments=("prod",))
    assert job is not None
    assert job.kind == requests.TRY
    name, _, number = job.message.partition(" ")
    assert trial.drafted(store, name, int(number)).base_url == "http://127.0.0.1:8"
    found = (trial.Tried(probe="readiness", dependency="readiness", state="down", what="It refuses.", fix="Start it.",
                         latency_ms=None),)  # fmt: skip
    with store.write() as connection:
        jobs.finish(connection, job.id, "w", state="done", message=trial.as_text(found), now_ms=clock.now_ms())
    text = text_of(shell.run())
    assert "It refuses." in text
    assert "Start it." in text


def test_changed_settings_are_taken_up_and_wrong_ones_said(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached, "FRESH_S", 0.0)
    path = tmp_path / "greenlight.toml"
    assert cached.settings().names == ("prod",)
    path.write_text(CONFIG + '[[environments]]\nname = "more"\nbase_url = "http://m"\n')
    assert cached.settings().names == ("prod", "more")
    path.write_text(CONFIG + "[[environments\n")
    assert cached.settings().names == ("prod", "more"), "the ones from before count"
    assert "can't be used" in text_of(open_page("environments"))
    path.write_text(CONFIG + '[portal]\nbase_path = "/x"\n')
    assert cached.settings().names == ("prod",)
    assert cached.settings_trouble() == "Restart Greenlight to use the changed [portal]."
