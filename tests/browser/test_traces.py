"""From a failed run to its trace, to a draft, to a published case that blocks the gate until the agent is changed; with a
real worker, portal, agent and browser."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from runtime.envelope import Envelope, EnvelopeFile
from services.replay import golden, tracing
from services.replay.authoring import starter
from services.store import Store, replays
from services.traces.query import Traces
from tests import portal
from tests.conftest import Served, free_port
from tests.patience import wait_until
from tests.worker.conftest import RealWorker

pytestmark = pytest.mark.browser
PLANTED = "sk-proj-" + "p1aN" * 10


class Agent:
    """Refunds within 30 days; while it is broken it refunds twice, and says everything to the customer. Writes traces with
    the kit, in the trace that it is asked within."""

    def __init__(self, file: Path) -> None:
        self.is_broken, self._file, self._lock = True, EnvelopeFile(path=file), threading.Lock()
        self.app = Starlette(routes=[Route("/", self.answer, methods=["POST"])])

    async def answer(self, request: Request) -> JSONResponse:
        line = await request.json()
        trace = request.headers["traceparent"].split("-")[1]
        order = line["context"].get("order", {})
        calls: list[dict[str, Any]] = []
        if order.get("days_ago", 99) <= 30:
            calls = [{"tool": "refund", "arguments": {"order_id": order["id"], "amount": order["amount"]}}]
            calls *= 2 if self.is_broken else 1
        for call in calls:
            self._file.append(Envelope(at=datetime.now(UTC), tool=call["tool"], action="refund", status="ok", duration_ms=40,
                                       environment="shop", trace_id=trace, function="answer-customer",
                                       attributes={"note": f"key {PLANTED}"}))  # fmt: skip
        text = f"Your refund of {order.get('amount', 0):.2f} is on its way." if calls else "Refunds end after 30 days."
        return JSONResponse({"case_id": line["case_id"], "output": {"text": text}, "tool_calls": calls})


def test_from_a_failed_run_to_a_case_that_blocks_until_the_agent_is_changed(
    tmp_path: Path, serve: Callable[..., Served], open_page: Callable[..., Page]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    raw = json.loads(starter.files("2026-12-01")[starter.SET])
    raw["cases"][0]["expectations"][0]["repeats"] = "ignore"  # the set does not see that it refunds twice
    raw["cases"][1]["expectations"][1]["any_of"] = ["30 days, sorry"]  # and this case fails
    (data / "set.json").write_text(json.dumps(raw))
    agent = Agent(data / "trace.jsonl")
    url = serve(agent.app).url
    (data / "greenlight.toml").write_text(
        f'[replay]\ngolden = "set.json"\nagents = [{{ name = "shop", url = "{url}/" }}]\n'
        '[traces]\nfiles = ["trace.jsonl"]\n[[environments]]\nname = "shop"\nbase_url = "http://127.0.0.1:9"\n'
    )
    variables = {"GREENLIGHT_CONFIG": str(data / "greenlight.toml")}
    worker = RealWorker(data, free_port(), variables)
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    try:
        worker.wait()
        with portal.running(data, **variables) as address:
            _walk(address, open_page, agent, data, store)
        for file in (data / "traces").rglob("*.parquet"):
            assert PLANTED.encode() not in file.read_bytes()
    finally:
        store.close()
        worker.stop()


def _replay(page: Page, address: str, store: Store, wanted: str) -> str:
    """Start a replay by hand and wait for its verdict; its id."""
    with store.read() as connection:
        before = {run.id for run in replays.newest(connection)}
    page.goto(f"{address}/replay_harness")
    page.get_by_role("combobox", name="Agent").first.click()
    page.get_by_role("option", name="shop").click()
    page.get_by_role("button", name="Start replay").click()
    found: list[str] = []

    def is_done() -> bool:
        with store.read() as connection:
            newest = next(iter(replays.newest(connection, limit=1)), None)
        if newest is None or newest.id in before or newest.state != "done":
            return False
        found.append(newest.id)
        return newest.verdict == wanted

    wait_until(is_done)
    return found[-1]


def _walk(address: str, open_page: Callable[..., Page], agent: Agent, data: Path, store: Store) -> None:
    page = open_page(f"{address}/replay_harness")
    run = _replay(page, address, store, "BLOCK")
    trace = tracing.trace_id(run, "refund-in-time", 1)
    wait_until(lambda: len(Traces(data).trace(trace, from_ms=0, until_ms=4_000_000_000_000)) == 2)
    page.goto(f"{address}/replay_harness?run={run}&case=refund-in-time")
    page.get_by_role("link", name="its trace").click()
    expect(page.get_by_text("2 calls.")).to_be_visible()
    expect(page.get_by_text(PLANTED)).to_have_count(0)

    page.get_by_role("button", name="Draft a case from this trace").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why this should be a case").fill("It refunded twice")
    dialog.get_by_label("Your name").fill("Ada")
    dialog.get_by_role("button", name="Make the draft").click()
    expect(page.get_by_text("not written yet")).to_be_visible()

    page.get_by_role("combobox", name="Or in your words").click()
    page.get_by_role("option", name="The answer does not contain").click()
    page.get_by_label("Text or tool").fill("42.00")
    page.get_by_text("Input, context and expectations as JSON").click()
    page.get_by_label("Input", exact=True).fill('{"text": "Refund order 3."}')
    page.get_by_label("Context", exact=True).fill('{"order": {"id": "3", "days_ago": 1, "amount": 5}}')
    page.get_by_label("Expectations", exact=True).fill(
        '[{"criterion": "expected", "kind": "tool_at_most", "tool": "refund", "n": 1}]'
    )
    page.get_by_text("A failure of this case blocks the build").click()
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(": ready.")).to_be_visible()

    page.goto(f"{address}/replay_harness?view=drafts")
    page.get_by_role("button", name="Publish …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Your name").fill("Ada")
    dialog.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("The golden set is version v2 now.")).to_be_visible()
    found = golden.read(data / "set.json")
    assert found.version == "v2"
    (case,) = [case for case in found.cases if case.provenance.get("trace")]
    assert case.provenance["why"] == "It refunded twice"

    second = _replay(page, address, store, "BLOCK")
    with store.read() as connection:
        run_now = replays.get(connection, second)
    assert run_now is not None
    assert run_now.summary["critical_failures"] == [f"{case.id}: expected"]

    agent.is_broken = False
    repaired = json.loads((data / "set.json").read_text())
    repaired["cases"][1]["expectations"][1]["any_of"] = ["30 days"]
    (data / "set.json").write_text(json.dumps(repaired | {"version": "v3"}))
    _replay(page, address, store, "PASS")
