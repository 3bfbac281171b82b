"""The diagnosis table: complete, in plain words, and never ok for what it doesn't know."""

import re
from pathlib import Path

import pytest

from services.dependencies import messages
from services.dependencies.redis.wire import ERROR_WORDS

ROWS = list(messages.MESSAGES.values())


def test_every_red_or_amber_thing_says_what_to_do() -> None:
    assert all(row.fix and row.what for row in ROWS if row.outcome in {"down", "slow"})


def test_sentences_are_short_enough_to_be_read() -> None:
    too_long = [r.what for r in ROWS if max(len(r.what.split()), len(r.fix.split())) > 22]
    assert not too_long


def test_what_is_told_without_a_reading_s_words_has_no_holes() -> None:
    for code in messages.MESSAGES:
        assert re.fullmatch(r"[A-Z][^{}…]+\.", messages.brief(code)), code
    assert messages.brief("") == ""


def test_a_fix_names_no_button_of_another_page_and_loses_no_queued_work() -> None:
    """What a message says is read on several pages, and done exactly as it stands."""
    for row in ROWS:
        assert "Probe now" not in row.fix or "on Dependency health" in row.fix
        assert "eviction" not in row.fix or "Don't" in row.fix, "an eviction policy deletes queued work"


def test_every_code_that_the_probes_use_has_a_row() -> None:
    folder = Path(messages.__file__).parent
    text = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    used = set(re.findall(r'"((?:readiness|dependencies|redis|inngest|queue|prober|pulse|runs|sync)\.[a-z_]+)"', text))
    names = {"redis.ping", "redis.write", "redis.info", "redis.condition", "readiness.ready", "dependencies.ready",
             "inngest.route", "inngest.functions", "inngest.pulse", "inngest.moves_work", "inngest.runs",
             "inngest.stuck_runs", "inngest.sync", "inngest.registered"}  # fmt: skip
    assert used - names <= set(messages.MESSAGES)
    assert len(used) > 50


@pytest.mark.parametrize("code", [code for _, code in ERROR_WORDS])
def test_every_redis_error_word_has_a_row(code: str) -> None:
    assert messages.message(f"redis.{code}").outcome == "down"


@pytest.mark.parametrize("phase", ["name_not_found", "refused", "timeout", "closed", "tls_expired", "tls_failed",
                                   "tls_untrusted", "tls_wrong_host", "too_large", "not_http", "redirected",
                                   "unreachable", "compressed"])  # fmt: skip
@pytest.mark.parametrize("dependency", ["readiness", "dependencies", "inngest"])
def test_every_http_failure_has_a_row_for_every_route(dependency: str, phase: str) -> None:
    assert messages.message(f"{dependency}.{phase}").outcome == "down"


def test_an_unheard_of_code_is_unknown() -> None:
    assert messages.message("redis.of_tomorrow").outcome == "unknown"


def test_missing_words_leave_a_mark_and_no_crash() -> None:
    assert "?" in messages.advice("redis.slow", {}).what
