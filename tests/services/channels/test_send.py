"""Each service is sent what it publishes that it takes, and whatever answers has the right state; all over real
sockets."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.channels import address, message, send
from services.channels.address import Address
from services.channels.message import Message
from services.channels.outcome import CODES, Outcome, advice
from tests.conftest import free_port
from tests.receivers import SERVICES, Answer, MailServer, Receiver

EVIL = "<!channel> <https://evil.example|click> @everyone **bold** [a](https://evil.example) `x` \"'</script>"
PLANTED = "planted-secret-4711"
MESSAGE = Message(
    key="a1-7-abcd", thread="a1", event="opened", severity="page", environment="production", cause="redis",
    title="production: Redis is down", what="Redis refuses connections.", fix="Start it.", at_ms=1_800_000_000_000,
    also=("readiness", "queue email", "queue sms"), link="https://greenlight.example.org/dependency_health?env=production",
)  # fmt: skip


def read(text: str) -> Address:
    found = address.read(text)
    assert isinstance(found, Address), found
    return found


def sent(text: str, what: Message = MESSAGE, deadline_s: float = 20) -> Outcome:
    return asyncio.run(send.send(read(text), what, deadline_s=deadline_s))


@pytest.fixture
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    made = Receiver(getattr(request, "param", "webhook"))
    yield made
    made.close()


every_service = pytest.mark.parametrize("receiver", list(SERVICES), indirect=True)
EVENTS = ("opened", "worse", "resolved", "reminder", "flapping", "digest", "test", "several")


@every_service
def test_every_service_takes_every_message(receiver: Receiver) -> None:
    for event, severity in itertools.product(EVENTS, ("page", "notify", "digest")):
        assert sent(receiver.url, replace(MESSAGE, event=event, severity=severity)).accepted, (event, severity)  # type: ignore[arg-type]
    assert len(receiver.taken) == 3 * len(EVENTS)
    assert MESSAGE.title in receiver.taken[0].raw.decode()


@every_service
def test_texts_at_their_longest_are_taken_too(receiver: Receiver) -> None:
    long = replace(MESSAGE, title="t" * 200, what="w" * 1500, fix="f" * 1500, also=("n" * 80,) * 300)
    assert sent(receiver.url, long).accepted


@every_service
def test_outside_text_becomes_no_markup_link_or_mention(receiver: Receiver) -> None:
    assert sent(receiver.url, replace(MESSAGE, title=EVIL[:150], what=EVIL, also=(EVIL,))).accepted
    body = receiver.taken[0].body
    if receiver.service == "slack":
        assert "<" not in body["text"]
        assert {b["text"]["type"] for b in body["blocks"] if "text" in b} == {"plain_text"}
    if receiver.service == "discord":
        shown = body["embeds"][0]["title"] + body["embeds"][0]["description"]
        assert re.search(r"(?<!\\)[*\]`<]", shown) is None
        assert "https://evil" not in shown
        assert "@everyone" not in shown
    if receiver.service == "teams":
        assert all(e["type"] == "RichTextBlock" for e in body["attachments"][0]["content"]["body"])
    if receiver.service == "ntfy":
        assert body["markdown"] is False


def test_an_incident_of_pagerduty_is_one_from_its_opening_to_its_end() -> None:
    receiver = Receiver("pagerduty")
    for event in ("opened", "worse", "acknowledged", "resolved"):
        assert sent(receiver.url, replace(MESSAGE, event=event)).accepted  # type: ignore[arg-type]
    receiver.close()
    assert [t.body["event_action"] for t in receiver.taken] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert {t.body["dedup_key"] for t in receiver.taken} == {"a1"}


def test_a_webhook_can_be_checked_and_recognised_when_it_comes_twice(receiver: Receiver) -> None:
    sent(receiver.url)
    sent(receiver.url)
    first, second = receiver.taken
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == MESSAGE.key
    assert first.body == second.body
    assert "0123456789abcdef-webhook" not in first.raw.decode() + json.dumps(first.headers)


ANSWERS = [
    (Answer(410), "gone", False), (Answer(404), "gone", False), (Answer(403), "no_access", False),
    (Answer(400), "refused", False), (Answer(500), "fault", True), (Answer(503), "fault", True),
    (Answer(429, headers={"Retry-After": "7"}), "limited", True),
    (Answer(302, headers={"Location": "https://login.example.org/"}), "redirected", True),
    (Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}), "error_in_answer", True),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "code", "again"), ANSWERS)
@pytest.mark.parametrize("receiver", ["slack", "teams", "discord", "pagerduty", "ntfy"], indirect=True)
def test_an_answer_has_the_right_state(receiver: Receiver, answer: Answer, code: str, again: bool) -> None:
    receiver.instead = answer
    found = sent(receiver.url)
    assert (found.code, found.again) == (code, again)
    assert found.after_s == (7.0 if code == "limited" else None)


@pytest.mark.parametrize(
    ("receiver", "body"),
    [
        ("slack", b"invalid_token"), ("slack", b""), ("pagerduty", b'{"status": "invalid event"}'), ("ntfy", b"{}"),
        ("ntfy", b"<html>"), ("teams", b'{"error": {"code": "x"}}'), ("pagerduty", b"ok"),
        ("teams", b"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429"),
    ],
    indirect=["receiver"],
)  # fmt: skip
def test_a_good_status_with_an_error_inside_is_no_success(receiver: Receiver, body: bytes) -> None:
    receiver.instead = Answer(200, body)
    found = sent(receiver.url)
    assert (found.code, found.again) == ("error_in_answer", True)


def test_a_service_that_hangs_is_left_after_the_deadline(receiver: Receiver) -> None:
    release = threading.Event()
    receiver.instead = Answer(200, wait=release)
    assert sent(receiver.url, deadline_s=0.5).code == "timeout"
    release.set()


def test_a_service_that_is_not_there_can_not_be_reached() -> None:
    found = sent(f"slack+http://127.0.0.1:{free_port()}/x")
    assert (found.code, found.again) == ("not_reached", True)


@pytest.mark.parametrize("text", ["", "soon", "-5", "nan", "1e400", "Wed, 21 Oct 2015 07:28:00", "99999999999"])
def test_a_strange_pause_is_none_or_at_most_a_day(receiver: Receiver, text: str) -> None:
    receiver.instead = Answer(429, headers={"Retry-After": text})
    found = sent(receiver.url)
    assert found.code == "limited"
    assert found.after_s is None or 0 <= found.after_s <= 86_400


def test_an_e_mail_is_plain_text_in_the_thread_of_its_alert() -> None:
    server = MailServer()
    outcomes = [sent(server.url, replace(MESSAGE, key=f"k{n}", title=f"Résumé {n}", what=EVIL)) for n in range(2)]
    server.close()
    assert [found.code for found in outcomes] == ["accepted", "accepted"]
    first, second = server.mails
    assert first.get_content_type() == "text/plain"
    assert (first["Subject"], first["To"], first["Message-ID"]) == ("Résumé 0", "ops@example.org", "<k0@example.org>")
    assert first["References"] == second["References"] == "<a1@example.org>"
    assert MESSAGE.link in first.get_content()


def test_a_subject_from_outside_adds_no_header() -> None:
    server = MailServer()
    evil = message.plain("down\r\nBcc: evil@example.org\n\nbody")
    assert sent(server.url, replace(MESSAGE, title=evil)).accepted
    server.close()
    assert server.mails[0]["Bcc"] is None


@pytest.mark.parametrize(
    ("answer", "code", "again"), [("451 try later", "mail_later", True), ("550 no such user", "mail_refused", False)]
)
def test_a_mail_server_that_refuses_now_or_for_good(answer: str, code: str, again: bool) -> None:
    server = MailServer(refuse=answer)
    found = sent(server.url)
    server.close()
    assert (found.code, found.again, found.status) == (code, again, int(answer[:3]))


def test_a_mail_server_without_encryption_is_not_used_where_it_is_asked_for() -> None:
    server = MailServer()
    found = sent(server.url.replace("&tls=none", ""))
    server.close()
    assert found.code == "mail_no_tls"
    assert server.mails == []


def test_a_mail_server_that_is_not_there() -> None:
    assert sent(f"smtp://127.0.0.1:{free_port()}?from=a@b.example&to=c@d.example&tls=none").code == "not_reached"


def test_any_other_service_goes_by_apprise(receiver: Receiver) -> None:
    """Its `json` service, as it needs no account: what it sends is Apprise's own form."""
    receiver.instead = Answer(200, b"ok")
    assert sent(f"json://127.0.0.1:{receiver.port}/{PLANTED}").code == "accepted"
    receiver.instead = Answer(500)
    found = sent(f"json://127.0.0.1:{receiver.port}/{PLANTED}")
    assert (found.code, found.again) == ("not_taken", True)


def test_what_apprise_does_not_know_is_said() -> None:
    assert not send.is_usable(read("mystery://host/x"))
    assert sent("mystery://host/x").code == "not_usable"


def test_no_secret_is_in_a_log(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.instead = Answer(500)
    for text in (f"json://127.0.0.1:{receiver.port}/{PLANTED}", f"slack+http://127.0.0.1:{receiver.port}/{PLANTED}",
                 f"webhook+http://{PLANTED}@127.0.0.1:{receiver.port}/x", f"ntfy+http://{PLANTED}@127.0.0.1:1/x"):  # fmt: skip
        sent(text)
    assert PLANTED not in caplog.text


def test_every_code_has_its_words() -> None:
    for code in CODES:
        said = advice(code, "Slack", 410)
        assert said.what.endswith(".")
        assert "{" not in str(said)
        assert len(said.what.split()) <= 22
    assert advice("of another version", "Slack").fix


def test_a_list_of_many_names_is_short() -> None:
    assert message.listed(tuple("abcdefg")) == "a, b, c, d, e and 2 more"
    assert message.listed(("a", "b")) == "a and b"
    assert message.listed(("a",)) == "a"
