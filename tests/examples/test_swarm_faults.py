"""Each switchable fault of the reference swarm leads to its own diagnosis, through the real probes and the page."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit.testing.v1 import AppTest

from examples.swarm import beside
from examples.swarm.app import build
from examples.swarm.faults import DESCRIPTIONS
from examples.swarm.policy import read
from runtime.heartbeat import Heartbeat
from services.dependencies.messages import advice
from services.dependencies.probes import probes_of
from services.dependencies.run import Observation, observe
from services.health import record as ledger
from services.settings import load
from services.settings.model import Settings
from services.store import Store
from services.store.migrate import migrate
from tests.conftest import ROOT, RealRedis, Served, free_port
from tests.patience import PATIENCE_S, wait_until
from tests.ui.test_pages import forget_cached, markup_of

TOKEN = "swarm-test-token"
KEY = "signkey-test-" + "ab" * 32


class Watched:
    """A running swarm, the settings that watch it, and a store for what is seen."""

    def __init__(self, served: Served, settings: Settings, store: Store) -> None:
        self.served, self.settings, self.store = served, settings, store

    def switch(self, fault: str, *, on: bool) -> None:
        answer = httpx.request(
            "PUT" if on else "DELETE",
            f"{self.served.url}/demo/faults/{fault}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=20,
        )
        assert (fault in answer.json()["on"]) is on

    def look(self) -> dict[str, Observation]:
        environment = self.settings.environment("staging")

        async def all_of() -> list[Observation]:
            looks = (observe(environment, probe, {}, lag_ms=0) for probe in probes_of(environment))
            return list(await asyncio.gather(*looks))

        seen = asyncio.run(all_of())
        ledger.record(self.store, seen, ledger.Memory())
        return {item.probe: item for item in seen}

    def page(self) -> str:
        """Everything that the Dependency health page of this environment says."""
        shell = AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=PATIENCE_S)
        shell.query_params["env"] = "staging"
        shell.run()
        shell.switch_page(str(ROOT / "pages" / "dependency_health.py")).run()
        assert not shell.exception
        return " ".join(markup_of(element) for element in shell.get("html"))


@pytest.fixture
def watched(
    serve: Callable[..., Served],
    make_redis: Callable[..., RealRedis],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Watched]:
    port, server = free_port(), make_redis("maxmemory 256mb\nmaxmemory-policy noeviction")
    env_file = tmp_path / "staging.env"
    values = {
        "ENVIRONMENT": "staging",
        "REDIS_URL": server.url,
        "REDIS_REQUIRED": "true",
        "INNGEST_REQUIRED": "true",
        "INNGEST_SIGNING_KEY": KEY,
        "INNGEST_EVENT_KEY": "event",
        "INNGEST_BASE_URL": f"http://127.0.0.1:{port}",
        "DASHBOARD_AUTH_TOKEN": TOKEN,
        "TRACE_ENVELOPE_FILE": str(tmp_path / "traces.jsonl"),
    }
    mail_port = free_port()
    values |= {
        "GREENLIGHT_SWARM_DATABASE": str(tmp_path / "swarm.sqlite"),
        "GREENLIGHT_SWARM_MAIL_PORT": str(mail_port),
    }
    env_file.write_text("".join(f"{k}={v}\n" for k, v in values.items()))
    served = serve(build(read(str(env_file)), allow_faults=True, work=False), port=port)
    config = tmp_path / "greenlight.toml"
    config.write_text(
        f"""
        [[environments]]
        name = "staging"
        base_url = "{served.url}"
        env_file = "staging.env"
        simulated = true
        inngest = {{ api_url = "http://127.0.0.1:{port}" }}
        readiness = {{ deadline_s = 4 }}
        report = {{ deadline_s = 4 }}
        [[environments.queues]]
        name = "email"
        kind = "list"
        key = "caio:staging:queue:email"
        timestamp_field = "enqueued_at"
        [[environments.dependencies]]
        name = "mail"
        kind = "smtp"
        host = "127.0.0.1"
        port = {mail_port}
        tls = "none"
        """
    )
    for name in list(os.environ):
        if name.startswith(("GREENLIGHT_", "REDIS_", "INNGEST_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GREENLIGHT_CONFIG", str(config))
    monkeypatch.setenv("GREENLIGHT_DATA", str(tmp_path))
    settings = load()
    store = Store.open(settings.database_url.get_secret_value())
    migrate(store)
    forget_cached()
    yield Watched(served, settings, store)
    forget_cached()
    store.close()


CASES: dict[str, dict[str, str]] = {
    "readiness_503": {"readiness": "readiness.not_ready"},
    "slow": {"readiness": "readiness.slow", "dependencies": "dependencies.slow"},
    "hanging": {"readiness": "readiness.timeout", "dependencies": "dependencies.timeout"},
    "garbage_body": {"readiness": "readiness.bad_body", "dependencies": "dependencies.bad_body"},
    "huge_body": {"readiness": "readiness.too_large", "dependencies": "dependencies.too_large"},
    "mode_dev": {"inngest": "inngest.mode_dev"},
    "route_not_mounted": {"inngest": "inngest.not_mounted"},
    "wrong_function_count": {"inngest": "inngest.function_count"},
    "runs_fail": {"inngest.runs": "runs.newest_failed"},
    "redis_read_only": {"redis.write": "redis.read_only"},
    "mail_down": {"mail": "smtp.busy", "dependencies": "dependencies.degraded"},
    "redis_full": {"redis.write": "redis.out_of_memory", "redis.info": "redis.memory_high"},
}


def test_every_fault_has_a_case() -> None:
    assert {*CASES, "scheduler_stopped"} == set(DESCRIPTIONS), "a heartbeat that stays out needs its time"


def test_the_scheduler_reports_until_it_is_stopped(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    async def take(request: Request) -> Response:
        calls.append(request.url.path)
        return Response(status_code=200)

    url = serve(
        Starlette(routes=[Route("/beat/{rest:path}", take, methods=["POST"]), Route("/beat", take, methods=["POST"])])
    ).url
    stopped = [False]
    monkeypatch.setattr(beside, "BEAT_S", 0.05)

    async def go() -> None:
        task = asyncio.create_task(beside.beat(Heartbeat(url=f"{url}/beat"), lambda: stopped[0]))
        await asyncio.to_thread(wait_until, lambda: len(calls) >= 2)
        stopped[0] = True
        await asyncio.sleep(0.2)
        kept = len(calls)
        await asyncio.sleep(0.3)
        assert len(calls) <= kept + 1, "one may have been under way"
        task.cancel()
        calls.clear()
        async with Heartbeat(url=f"{url}/beat").around():
            pass
        with pytest.raises(ValueError, match="x"):
            async with Heartbeat(url=f"{url}/beat").around():
                raise ValueError("x")
        assert await Heartbeat(url="http://127.0.0.1:1/beat").call() is False

    asyncio.run(go())
    assert calls == ["/beat/start", "/beat", "/beat/start", "/beat/fail"]


def test_a_swarm_without_faults_is_well(watched: Watched) -> None:
    seen = watched.look()
    assert {probe: item.outcome for probe, item in seen.items()} == dict.fromkeys(seen, "ok")
    text = watched.page()
    assert "staging is ready" in text
    assert "simulated" in text


@pytest.mark.parametrize("fault", sorted(CASES))
def test_each_fault_leads_to_its_own_diagnosis(watched: Watched, fault: str) -> None:
    watched.switch(fault, on=True)
    seen = watched.look()
    for probe, code in CASES[fault].items():
        assert seen[probe].reading.code == code
    unaffected = {probe for probe in seen if probe not in CASES[fault] and not fault.startswith("redis_")}
    assert {seen[probe].outcome for probe in unaffected} <= {"ok"}, "the other probes are unaffected"
    first = next(iter(CASES[fault]))
    said = advice(seen[first].reading.code, seen[first].reading.words).what
    assert said.split(":", maxsplit=1)[0].replace("'", "&#x27;") in watched.page()
    watched.switch(fault, on=False)
    wait_until(
        lambda: {item.outcome for item in watched.look().values()} == {"ok"}
    )  # the report is a second old at most


def test_faults_are_for_holders_of_the_token_and_known_names(watched: Watched) -> None:
    address = f"{watched.served.url}/demo/faults"
    assert httpx.put(f"{address}/slow").status_code == 401
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.put(f"{address}/nonsense", headers=headers).status_code == 404


def test_without_permission_there_are_no_switches(serve: Callable[..., Served], tmp_path: Path) -> None:
    env_file = tmp_path / "e.env"
    env_file.write_text(f"DASHBOARD_AUTH_TOKEN={TOKEN}\nREDIS_URL=\n")
    served = serve(build(read(str(env_file)), work=False))
    assert httpx.put(f"{served.url}/demo/faults/slow", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 404


def test_relaxed_and_strict_come_from_the_environment(watched: Watched, tmp_path: Path) -> None:
    detail = watched.look()["dependencies"].reading.detail["reported"]
    assert detail["redis"]["required"] is True
    assert detail["inngest"]["required"] is True


def test_its_work_goes_through_redis_and_leaves_envelopes(make_redis: Callable[..., RealRedis], tmp_path: Path) -> None:
    from examples.swarm.jobs import Work
    from runtime.envelope import EnvelopeFile
    from runtime.redis_check import client_for

    server = make_redis()
    env_file = tmp_path / "e.env"
    env_file.write_text(f"ENVIRONMENT=t\nREDIS_URL={server.url}\n")
    traces = EnvelopeFile(path=tmp_path / "t.jsonl")

    async def work() -> tuple[int, int]:
        client = client_for(server.url)
        labour = Work(read(str(env_file)), client, traces)
        produced = await labour.produce("email")
        item = json.loads(redis.Redis.from_url(server.url).lindex("caio:t:queue:email", 0))
        assert "enqueued_at" in item
        consumed = await labour.consume("email")
        assert client is not None
        await client.aclose()
        return produced, consumed

    assert asyncio.run(work()) == (1, 1)
    assert len(traces.path.read_text().splitlines()) == 3
