"""The documentation inside the portal: every file opens, and its links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.store import Store
from tests.ui.driver import configured, open_page
from ui import documentation


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with configured(tmp_path, monkeypatch, '[[environments]]\nname = "e"\nbase_url = "http://x"\n') as found:
        yield found


@pytest.mark.parametrize("name", sorted(documentation.titles()))
def test_each_part_opens_by_its_address(store: Store, name: str) -> None:
    shell = open_page("docs", doc=name)
    assert not shell.exception
    text = " ".join(element.value for element in shell.markdown)
    assert documentation.titles()[name] in text
    links = re.findall(r"\]\(([^)]*)\)", text)
    inside = [link for link in links if not link.startswith("http")]
    assert all(link.removeprefix("docs?doc=") in documentation.titles() for link in inside), inside
    assert "![" not in text
