"""The simulated Inngest and platform of the demo: a drill of the kit's function, in a worker that a deploy replaces."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from runtime.drill import EVENT
from services.dependencies.inngest.sdk import api_token
from services.deploys import drill
from services.deploys.drill import Count
from tests.conftest import ROOT, RealRedis, free_port
from tests.patience import PATIENCE_S, answers, wait_until

KEY, EVENT_KEY, TOKEN = "ab" * 32, "event-key-of-the-demo", "token-of-the-demo"
STEPS_S = [0.2, 8.0, 0.2]


class Swarm:
    """A swarm process with its worker."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.file = folder / "staging.env"
        self.file.write_text(
            f"ENVIRONMENT=staging\nREDIS_URL={redis_url}\nINNGEST_SIGNING_KEY=signkey-test-{KEY}\n"
            f"INNGEST_EVENT_KEY={EVENT_KEY}\nDASHBOARD_AUTH_TOKEN={TOKEN}\nINNGEST_BASE_URL={self.url}\n"
            f"INNGEST_SERVE_ORIGIN={self.url}\nRAILWAY_DEPLOYMENT_DRAINING_SECONDS=1\n"
        )
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "INNGEST_", "REDIS_"))}
        own = {"GREENLIGHT_SWARM_DEMO": "1", "GREENLIGHT_SWARM_WORKER": "1"}
        words = [sys.executable, "-m", "examples.swarm", "--env-file", str(self.file), "--port", str(port)]
        self.process = subprocess.Popen(words, cwd=ROOT, env=clean | own)
        self.redis = redis.Redis.from_url(redis_url)

    def call(self, method: str, path: str, *, token: str = "", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.request(method, self.url + path, headers=headers, timeout=PATIENCE_S, **more)

    def send(self, id_: str, key: str = EVENT_KEY) -> httpx.Response:
        event = {"name": EVENT, "id": f"drill-{id_}", "data": {"id": id_, "steps_s": STEPS_S}}
        return self.call("POST", f"/e/{key}", json=[event])

    def runs(self, event_id: str) -> list[dict[str, Any]]:
        return self.call("GET", f"/v2/events/{event_id}/runs", token=api_token(KEY)).json().get("data") or []

    def read(self, id_: str) -> drill.Marks:
        return drill.marks(self.redis.lrange(f"greenlight:drill:{id_}", 0, -1), id_, len(STEPS_S) + 1)

    def drilled(self, id_: str) -> tuple[Count, str]:
        """One drill with a deploy while the long step runs; the count, and what the deploy command said."""
        event_id = self.send(id_).json()["ids"][0]
        wait_until(lambda: 2 in self.read(id_).began)
        done = subprocess.run(
            [sys.executable, "-m", "examples.swarm", "--env-file", str(self.file), "deploy"], cwd=ROOT, check=True,
            capture_output=True, text=True, timeout=PATIENCE_S,
        )  # fmt: skip
        wait_until(lambda: [run["status"] for run in self.runs(event_id)] == ["COMPLETED"])
        assert self.send(id_).json()["ids"] == [event_id]
        assert len(self.runs(event_id)) == 1, "the same event again starts nothing"
        return drill.count(self.read(id_), len(STEPS_S) + 1), done.stdout.strip()


@pytest.fixture
def swarm(make_redis: Callable[..., RealRedis], tmp_path: Path) -> Iterator[Swarm]:
    made = Swarm(tmp_path, make_redis().url)
    wait_until(lambda: answers(f"{made.url}/health"))
    # A deploy waits for one that is under way: the first worker is up when this comes back.
    assert made.call("POST", "/demo/deploy", token=TOKEN).status_code == 200
    yield made
    made.redis.close()
    made.process.terminate()
    assert made.process.wait(PATIENCE_S) in {0, -15}


def test_a_deploy_that_grants_too_little_cuts_the_step_and_one_that_grants_enough_does_not(swarm: Swarm) -> None:
    found, said = swarm.drilled("first-drill")
    assert said == "Deployed: the old worker was killed after 1 s of draining."
    assert (found.lost, found.twice, found.moved) == ((), (2,), True)
    swarm.file.write_text(swarm.file.read_text().replace("DRAINING_SECONDS=1", "DRAINING_SECONDS=60"))
    found, said = swarm.drilled("second-drill")
    assert said == "Deployed: the old worker finished and left."
    assert (found.lost, found.twice, found.moved) == ((), (), True)


def test_nobody_without_the_keys_moves_or_deploys_anything(swarm: Swarm) -> None:
    assert swarm.send("some-drill", key="wrong").status_code == 401
    assert swarm.send("some-drill", key="w%C3%B6rong").status_code == 401
    for method, path in (("POST", "/fn/register"), ("GET", "/v2/events/x/runs"), ("POST", "/demo/deploy")):
        assert swarm.call(method, path).status_code == 401
    assert swarm.call("POST", "/fn/register", token=api_token(KEY), json={"no": "app"}).status_code == 400
    assert swarm.call("POST", f"/e/{EVENT_KEY}", content=b"{").status_code == 400
    assert swarm.call("POST", f"/e/{EVENT_KEY}", json=[{"name": "unknown"}, 7]).json()["ids"][1:] == []
    wrong = subprocess.run(
        [sys.executable, "-m", "examples.swarm", "deploy"], cwd=ROOT, capture_output=True, check=False
    )
    assert wrong.returncode == 2
    assert json.loads(swarm.call("GET", "/v2/events/none/runs", token=api_token(KEY)).text)["page"]["hasMore"] is False
