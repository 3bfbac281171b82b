"""What the calls of a job, or their absence, say; and what becomes of a call."""

from __future__ import annotations

from typing import Any

import pytest

from services import clock, heartbeats
from services.clock import DAY_MS, HOUR_MS, MINUTE_MS
from services.dependencies.heartbeat.check import evaluate
from services.dependencies.heartbeat.kind import HEARTBEAT, HeartbeatTable
from services.heartbeats import MOST_A_MINUTE, Calls, TooManyCalls, UnknownHeartbeat
from services.settings.model import Settings
from services.store import Store
from services.store.heartbeats import KEPT, Beat, newest

NOW = clock.to_ms(clock.from_ms(1_790_000_000_000).replace(hour=12, minute=0, second=0, microsecond=0))
SECRET = "planted-job-secret-0815"


def table(**fields: Any) -> HeartbeatTable:
    return HeartbeatTable.model_validate({"name": "backup", "kind": "heartbeat", **fields})


def beats(*calls: tuple[str, int] | tuple[str, int, int]) -> list[Beat]:
    """(signal, minutes ago, exit status), oldest first; as the store gives them, newest first."""
    made = [
        Beat(id=number, at_ms=NOW - call[1] * MINUTE_MS, signal=call[0], exit_status=call[2] if len(call) > 2 else None)  # type: ignore[arg-type, misc]
        for number, call in enumerate(calls, 1)
    ]
    return made[::-1]


HOURLY = {"every_s": 3600, "grace_s": 300}


@pytest.mark.parametrize(
    ("calls", "more", "code"),
    [
        ((), HOURLY, "never"),
        ((("ok", 30),), HOURLY, "well"),
        ((("ok", 64),), HOURLY, "well"),
        ((("ok", 66),), HOURLY, "late"),
        ((("ok", 66), ("start", 1)), HOURLY, "late"),
        ((("ok", 90), ("fail", 30, 3)), HOURLY, "failed"),
        ((("fail", 30), ("ok", 20)), HOURLY, "well"),
        ((("start", 10),), HOURLY, "running"),
        ((("start", 66),), HOURLY, "late"),
        ((("ok", 50), ("start", 40), ("start", 20)), HOURLY, "unfinished"),
        ((("ok", 50), ("start", 40), ("start", 20), ("ok", 10)), HOURLY, "well"),
        ((("ok", 50), ("start", 20)), HOURLY | {"longest_s": 600}, "overruns"),
        ((("ok", 50), ("start", 5)), HOURLY | {"longest_s": 600}, "well"),
        (tuple(("ok", n) for n in (9, 8, 7, 6, 5)), HOURLY, "too_often"),
        ((("ok", 600),), {"cron": "0 6 * * *", "grace_s": 300}, "late"),
        ((("ok", 359),), {"cron": "0 6 * * *", "grace_s": 300}, "well"),
        ((("ok", 361),), {"cron": "0 6 * * *", "grace_s": 300}, "well"),  # a clock a little behind
        ((("ok", 1800),), {"cron": "58 11 * * *", "grace_s": 300}, "late"),  # yesterday's is missing
        ((("ok", 1400),), {"cron": "58 11 * * *", "grace_s": 300}, "well"),  # today's is not due with its grace
        ((("ok", 1800), ("start", 1)), {"cron": "0 6 * * *", "grace_s": 300}, "late"),
    ],
)
def test_what_calls_or_silence_say(calls: Any, more: dict[str, Any], code: str) -> None:
    found = evaluate(table(**more), beats(*calls), NOW)
    assert found.code == code
    assert HEARTBEAT.messages[f"heartbeat.{code}"].what


def test_a_cron_is_read_in_its_zone() -> None:
    berlin = {"cron": "30 12 * * *", "timezone": "Europe/Berlin", "grace_s": 60}  # 10:30 or 11:30 in UTC
    assert evaluate(table(**berlin), beats(("ok", 25 * 60), ("ok", 80)), NOW).code in {"well", "late"}
    assert evaluate(table(**berlin), beats(("ok", 25 * 60), ("ok", 20)), NOW).code == "well"
    assert evaluate(table(**berlin), beats(("ok", 25 * 60)), NOW).code == "late"


def test_how_long_a_run_took_is_a_fact() -> None:
    found = evaluate(table(**HOURLY), beats(("start", 30), ("ok", 20, 0)), NOW)
    assert found.latency_ms is None, "how long a job takes is not how long we waited for an answer"
    assert found.facts["took_s"] == 600
    assert found.facts["exit_status"] == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "every_s .* or cron"), ({"every_s": 5, "cron": "* * * * *"}, "one of the two"),
        ({"cron": "every day"}, "five cron fields"), ({"cron": "61 * * * *"}, "five cron fields"),
        ({"cron": "0 6 * * *", "timezone": "Mars"}, "no known zone"), ({"every_s": -1}, "greater than 0"),
    ],
)  # fmt: skip
def test_a_rhythm_that_is_none_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        table(**fields)


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    from services.settings import load

    (tmp_path / "greenlight.toml").write_text(
        '[[environments]]\nname = "prod"\nbase_url = "http://127.0.0.1:1"\nenv_file = "prod.env"\n'
        '[[environments.dependencies]]\nname = "backup"\nkind = "heartbeat"\nevery_s = 3600\n'
        '[[environments.dependencies]]\nname = "crm"\nkind = "http"\nurl = "http://127.0.0.1:1/"\n'
        'headers = { Authorization = "Bearer ${CRM_TOKEN}" }\n'
    )
    (tmp_path / "prod.env").write_text(f"CRM_TOKEN={SECRET}\n")
    return load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path / "data")})


def test_a_call_is_kept_without_secrets_and_only_for_whom_it_is(store: Store, settings: Settings) -> None:
    given = heartbeats.address(settings, "prod", "backup").rpartition("/")[2]
    body = f"done\x00 with {SECRET} and token=abcdef123456".encode()
    heartbeats.receive(store, settings, given, signal="fail", exit_status=3, body=body, now_ms=NOW)
    (beat,) = Calls(store)("prod", "backup")
    assert (beat.signal, beat.exit_status, beat.at_ms) == ("fail", 3, NOW)
    assert beat.note.startswith("done")
    assert SECRET not in beat.note
    assert "abcdef" not in beat.note
    crm = heartbeats.identifier(heartbeats.installation_key(settings.data_dir), "prod", "crm")
    for wrong in (given[:-1], given.upper(), "", "backup", crm, "\ud83d"):
        with pytest.raises(UnknownHeartbeat, match="No heartbeat has this address"):
            heartbeats.receive(store, settings, wrong, signal="ok", exit_status=None, body=b"", now_ms=NOW)


def test_calls_without_end_fill_no_store(store: Store, settings: Settings) -> None:
    given = heartbeats.address(settings, "prod", "backup").rpartition("/")[2]

    def call(now_ms: int) -> None:
        heartbeats.receive(store, settings, given, signal="ok", exit_status=None, body=b"x" * 50_000, now_ms=now_ms)

    for _ in range(MOST_A_MINUTE):
        call(NOW)
    with pytest.raises(TooManyCalls, match="within a minute"):
        call(NOW + 1)
    for n in range(KEPT + 50):
        call(NOW + HOUR_MS + n * MINUTE_MS)
    with store.read() as connection:
        kept = newest(connection, "prod", "backup", limit=10_000)
    assert len(kept) == KEPT
    assert kept[0].at_ms == NOW + HOUR_MS + (KEPT + 49) * MINUTE_MS
    assert max(len(beat.note) for beat in kept) <= 10_000
    assert kept[0].at_ms < NOW + DAY_MS
