"""The checklist's page in each state of a step: it says whose turn it is, why, and what to do, in whole words."""

import re
from datetime import UTC
from html import escape as html_escaped
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from services import clock
from services.access import local_operator
from services.evidence import chain, decisions
from services.evidence.model import Evidence
from services.soak.evaluate import Event, Soak
from services.store import Store, conditions, samples, workers
from services.store.conditions import Condition
from services.store.samples import Sample
from services.store.workers import Worker
from services.verdict import words
from tests.services.checklist.test_view import CHECKS, prove, settings
from tests.ui import driver
from tests.ui.test_pages import forget_cached, markup_of
from ui import checklist, present

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
    assert "Already true; step 2 is still open." in said("apply-prod")


def test_a_step_that_holds_no_more_says_so(store: Store, tmp_path: Path) -> None:
    for name in ("stage", "prod"):
        prove(store, name, *CHECKS)
        decisions.decide(store, settings(tmp_path).environment(name), "policy", local_operator("Ada"), note="minutes")
    prove(store, "stage", "redis.required", outcome="fail")
    assert "This step was done, and is no longer met" in said("apply-stage")


def test_the_head_says_one_next_step_and_it_is_the_checklist_s(store: Store) -> None:
    prove(store, "prod", "redis.required", outcome="fail")
    text = said("apply-prod")
    assert (
        "No-Go for prod. The application keeps running without Redis, so an outage would go unnoticed (relaxed mode)."
        in text
    )
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
    assert re.search(r"Updated [45] s ago", said("inputs-stage"))


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
                chain.append(store, connection, records)
    for step in STEPS:
        found = reasons(said(step))
        assert found, step
        for why in found:
            assert re.fullmatch(r"[A-Z][^{}…]*\.", why), (step, why)
            assert not [code for code in words.KNOWN if "." in code and code in why], (step, why)
            assert "None" not in why


@pytest.mark.parametrize("step", STEPS)
def test_redis_and_inngest_are_explained_where_a_step_first_names_them(store: Store, step: str) -> None:
    shell = opened(step)
    pieces = [markup_of(element) for element in shell.get("html")]
    instructions = " ".join(piece for piece in pieces if f"Step {STEPS.index(step) + 1}:" in piece or "<li>" in piece)
    for name in ("Redis", "Inngest"):
        first = re.search(rf"\b{name}\b", re.sub("<[^>]+>", lambda tag: "~" * len(tag.group()), instructions))
        if first is not None:
            assert instructions[: first.start()].endswith(
                f'<abbr tabindex="0" title="{html_escaped(present.TERMS[name.lower()])}">'
            )


def test_a_soak_s_row_tells_it_as_of_now_in_the_reader_s_time(store: Store) -> None:
    now = clock.now_ms()
    prove(store, "stage", "redis.required", "inngest.required")
    prove(store, "stage", "soak", outcome="unknown", value="running", detail={"why": "it runs until 26 Nov, 03:29 UTC"})
    with store.write() as connection:
        samples.append(connection, [
            Sample(environment="stage", sli="readiness_uptime", at_ms=now - 30_000 * n, value=1.0, good=True, interval_s=30)
            for n in range(3)
        ], {})  # fmt: skip
    (why,) = reasons(said("soak-stage"))
    assert re.fullmatch(r"Running: (23 h 59 min|24 h) are left if nothing changes\.", why)


def test_what_broke_a_soak_is_told_once_and_what_came_after_a_pass_apart(store: Store) -> None:
    now, second = clock.now_ms(), 1000
    found = Soak(
        environment="stage", state="passed", since_ms=now - 9_000_000, left_ms=0, coverage=1.0, checks=9, canaries=3,
        canaries_wanted=3, waived="", begun_by=None, as_of_ms=now, passed_ms=now - 60 * second,
        events=(
            *(Event(at_ms=now - n * second, kind="readiness", why="Not ready <b>") for n in range(3)),
            Event(at_ms=now - 9_000_001, kind="strict", why="First observed in strict mode"),
        ),
    )  # fmt: skip
    drawn = checklist.soak(found, UTC)
    since, _, before = drawn.partition("What restarted it")
    assert "Since then (it stands all the same)" in since
    assert since.count("Not ready &lt;b&gt;") == 1
    assert "3 times in a row" in since
    assert "First observed in strict mode" in before
    assert "Not ready" not in before


def test_a_report_that_can_not_be_sealed_is_shown_and_not_given(store: Store, tmp_path: Path) -> None:
    def offered(shell: AppTest) -> list[str]:
        return [button.proto.label for button in shell.get("download_button")]

    shell = opened("go-prod")
    assert "No report can be sealed here" not in driver.text_of(shell)
    assert "PDF" in offered(shell)
    (tmp_path / "report_key.pem").write_text("junk")
    forget_cached()
    shell = opened("go-prod")
    text = driver.text_of(shell)
    assert "No report can be sealed here, so none can be taken." in text
    assert "move it away and a new one is made" in text
    assert "Completion report: prod" in text, "the preview is still there"
    assert "PDF" not in offered(shell)


def test_what_is_broken_now_comes_before_any_step(store: Store) -> None:
    prove(store, "prod", "redis.write", outcome="fail", code="redis.out_of_memory",
          detail={"what": "Redis refuses writes: its memory is full.", "fix": "Free memory or raise the limit."})  # fmt: skip
    text = driver.text_of(driver.open_page("strict_mode_checklist", env="prod"))
    assert "First: Free memory or raise the limit." in text
    assert "Next: step" not in text


def test_the_message_for_staging_asks_for_staging_s_inputs(store: Store) -> None:
    (message,) = [c.value for c in opened("inputs-stage").code if "for strict mode" in c.value]
    assert "REDIS_URL of stage" in message
    assert "of prod" not in message
