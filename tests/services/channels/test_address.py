"""A channel's address: what services show is taken as it is, what can't be used is said without a part of it."""

import pytest

from services.channels import address
from services.channels.address import Address

MARK = "s3cretmark0123456789"


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("https://hooks.slack.com/services/T0/B0/xyz", "slack"),
        ("slack+http://127.0.0.1:9/services/x", "slack"),
        ("https://prod-1.westeurope.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig=x", "teams"),
        ("https://default.12.environment.api.powerplatform.com:443/powerautomate/x?sig=y", "teams"),
        ("https://discord.com/api/webhooks/1/x", "discord"),
        ("https://canary.discord.com/api/webhooks/1/x", "discord"),
        ("pagerduty://0123456789abcdef0123456789abcdef", "pagerduty"),
        ("pagerduty+https://key@events.eu.pagerduty.com/v2/enqueue", "pagerduty"),
        ("https://ntfy.sh/topic", "ntfy"),
        ("ntfy+https://tk_token@ntfy.example.org/topic", "ntfy"),
        ("webhook+https://0123456789abcdef@hooks.example.org/greenlight", "webhook"),
        ("smtps://user:pass%40word@mail.example.org?from=a@example.org&to=b@example.org,c@example.org", "email"),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", "apprise"),
    ],
)
def test_the_service_is_told_by_its_address(text: str, service: str) -> None:
    found = address.read(text)
    assert isinstance(found, Address)
    assert found.service == service


def test_what_a_webhook_is_signed_with_is_not_sent() -> None:
    found = address.read(f"webhook+https://{MARK}@hooks.example.org:8443/path?x=1")
    assert isinstance(found, Address)
    assert (found.url, found.key) == ("https://hooks.example.org:8443/path?x=1", MARK)


def test_a_mail_address_is_read_whole() -> None:
    found = address.read("smtp://user:pass%40word@mail.example.org?from=a@example.org&to=b@example.org,c@example.org")
    assert isinstance(found, Address)
    assert (found.port, found.security, found.user, found.key) == (587, "starttls", "user", "pass@word")
    assert (found.sender, found.to) == ("a@example.org", ("b@example.org", "c@example.org"))


@pytest.mark.parametrize(
    "text",
    [
        MARK,
        f"https://{MARK}.example.org/x",
        f"https://user:{MARK}@example.org/x y",
        f"https://[{MARK}",
        f"slack+ftp://host/{MARK}",
        f"mystery+https://{MARK}@host/x",
        "slack+https://hooks.example.org",
        "webhook+https://short@example.org/x",
        "webhook+https://example.org/x",
        f"ntfy+https://example.org/a/{MARK}",
        "ntfy+https://example.org",
        f"smtp://user:{MARK}@example.org",
        f"smtp://user:{MARK}@example.org?to=a@b.example",
        f"smtp://user:{MARK}@example.org?to=nobody&from=a@b.example",
        f"smtp://user:{MARK}@example.org?to=a@b.example&from=a@b.example&cc={MARK}",
        f"pagerduty://{MARK}-!",
        f"pagerduty+https://example.org/{MARK}",
        "https://hooks.slack.com:99999/x",
        "https://exam\nple.org/x",
        "://",
    ],
)
def test_what_can_not_be_used_is_said_without_a_part_of_it(text: str) -> None:
    found = address.read(text)
    assert isinstance(found, str)
    assert MARK not in found
    assert found.endswith(".")


def test_nothing_of_an_address_is_in_its_repr() -> None:
    for text in (f"https://hooks.slack.com/services/{MARK}", f"webhook+https://{MARK}@h.example/{MARK}",
                 f"ntfy+https://{MARK}:{MARK}@h.example/{MARK}", f"tgram://{MARK}/{MARK}"):  # fmt: skip
        found = address.read(text)
        assert isinstance(found, Address)
        assert MARK not in repr(found)
