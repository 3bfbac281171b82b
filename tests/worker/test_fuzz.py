"""Generated calls at the worker's Inngest route: none ends it, none unsigned runs a function, none shows a key."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jcs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.store import Store, replays
from tests.conftest import free_port
from tests.fuzzing import fuzz
from tests.patience import PATIENCE_S
from tests.worker.conftest import RealWorker

SECRET = "ab01" * 16
KEY = f"signkey-prod-{SECRET}"
FUNCTIONS = ("probe-environments", "daily-health-check", "replay-canary", "replay-run", "pulse")
LEAVES = (
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12) | st.sampled_from(["inngest/scheduled.timer", "greenlight/pulse", "\x00", "local", "step"])
)  # fmt: skip
VALUES = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(max_size=4), LEAVES, max_size=3)
EVENTS = VALUES | st.fixed_dictionaries(
    {"name": LEAVES, "data": VALUES}, optional={"id": LEAVES, "ts": LEAVES, "user": VALUES}
)
CONTEXTS = VALUES | st.fixed_dictionaries(
    {"attempt": LEAVES, "run_id": LEAVES},
    optional={"stack": VALUES, "use_api": VALUES, "disable_immediate_execution": VALUES},
)
CALLS = st.fixed_dictionaries(
    {"ctx": CONTEXTS, "event": EVENTS, "events": st.lists(EVENTS, max_size=2) | VALUES, "steps": VALUES},
    optional={"use_api": VALUES, "more": VALUES},
)
# As the server sends it, but for what an event says: this reaches our functions.
WELL = st.builds(
    lambda name, data: {
        "ctx": {"attempt": 0, "run_id": "r", "disable_immediate_execution": False, "stack": {"stack": []}, "use_api": False},
        "event": {"id": "e", "name": name, "data": data, "ts": 1}, "events": [{"id": "e", "name": name, "data": data, "ts": 1}],
        "steps": {}, "use_api": False,
    },
    st.sampled_from(["greenlight/pulse", "greenlight/replay.requested", "inngest/scheduled.timer"]),
    st.dictionaries(st.sampled_from(["run", "run_id", "environment", "at", "sent_ms", "part", "cron"]), VALUES, max_size=4),
)  # fmt: skip
BODIES = st.binary(max_size=80) | (WELL | WELL | CALLS | VALUES).map(lambda value: json.dumps(value).encode())
FUNCTION_IDS = st.sampled_from([f"greenlight-worker-{name}" for name in FUNCTIONS]) | st.text(max_size=8)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealWorker]:
    data = Path(tmp_path_factory.mktemp("worker"))
    variables = {"INNGEST_SIGNING_KEY": KEY, "INNGEST_EVENT_KEY": "planted-event-key",
                 "INNGEST_BASE_URL": "http://127.0.0.1:1"}  # fmt: skip
    found = RealWorker(data, free_port(), variables)
    try:
        found.wait()
        yield found
    finally:
        found.process.kill()
        found.process.wait()


def signed(body: bytes) -> str:
    """As the SDK's signer does it: over the canonical form, where the body is JSON."""
    with contextlib.suppress(ValueError, RecursionError):
        body = jcs.canonicalize(json.loads(body))
    at = int(time.time())
    return f"t={at}&s={hmac.new(SECRET.encode(), body + str(at).encode(), hashlib.sha256).hexdigest()}"


@fuzz(120)
@given(
    BODIES, FUNCTION_IDS, st.sampled_from(["right", "none", "wrong"]), st.sampled_from(["POST", "POST", "PUT", "GET"])
)
def test_whatever_calls_a_function_it_is_answered_and_no_stranger_is_obeyed(
    worker: RealWorker, body: bytes, function: str, signature: str, method: str
) -> None:
    headers = {"Content-Type": "application/json"}
    if signature != "none":
        headers["X-Inngest-Signature"] = signed(body if signature == "right" else body + b" ,")
    answer = httpx.request(
        method, f"{worker.url}/inngest", params={"fnId": function, "stepId": "step"}, content=body, headers=headers,
        timeout=PATIENCE_S,
    )  # fmt: skip
    if signature != "right":
        assert answer.status_code in {400, 401, 403}, answer.text
    said = answer.text + str(answer.headers)
    assert SECRET not in said
    assert "planted-event-key" not in said
    assert "Traceback" not in said
    assert worker.process.poll() is None


def test_afterwards_it_works_and_did_nothing_for_strangers(worker: RealWorker) -> None:
    assert httpx.get(f"{worker.url}/api/health/live", timeout=PATIENCE_S).status_code == 200
    said = worker.log.read_text()
    assert SECRET not in said
    assert "planted-event-key" not in said
    with Store.open(f"sqlite:///{worker.data / 'greenlight.db'}").read() as connection:
        assert replays.newest(connection, limit=10) == ()
