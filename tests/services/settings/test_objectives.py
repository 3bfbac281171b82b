"""Objectives in the settings: impossible ones are refused with the place and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import SettingsError
from services.settings import load
from services.slo.view import slos_of
from tests.services.settings.test_load import write

HEAD = '[[environments]]\nname = "p"\nbase_url = "http://p"\n'


def words_of(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load(write(folder, text))
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + 'objectives = [{ sli = "readiness_uptime", target = 0.9 }]', "page_fast (14.4 times) could never warn"),
        (HEAD + 'objectives = [{ sli = "nonsense", target = 0.99 }]', "unknown SLI; choose one of: readiness_uptime"),
        (HEAD + 'objectives = [{ sli = "queue_aging_p95:gone", target = 0.99 }]', "there is no such queue"),
        (HEAD + 'objectives = [{ sli = "readiness_uptime:x", target = 0.99 }]', "there is no such queue"),
        (HEAD + 'objectives = [{ sli = "readiness_uptime", target = 1.5 }]', "target"),
        (HEAD + 'objectives = [{ sli = "readiness_uptime", target = 0.99, window = "3d" }]', "window"),
        (HEAD + 'objectives = [{ sli = "readiness_uptime", target = 0.99 }, { sli = "readiness_uptime", target = 0.9,'
         ' burn = [] }]', "two objectives are for the same SLI"),
        (HEAD + 'slis = [{ name = "readiness_uptime", probe = "redis.info", field = "x", threshold = 1 }]', "built-in"),
        (HEAD + 'slis = [{ name = "own", probe = "redis.info", field = "../x", threshold = 1 }]', "field"),
        ("[retention]\nhour_days = 60\n" + HEAD + 'objectives = [{ sli = "readiness_uptime", target = 0.99, window = "90d"'
         " }]", "looks back 90d, but sums of an hour are kept for 60 days"),
        ("[retention]\nminute_days = 2\n" + HEAD, "minute_days"),
    ],
)  # fmt: skip
def test_an_impossible_promise_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    assert words in words_of(tmp_path, text)


def test_a_lower_target_is_fine_with_the_rules_that_it_can_reach(tmp_path: Path) -> None:
    text = HEAD + 'objectives = [{ sli = "readiness_uptime", target = 0.9, burn = ["page_slow", "ticket_slow"] }]'
    (found,) = slos_of(load(write(tmp_path, text)).environment("p"))
    assert found.objective.burn == ("page_slow", "ticket_slow")


def test_without_objectives_the_documented_ones_hold(tmp_path: Path) -> None:
    found = slos_of(load(write(tmp_path, HEAD)).environment("p"))
    assert [p.sli for p in found] == ["readiness_uptime", "redis_ping_latency", "redis_write_latency",
                                      "inngest_run_success", "canary_pass_rate"]  # fmt: skip
