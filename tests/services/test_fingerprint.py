"""Marks tell equal from different without keeping a value; drift tells what changed, by key."""

from pathlib import Path

import pytest

from services.env_files.document import from_text
from services.errors import SettingsError
from services.fingerprint import Drift, InstallationKey, Snapshot, drift, installation_key, snapshot

KEY, OTHER = InstallationKey(b"k" * 32), InstallationKey(b"o" * 32)


def taken(text: str, key: InstallationKey = KEY) -> Snapshot:
    return snapshot(from_text(text, "f"), key, environment="staging", source="f", at_ms=1)


def test_the_same_values_have_the_same_fingerprint_whatever_their_order_and_comments() -> None:
    assert taken("A=1\nB=2\n").fingerprint == taken("# c\nB='2'\nexport A=1\n").fingerprint
    assert taken("A=1\n").fingerprint != taken("A=2\n").fingerprint
    assert taken("A=1\n").fingerprint != taken("A=1\n", OTHER).fingerprint


def test_a_mark_belongs_to_its_key_so_that_equal_values_of_two_keys_do_not_show() -> None:
    marks = taken("A=same\nB=same\nC=\n").marks
    assert marks["A"] != marks["B"]
    assert marks["C"] == ""


def test_drift_names_keys() -> None:
    before, after = taken("A=1\nB=2\nC=3\nD=\n"), taken("A=1\nB=x\nC=\nD=4\nE=5\n")
    assert drift(before, after) == Drift(added=("E",), changed=("B",), emptied=("C",), filled=("D",))
    assert not drift(before, before).any


def test_after_a_lost_key_only_names_are_compared() -> None:
    found = drift(taken("A=1\nB=2\n"), taken("A=9\nC=3\n", OTHER))
    assert found == Drift(added=("C",), removed=("B",), comparable=False)


def test_the_key_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    first = installation_key(tmp_path / "data")
    assert installation_key(tmp_path / "data") == first
    assert (tmp_path / "data" / "installation_key").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["installation_key"]


@pytest.mark.parametrize("content", ["", "not hex", "00ff"])
def test_a_damaged_key_says_what_its_loss_means(tmp_path: Path, content: str) -> None:
    (tmp_path / "installation_key").write_text(content)
    with pytest.raises(SettingsError, match="only comparisons with older fingerprints are lost"):
        installation_key(tmp_path)


def test_neither_key_nor_value_stands_in_a_repr() -> None:
    assert "6b6b" not in repr(KEY)
    assert "kkk" not in repr(KEY)
    assert "planted" not in repr(taken("A=planted\n"))
