"""The daily digest: once a day at its moment, for the environments of its channel, and what is in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from zoneinfo import ZoneInfo

from services import clock
from services.alerts import digest
from services.alerts.setup import Channel
from services.store.alerts import Alert
from tests.services.alerts.test_writing import TEAM

BERLIN = replace(TEAM, digest_at=time(8, 0), zone=ZoneInfo("Europe/Berlin"), environments=frozenset({"e"}))


def moment(text: str) -> int:
    found = clock.moment_ms(text)
    assert found is not None
    return found


EIGHT = moment("2026-07-01T06:00:00Z")  # 8:00 in Berlin


def alert(title: str, environment: str = "e", *, state: str = "open", severity: str = "page") -> Alert:
    return Alert(id=title, environment=environment, cause=title, source="states", event="not_ready", severity=severity,
                 state=state, opened_ms=EIGHT - 600_000, changed_ms=EIGHT, ended_ms=None if state == "open" else EIGHT,
                 title=title, what="It refuses.", fix="Start it.", simulated=False, page="alerts")  # fmt: skip


def made(channel: Channel, *found: Alert, dead: int = 0, simulated: tuple[str, ...] = ()) -> dict[str, object]:
    row = digest.delivery(channel, EIGHT, EIGHT, found=found, dead=dead, simulated=simulated,
                          summaries={"e": "e: Go.", "other": "other: No-Go."})  # fmt: skip
    return dict(row.body)


def test_it_is_due_at_its_hour_of_the_channel_s_own_clock_and_not_long_after() -> None:
    assert digest.due(BERLIN, EIGHT - 1, since_ms=EIGHT - 60_000) is None
    assert digest.due(BERLIN, EIGHT, since_ms=0) == EIGHT
    assert digest.due(BERLIN, EIGHT + 5 * clock.HOUR_MS, since_ms=0) == EIGHT
    assert digest.due(BERLIN, EIGHT + 7 * clock.HOUR_MS, since_ms=0) is None, "the next one comes"
    assert digest.due(BERLIN, EIGHT + 60_000, since_ms=EIGHT + 1) is None, (
        "what was due before it was set up is not sent"
    )
    assert digest.due(replace(BERLIN, digest_at=None), EIGHT, since_ms=0) is None


def test_the_hour_stays_when_the_clocks_change() -> None:
    winter = moment("2026-12-01T07:00:00Z")
    assert digest.due(BERLIN, winter, since_ms=0) == winter
    assert digest.due(BERLIN, winter - 1, since_ms=winter - 60_000) is None


def test_it_says_what_is_open_and_what_is_over_of_its_own_environments() -> None:
    body = made(BERLIN, alert("e: down"), alert("e: was down", state="resolved"), alert("other: down", "other"), dead=2)
    lines = body["also"]
    assert body["title"] == "Daily digest: 1 open"
    assert isinstance(lines, list)
    assert lines == ["e: Go.", "Open: e: down. It refuses.", "Over: e: was down. It lasted 10 min.",
                     "2 messages could not be delivered: open Alerts to send them again."]  # fmt: skip


def test_what_goes_to_digests_alone_is_in_it_and_a_quiet_day_says_so() -> None:
    assert (
        "e: the soak has passed. It refuses."
        in made(BERLIN, alert("e: the soak has passed", state="resolved", severity="digest"))["also"]
    )  # type: ignore[operator]
    assert made(BERLIN)["title"] == "Daily digest: nothing is open"


def test_a_digest_of_simulated_environments_says_so() -> None:
    assert made(BERLIN, simulated=("e",))["simulated"] is True
    assert made(BERLIN)["simulated"] is False
