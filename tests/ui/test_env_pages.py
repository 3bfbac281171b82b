"""Env diff, driven through Streamlit: compare, validate, write, undo; and what it says when there is nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services.evidence import chain
from services.store import Store, jobs
from tests.services.envs.test_rules import GOOD
from tests.ui.driver import configured, open_page, press, text_of
from tests.ui.test_pages import forget_cached

GOOD_TEXT = "".join(f"{key}={value}\n" for key, value in GOOD.items())


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name in ("staging", "production"):
        (tmp_path / f"{name}.env").write_text(GOOD_TEXT.replace("production", name))
        (tmp_path / f"{name}.env").chmod(0o600)
    with configured(tmp_path, monkeypatch, config('env_file="staging.env"', 'env_file="production.env"')) as store:
        yield store


def config(first: str, second: str) -> str:
    return (
        f'[[environments]]\nname="staging"\nrole="staging"\nbase_url="http://s"\n{first}\n'
        f'[[environments]]\nname="production"\nrole="production"\nbase_url="http://p"\n{second}\n'
    )


def configure(folder: Path, first: str, second: str) -> None:
    (folder / "greenlight.toml").write_text(config(first, second))


def opened(**query: str) -> AppTest:
    return open_page("env_diff", **query)


def test_the_worst_comes_first_and_says_what_to_do(data: Store) -> None:
    text = text_of(opened())
    assert "staging and production: 5 errors and 1 warning in" in text
    assert "First: REDIS_URL is one secret in staging and production" in text
    assert "CONTEXT_REDIS_PREFIX" not in text, "only problems are shown at first"
    assert "CONTEXT_REDIS_PREFIX" in text_of(opened(show="all"))


def test_no_value_gets_into_the_page(data: Store) -> None:
    for view in ("compare", "validate", "write"):
        text = text_of(opened(view=view, env="production", show="all"))
        for value in ("redis.acme.io", "evt-key", "a-long-random-token", "00112233"):
            assert value not in text


def test_without_env_files_the_page_says_how_to_get_them(data: Store, tmp_path: Path) -> None:
    configure(tmp_path, "", "")
    forget_cached()
    assert "set env_file in greenlight.toml" in text_of(opened())
    assert "Set env_file for it in greenlight.toml" in text_of(opened(view="validate"))


def test_a_side_that_cannot_be_read_is_left_out_by_name(data: Store, tmp_path: Path) -> None:
    opened()  # the settings are read while the file is there
    (tmp_path / "staging.env").unlink()
    assert "staging.env does not exist" in text_of(opened())


def test_pasted_text_is_one_more_side(data: Store) -> None:
    shell = opened()
    shell.text_area[0].set_value("REDIS_URL=rediss://default:pw@redis.acme.io:6379\n")
    text = text_of(shell.run())
    assert "pasted" in text
    assert "staging, production and pasted" in text


def test_a_search_that_finds_nothing_says_so(data: Store) -> None:
    shell = opened()
    next(t for t in shell.text_input if t.label == "Search").set_value("no such key")
    assert "No key matches" in text_of(shell.run())


def test_a_validation_shows_findings_and_asks_for_a_live_check(data: Store) -> None:
    text = text_of(opened(view="validate", env="production"))
    assert "The configuration of production fails" in text
    assert "same as in staging" in text
    assert "press Validate now" in text


def test_validate_now_leaves_a_request_for_the_worker(data: Store) -> None:
    press(opened(view="validate", env="production"), "Validate now")
    with data.read() as connection:
        assert jobs.open_job(connection, kind="validate", environment="production") is not None


def fill(shell: AppTest, **values: str) -> AppTest:
    for key, value in values.items():
        next(t for t in shell.text_input if t.label == key).set_value(value)
    return press(shell, "Preview")


def test_nothing_is_written_before_the_preview_was_seen(data: Store, tmp_path: Path) -> None:
    before = (tmp_path / "production.env").read_bytes()
    shell = fill(opened(view="write", env="production"), REDIS_URL="rediss://default:planted@own.io:6379")
    text = text_of(shell)
    assert "REDIS_URL already has a value" in text
    assert "planted" not in text
    assert (tmp_path / "production.env").read_bytes() == before


def test_form_preview_write_validated_again_and_undone(data: Store, tmp_path: Path) -> None:
    path = tmp_path / "production.env"
    before = path.read_bytes()
    shell = opened(view="write", env="production")
    shell.multiselect[0].select("REDIS_URL")
    shell = fill(shell, REDIS_URL="rediss://default:planted@own.io:6379")
    assert "1 key would change in production.env" in text_of(shell)
    shell = press(shell, "Write the file")
    text = text_of(shell)
    assert "production.env was written. The file as it was is kept" in text
    assert "redeploy: nothing applies before" in text
    assert b"REDIS_URL=rediss://default:planted@own.io:6379\n" in path.read_bytes()
    with data.read() as connection:
        proof = chain.history(connection, "production", check="env.validation")[0][2]
    assert proof.detail["by"] == "local operator (unverified)"
    assert "planted" not in str(proof)
    shell = press(shell, "Undo the last write")
    assert "is as it was before" in text_of(shell)
    assert path.read_bytes() == before


def test_what_was_typed_for_a_filled_key_is_kept_and_replaces_it_when_asked(data: Store, tmp_path: Path) -> None:
    typed = "rediss://default:planted@own.io:6379"
    shell = fill(opened(view="write", env="production"), REDIS_URL=typed)
    assert "REDIS_URL already has a value" in text_of(shell)
    shell = press(shell, "Back")
    assert next(t for t in shell.text_input if t.label == "REDIS_URL").value == typed, "input survives the way back"
    shell = press(press(shell, "Preview"), "Replace REDIS_URL")
    assert "1 key would change in production.env" in text_of(shell)
    press(shell, "Write the file")
    assert f"REDIS_URL={typed}\n".encode() in (tmp_path / "production.env").read_bytes()


def test_a_value_that_validation_would_refuse_is_refused_in_the_preview(data: Store, tmp_path: Path) -> None:
    before = (tmp_path / "production.env").read_bytes()
    shell = opened(view="write", env="production")
    shell.multiselect[0].select("REDIS_URL")
    shell = fill(shell, REDIS_URL="http://own.io")
    text = text_of(shell)
    assert "t be written: REDIS_URL" in text
    assert "REDIS_URL" in text
    assert "Write the file" not in [button.label for button in shell.button]
    assert (tmp_path / "production.env").read_bytes() == before


def test_a_value_that_cannot_be_written_is_refused_in_words(data: Store) -> None:
    shell = opened(view="write", env="production")
    shell.multiselect[0].select("REDIS_URL")
    shell = fill(shell, REDIS_URL="rediss://${PLANTED}")
    text = text_of(shell)
    assert "This can&#x27;t be written" in text
    assert "PLANTED" not in text


def test_a_wrong_team_catalogue_is_one_sentence(data: Store, tmp_path: Path) -> None:
    (tmp_path / "greenlight.keys.toml").write_text('[[keys]]\nname = "A"\nkind = "colour"\n')
    forget_cached()
    assert "has the kind" in text_of(opened())
