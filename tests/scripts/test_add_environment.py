"""`add_environment.py`: an environment added from the command line; nothing written before it is sound."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.settings import load
from tests.conftest import ROOT

CONFIG = '# ours\n[[environments]]\nname = "prod"\nrole = "production"\nbase_url = "http://p"\n'


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = {"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder / "data")}
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "add_environment.py"), *arguments], capture_output=True, text=True,
        check=False, env=os.environ | given, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_it_is_added_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "greenlight.toml"
    path.write_text(CONFIG)
    words = ("--name", "staging", "--role", "staging", "--base-url", "https://s.example")
    shown = run(tmp_path, *words, "--dry-run")
    assert (shown.returncode, '+name = "staging"' in shown.stdout) == (0, True), shown.stderr
    assert path.read_text() == CONFIG
    done = run(tmp_path, *words, "--yes", "--by", "Ada")
    assert done.returncode == 0, done.stderr
    assert path.read_text().startswith(CONFIG.rstrip())
    assert load({"GREENLIGHT_CONFIG": str(path), "GREENLIGHT_DATA": str(tmp_path)}).names == ("prod", "staging")


def test_a_settings_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    done = run(tmp_path, "--name", "mine", "--role", "other", "--base-url", "http://m", "--yes")
    assert done.returncode == 0, done.stderr
    path = tmp_path / "greenlight.toml"
    assert load({"GREENLIGHT_CONFIG": str(path), "GREENLIGHT_DATA": str(tmp_path)}).names == ("mine",)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--name", "prod", "--base-url", "http://x"), "two environments are named 'prod'"),
        (("--name", "s", "--base-url", "http://u:geheim-9@x"), "base_url"),
        (("--name", "s", "--base-url", "http://x", "--env-file", "none.env"), "does not exist"),
        ((), "name"),
    ],
)
def test_wrong_answers_are_named_and_nothing_is_written(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    path = tmp_path / "greenlight.toml"
    path.write_text(CONFIG)
    done = run(tmp_path, "--role", "staging", *words, "--yes")
    assert done.returncode == 2
    assert said in done.stderr
    assert "geheim-9" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_text() == CONFIG
