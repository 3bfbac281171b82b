"""A run is cancelled or run again: asked for by name, done once, its end followed; each refusal in a sentence."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from services.access import Forbidden, Person, local_operator
from services.dependencies.inngest import control
from services.dependencies.inngest.control import Change, NotChanged
from services.evidence import decisions
from services.evidence.decisions import Refused
from services.settings.model import Environment, Secrets, Server
from services.store import Store
from services.store.jobs import Job
from tests.conftest import Served
from tests.services.dependencies.test_inngest_server import KEY, Fake, row

Serve = Callable[..., Served]
ADA = local_operator("Ada")


def environment(url: str, *, key: str | None = KEY) -> Environment:
    secrets = Secrets(inngest_signing_key=SecretStr(key) if key else None)
    server = Server(api_url=url, event_url=url, cloud=True)
    return Environment(name="p", base_url="http://p", secrets=secrets, server=server)


def job(change: Change, *, done_steps: int = 0) -> Job:
    asked = json.dumps({"what": change.what, "run_id": change.run_id, "function": change.function, "step": change.step})
    return Job(id="j", kind="runs", environment="p", state="running", requested_ms=0, requested_by="Ada",
               finished_ms=None, done_steps=done_steps, total_steps=2, message=asked)  # fmt: skip


def do(url: str, change: Change, *, done_steps: int = 0, key: str = KEY) -> tuple[str, list[int]]:
    seen: list[int] = []

    async def progress(done: int, _total: int) -> None:
        seen.append(done)

    return asyncio.run(control.carry_out(environment(url, key=key), job(change, done_steps=done_steps), progress)), seen


def test_a_run_is_cancelled_and_one_that_had_ended_is_no_fault(serve: Serve) -> None:
    fake = Fake()
    url = serve(fake.app()).url
    with pytest.raises(NotChanged, match="no such run"):
        do(url, Change(what="cancel", run_id="01X/../y"))  # an id is one part of the address: this one is none
    assert fake.changes == []
    assert do(url, Change(what="cancel", run_id="01X"))[0] == "It is cancelled."
    assert fake.changes == [("01X", "cancel", b"")]
    fake.status["change"] = (409, {})
    assert do(url, Change(what="cancel", run_id="01X"))[0] == "It had ended already."


def test_a_run_runs_again_from_a_step_and_its_end_is_told(serve: Serve) -> None:
    fake = Fake()
    fake.rows = [row("01NEW", "COMPLETED", ended_s=1)]
    said, progress = do(serve(fake.app()).url, Change(what="rerun", run_id="01X", step="charge"))
    assert said == "It runs again as 01NEW: completed."
    assert [(id_, what, json.loads(body)) for id_, what, body in fake.changes] == [
        ("01X", "rerun", {"fromStep": {"stepId": "charge"}})
    ]
    assert progress[0] == 1, "noted before the server is asked"


def test_a_worker_that_takes_over_asks_for_no_second_run(serve: Serve) -> None:
    fake = Fake()
    with pytest.raises(NotChanged, match="Look in Inngest"):
        do(serve(fake.app()).url, Change(what="rerun", run_id="01X"), done_steps=1)
    assert fake.changes == []


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [(401, "cloud", "refuses our signing key"), (404, "cloud", "knows no such run"), (429, "cloud", "asks us to wait"),
     (500, "cloud", "did not do it: HTTP 500"), (401, "dev", "is a dev server")],
)  # fmt: skip
def test_each_refusal_has_its_sentence(serve: Serve, status: int, kind: str, words: str) -> None:
    fake = Fake(kind)
    fake.status["change"] = (status, {})
    with pytest.raises(NotChanged) as refused:
        do(serve(fake.app()).url, Change(what="cancel", run_id="01X"))
    assert words in str(refused.value)


def test_it_is_asked_for_by_name_on_record_and_by_operators_alone(sqlite_store: Store) -> None:
    change = Change(what="rerun", run_id="01X", function="scan")
    at = environment("http://127.0.0.1:9")
    with pytest.raises(Forbidden):
        control.ask(sqlite_store, at, change, by=Person(name="Vi", role="viewer"))
    with pytest.raises(Refused):
        control.ask(sqlite_store, at, change, by=Person(name="", role="operator"))
    with pytest.raises(NotChanged, match="INNGEST_SIGNING_KEY"):
        control.ask(sqlite_store, environment("http://x", key=None), change, by=ADA)
    made = control.ask(sqlite_store, at, change, by=ADA)
    assert control.asked(made) == change
    with sqlite_store.read() as connection:
        said: Any = decisions.newest(connection, "p", "run")
    assert (said.by, said.note, said.detail["run_id"]) == ("Ada", "Run again: scan (01X)", "01X")
