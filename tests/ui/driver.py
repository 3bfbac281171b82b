"""Pages driven through Streamlit's own test driver: a store and settings of their own, open, read, press."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services.store import Store
from services.store.migrate import migrate
from tests.conftest import ROOT
from tests.patience import PATIENCE_S
from tests.ui.test_pages import forget_cached, markup_of


@contextmanager
def configured(folder: Path, monkeypatch: pytest.MonkeyPatch, config: str) -> Iterator[Store]:
    """Settings and a migrated store for this process's pages."""
    (folder / "greenlight.toml").write_text(config)
    monkeypatch.setenv("GREENLIGHT_CONFIG", str(folder / "greenlight.toml"))
    monkeypatch.setenv("GREENLIGHT_DATA", str(folder))
    store = Store.open(f"sqlite:///{folder / 'greenlight.db'}")
    migrate(store)
    forget_cached()
    yield store
    forget_cached()
    store.close()


def open_page(name: str, **query: str) -> AppTest:
    """A page with that address, run once."""
    shell = AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=PATIENCE_S)
    shell.run()
    shell.switch_page(str(ROOT / "pages" / f"{name}.py"))
    for key, value in query.items():
        shell.query_params[key] = value
    return shell.run()


def text_of(shell: AppTest) -> str:
    """Everything that it says."""
    assert not shell.exception
    return " ".join(markup_of(element) for element in (*shell.get("html"), *shell.caption, *shell.warning))


def press(shell: AppTest, label: str) -> AppTest:
    """Press a button and let the page run."""
    next(b for b in shell.button if b.label == label).click()
    return shell.run()
