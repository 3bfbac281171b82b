"""A way back from the identity provider that can't lead here is told at start, not to the first person who signs in."""

import pytest

from services.errors import SettingsError
from ui import redirect_uri

HOSTS = ("localhost", "127.0.0.1", "[::1]", "portal.example.org")


@pytest.mark.parametrize(
    ("value", "base"),
    [
        ("https://portal.example.org/oauth2callback", ""),
        ("https://Portal.Example.org:8443/oauth2callback", ""),
        ("http://localhost:{port}/oauth2callback", ""),
        ("http://[::1]:8501/oauth2callback", ""),
        ("https://portal.example.org/tools/greenlight/oauth2callback", "/tools/greenlight"),
    ],
)
def test_one_that_leads_here_is_taken(value: str, base: str) -> None:
    redirect_uri.check(value, base, HOSTS)


@pytest.mark.parametrize(
    ("value", "base", "words"),
    [
        (None, "", "is missing"),
        ("", "", "is missing"),
        (5, "", "is missing"),
        ("portal.example.org/oauth2callback", "", "is no address"),
        ("https:///oauth2callback", "", "is no address"),
        ("https://portal.example.org:x/oauth2callback", "", "is no address"),
        ("https://[/oauth2callback", "", "is no address"),
        ("https://portal.example.org/oauth2callback", "/portal", "another path than /portal/oauth2callback"),
        ("https://portal.example.org/portal/oauth2callback", "", "another path than /oauth2callback"),
        ("https://portal.example.org/oauth2callback/", "", "another path"),
        ("https://other.example.org/oauth2callback", "", "a host that isn't the portal's"),
    ],
)
def test_any_other_is_refused_with_what_to_write(value: object, base: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        redirect_uri.check(value, base, HOSTS)
    assert "secrets.toml" in str(caught.value)
    assert "other.example.org" not in str(caught.value)
