"""Traces, driven through Streamlit: how they come, sums, filters in the address, one trace, a draft made from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from services import clock, drafting
from services.replay.authoring import drafts
from services.settings import load
from services.store import Store, deploys
from services.store.deploys import Deploy
from services.traces import intake
from services.traces.keep import Kept
from services.traces.model import Span
from tests.services.replay.authoring.test_drafts import ADA
from tests.ui.driver import configured, open_page, text_of
from tests.ui.test_pages import forget_cached

TRACE = "ab" * 16


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    (tmp_path / "prod.env").write_text("TRACE_ENVELOPE_FILE=trace.jsonl\nTRACE_RETENTION_DAYS=7\n")
    config = ('[[environments]]\nname="prod"\nbase_url="http://127.0.0.1:9"\nenv_file="prod.env"\n'
              '[[environments]]\nname="stage"\nbase_url="http://127.0.0.1:9"\n')  # fmt: skip
    with configured(tmp_path, monkeypatch, config) as opened:
        yield opened


def call(number: int, *, minutes_ago: float = 10, **more: Any) -> Span:
    made = Span(trace_id=TRACE, span_id=f"{number:016x}", start_ms=clock.now_ms() - round(minutes_ago * 60_000) + number,
                duration_ms=10.0 + number, kind="tool", tool="crm", status="ok", environment="prod")  # fmt: skip
    return replace(made, **more)


def keep(*spans: Span) -> None:
    kept = Kept(load().data_dir)
    with kept.changing():
        kept.add(spans)
    forget_cached()


def page(**query: str) -> AppTest:
    forget_cached()
    return open_page("traces", **query)


def test_without_traces_it_says_how_they_come(store: Store) -> None:
    text = text_of(page())
    assert "No traces have come yet." in text
    assert "TRACE_ENVELOPE_FILE" in text
    assert "/v1/traces" in text
    assert "The file is not there" not in text, "nobody has looked for it yet"


def test_sums_are_split_at_the_last_deploy(store: Store) -> None:
    with store.write() as connection:
        deploys.note(
            connection, Deploy(environment="prod", at_ms=clock.now_ms() - 3_600_000, version="v2", source="told")
        )
    keep(*(call(n, minutes_ago=120) for n in range(4)),
         *(call(10 + n, status="error" if n == 0 else "ok", model="gpt", kind="model", tool="llm", cost_usd=0.5,
                input_tokens=100, output_tokens=20) for n in range(2)), call(20, status="unknown"))  # fmt: skip
    text = text_of(page(env="prod"))
    assert "7 calls in 7 days: 16.66 % failed." in text
    assert "Of 1 the outcome is not known." in text
    assert "The last deploy was on" in text
    assert "$1.00" in text
    assert "200, 40" in text
    by_model = text_of(page(env="prod", by="model"))
    assert "gpt" in by_model
    assert ">crm<" not in by_model.partition("Newest calls")[0]


def test_filters_stand_in_the_address_and_can_be_removed(store: Store) -> None:
    keep(call(1), call(2, tool="mail", environment="stage"))
    text = text_of(page(tool="mail"))
    assert "1 call in 7 days" in text
    assert "remove" in text
    assert "No call fits these filters." in text_of(page(tool="nothing"))
    assert "2 calls" in text_of(page())
    assert "1 call in" in text_of(page(env="stage"))


def test_an_attack_through_the_address_finds_nothing(store: Store) -> None:
    keep(call(1))
    assert "No call fits these filters." in text_of(page(tool="' OR 1=1 --"))
    assert "This trace is not kept." in text_of(page(trace="../../etc/passwd"))


def test_what_was_paid_for_twice_is_named(store: Store) -> None:
    keep(*(call(n, step="answer", run_id="run-7", input_sha256="aa", cost_usd=0.25) for n in range(3)))
    text = text_of(page())
    assert "Called more than once" in text
    assert "3×" in text
    assert "$0.75" in text


def test_lines_that_could_not_be_read_are_shown_with_their_place(store: Store, tmp_path: Path) -> None:
    (tmp_path / "trace.jsonl").write_text('{"half\n')
    intake.take_in(load(), Kept(load().data_dir), intake.sources(load()))
    keep(call(1))
    text = text_of(page(env="prod"))
    assert "1 lines read, 1 could not be" in text
    assert "trace.jsonl, line 1" in text
    assert "keeps traces for 7 days" in text


def test_one_trace_is_a_waterfall_and_becomes_a_draft(store: Store) -> None:
    asked = {"gen_ai.input.messages": "Refund order 7 for jo@corp.io", "gen_ai.output.messages": "Refunded."}
    spans = (call(1, kind="agent", tool="", operation="invoke_agent", run_id="r-1", content=json.dumps(asked)),
             call(2, tool="refund", parent_id=f"{1:016x}", run_id="r-1", step="pay", input_sha256="aa"),
             call(3, tool="refund", parent_id=f"{1:016x}", run_id="r-1", step="pay", input_sha256="aa", status="error"))  # fmt: skip
    keep(*spans)
    text = text_of(page(trace=TRACE))
    assert "3 calls, 1 failed." in text
    assert "called 2×" in text
    assert "begins" in text
    assert "All traces of the run" in text
    made = drafts.get(store, load(), drafts.propose(store, load(), drafting.material(spans), ADA, why="twice"))
    assert made is not None
    assert made.case["input"] == {"text": "Refund order 7 for person1@example.com"}
    assert made.case["provenance"]["trace"] == TRACE
    assert made.case["provenance"]["run"] == "r-1"
    assert "It does not call refund, which failed here" in [each["words"] for each in made.suggestions]


def test_rows_are_ordered_by_what_is_asked(store: Store) -> None:
    keep(call(1), call(2), call(3, tool="slow", duration_ms=900.0), call(4, tool="bad", status="error"))

    def first(order: str) -> str:
        text = text_of(page(sort=order)).partition("Newest calls")[0]
        return min(("crm", "slow", "bad"), key=lambda name: text.index(f">{name}<"))

    assert (first("calls"), first("p95"), first("failed")) == ("crm", "slow", "bad")
