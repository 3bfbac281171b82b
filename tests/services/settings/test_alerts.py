"""Alert channels: a wrong or missing address is said by the channel's name alone; addresses are secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.alerts.setup import AlertSetup, addresses
from services.errors import SettingsError
from services.settings import load
from services.settings.model import Settings

MARK = "planted-secret-4711"
ENVIRONMENTS = (
    '[[environments]]\nname="e"\nbase_url="http://127.0.0.1:9"\n'
    '[[environments]]\nname="demo"\nbase_url="http://127.0.0.1:9"\nsimulated=true\n'
)
CHANNEL = '[[alerts.channels]]\nname="team"\nurl_variable="TEAM"\n'


def loaded(folder: Path, text: str, **variables: str) -> Settings:
    (folder / "greenlight.toml").write_text(text + ENVIRONMENTS)
    own = {"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder / "data")}
    return load(own | variables)


@pytest.mark.parametrize(
    "url", ["", f"https://{MARK}.example.org/x", f"smtp://u:{MARK}@h", f"webhook+https://{MARK[:8]}@h/x"]
)
def test_a_wrong_address_is_said_by_name_without_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, CHANNEL, TEAM=url)
    assert 'alerts.channels "team"' in str(caught.value)
    assert MARK not in str(caught.value)
    assert MARK[:8] not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CHANNEL + 'environments=["nope"]\n', "unknown environment 'nope'"),
        (CHANNEL + CHANNEL, "two channels have the same name"),
        (CHANNEL + 'quiet="22:00-22:00"\n', "quiet hours that end when they begin"),
        (CHANNEL + 'quiet="25:00-07:00"\n', "quiet"),
        (CHANNEL + 'severities=["digest"]\n', "set digest_at"),
        (CHANNEL + 'timezone="Mars"\n', "is no known zone"),
        ('[alerts]\ndead_man_url_variable="DEAD"\n', "is not set"),
        ('[alerts]\nportal_url="ftp://x"\n', "portal_url"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, text, TEAM="https://hooks.slack.com/services/x")
    assert said in str(caught.value)


def test_addresses_are_secrets_and_simulated_environments_are_told_of_only_by_name(tmp_path: Path) -> None:
    named = CHANNEL.replace("team", "demo") + 'environments=["demo"]\n'
    found = loaded(tmp_path, CHANNEL + named, TEAM=f"https://hooks.slack.com/services/{MARK}")
    assert MARK not in repr(found)
    assert MARK not in repr(addresses(found))
    team, demo = AlertSetup.from_settings(found).channels
    assert (team.environments, demo.environments) == (frozenset({"e"}), frozenset({"demo"}))
    assert team.takes("", "page"), "trouble of Greenlight itself concerns everybody"


def test_the_portal_s_address_is_the_setting_s_else_what_is_known(tmp_path: Path) -> None:
    assert loaded(tmp_path, '[alerts]\nportal_url="https://g.example.org/"\n').portal_url == "https://g.example.org"
    hosts = '[portal]\nallowed_hosts=["g.example.org"]\nbase_path="/portal"\n'
    assert loaded(tmp_path, hosts).portal_url == "https://g.example.org/portal"
    assert loaded(tmp_path, "").portal_url == ""
