"""The checklist's page in each state of a step: it says whose turn it is, why, and what to do, in whole words."""

import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from services import clock, decisions
from services.access import local_operator
from services.evidence.model import Evidence
from services.store import Store, conditions, evidence, workers
from services.store.conditions import Condition
from services.store.workers import Worker
from services.verdict import words
from tests.services.checklist.test_view import CHECKS, prove, settings
from tests.ui import driver
from tests.ui.test_pages import forget_cached

CONFIG = (
    '[[environments]]\nname = "stage"\nrole = "staging"\nbase_url = "http://s"\n'
    '[[environments]]\nname = "prod"\nrole = "production"\nbase_url = "http://p"\n'
)
STEPS = (
    "inputs-stage", "inputs-prod", "inngest-stage", "inngest-prod", "apply-stage", "validate-stage", "verify-stage",
    "soak-stage", "apply-prod", "validate-prod", "verify-prod", "replay-stage", "replay-prod", "go-prod",
)  # fmt: skip


def opened(step: str) -> AppTest:
    return driver.open_page("strict_mode_checklist", env="prod", step=step)


def said(step: str) -> str:
    return driver.text_of(opened(step))


def reasons(text: str) -> list[str]:
    """Why each row of what proves the step doesn't hold, and what to do."""
    _, found, rest = text.partition("What proves it")
    rows = re.findall(r"<tr>(.*?)</tr>", rest.partition("</table>")[0]) if found else []
    return [re.sub("<[^>]+>", "", row.split("<td", 3)[-1].partition(">")[2]) for row in rows if "<td" in row]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with driver.configured(tmp_path, monkeypatch, CONFIG) as made:
        yield made


def test_a_step_whose_turn_it_is_not_says_so_where_it_is_read(store: Store) -> None:
    assert "Not yet: this step waits for step 2 and step 4 and step 8. Do that first." in said("apply-prod")
    assert "Not yet:" not in said("inputs-stage")


def test_a_step_that_came_early_names_the_gap(store: Store) -> None:
    prove(store, "prod", "redis.required", "inngest.required")
    assert "This holds already, before its turn: step 2 is still missing." in said("apply-prod")


def test_a_step_that_holds_no_more_says_so(store: Store, tmp_path: Path) -> None:
    for name in ("stage", "prod"):
        prove(store, name, *CHECKS)
        decisions.decide(store, settings(tmp_path).environment(name), "policy", local_operator("Ada"), note="minutes")
    prove(store, "stage", "redis.required", outcome="fail")
    assert "This step was done, and no longer holds" in said("apply-stage")


def test_the_head_says_one_next_step_and_it_is_the_checklist_s(store: Store) -> None:
    prove(store, "prod", "redis.required", outcome="fail")
    text = said("apply-prod")
    assert "No-Go for prod. The running application does not require Redis: it runs relaxed." in text
    assert "Next: step 1, Collect and confirm the four inputs, for stage." in text


def test_it_says_when_nobody_measures_and_what_a_press_waits_for(store: Store) -> None:
    shell = opened("inputs-stage")
    assert "Nothing is being measured: no worker runs. None is registered" in driver.text_of(shell)
    text = driver.text_of(driver.press(shell, "Verify").run())
    assert re.search(r"Waiting for the worker, \d s so far\. No worker runs: start Greenlight", text)
    now = clock.now_ms()
    with store.write() as connection:
        workers.beat(connection, Worker(id="w", address="http://x", started_ms=now, seen_ms=now))
        looked = Condition(environment="stage", probe="readiness", at_ms=now - 4000, interval_s=5, state="ok",
                                since_ms=now, outcome="ok", failures=0, successes=1, code="readiness.ok",
                                latency_ms=1.0)  # fmt: skip
        conditions.save(connection, [looked])
    forget_cached()
    assert re.search(r"as of [45] s ago", said("inputs-stage"))


def test_what_is_open_can_be_handed_over_with_a_link_and_what_is_done_cannot(store: Store) -> None:
    prove(store, "stage", *(check for check in CHECKS if check != "replay.gate"))
    (message,) = [c.value for c in opened("replay-stage").code if "needs you" in c.value]
    assert "- Not measured yet: whether the agent passes the golden cases. Start a replay of all cases" in message
    assert message.strip().endswith("?env=prod&step=replay-stage")
    assert not [c for c in opened("apply-stage").code if "needs you" in c.value]


def test_a_step_that_waits_points_to_no_box_that_is_not_there(store: Store) -> None:
    prove(store, "prod", "redis.required", outcome="fail")
    prove(store, "stage", "env.connections", outcome="fail")
    waiting = opened("apply-prod")
    assert not [c for c in waiting.code if "needs you" in c.value]
    assert "The last box here" not in driver.text_of(waiting)
    assert "The last box here" in said("inputs-stage")


@pytest.mark.parametrize("state", ["nothing", "failing"])
def test_every_row_that_does_not_hold_says_why_in_whole_sentences(store: Store, state: str) -> None:
    if state == "failing":
        now = clock.now_ms()
        for name in ("stage", "prod"):
            records = [Evidence(environment=name, check=c, outcome="fail", at_ms=now, code="") for c in CHECKS]
            with store.write() as connection:
                evidence.append(store, connection, records)
    for step in STEPS:
        found = reasons(said(step))
        assert found, step
        for why in found:
            assert re.fullmatch(r"[A-Z][^{}…]*\.", why), (step, why)
            assert not [code for code in words.TITLES if "." in code and code in why], (step, why)
            assert "None" not in why
