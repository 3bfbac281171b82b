"""Where nothing outside is reached it is us, and nothing counts; where anything is, the target is down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from services.dependencies import own_network
from services.dependencies.model import Check, Measure, Reading
from services.dependencies.own_network import OwnNetwork, target_of
from services.dependencies.run import Observation
from services.settings.model import Environment
from tests.conftest import RawServer, free_port

FAR = Environment(name="far", base_url="https://far.example.test")
OTHER = Environment(name="other", base_url="https://other.example.test")


def seen(code: str = "readiness.no_connection", environment: str = "far") -> Observation:
    reading = Reading(
        code=code, measures=(Measure(sli="readiness_uptime", value=None, good=False),),
        checks=(Check(name="readiness.ready", outcome="fail"),),
    )  # fmt: skip
    return Observation(
        environment=environment, simulated=False, probe="readiness", interval_s=30, at_ms=1, lag_ms=0, reading=reading
    )


def excused(own: OwnNetwork, observation: Observation, environment: Environment = FAR) -> Observation:
    return asyncio.run(own.excuse(environment, observation))


@pytest.fixture
def nothing_outside(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """A machine without any network; what was asked."""
    asked: list[tuple[str, int]] = []

    async def reaches(address: tuple[str, int]) -> bool:
        asked.append(address)
        return False

    monkeypatch.setattr(own_network, "_reaches", reaches)
    monkeypatch.setattr(own_network, "name_servers", lambda: ["192.0.2.53"])
    return asked


def test_where_no_reference_is_reached_nothing_counts(nothing_outside: list[tuple[str, int]]) -> None:
    found = excused(OwnNetwork(environments=(FAR, OTHER)), seen())
    assert (found.reading.code, found.outcome) == ("prober.own_network", "unknown")
    assert [check.outcome for check in found.reading.checks] == ["unknown"]
    assert [sample.good for sample in found.samples()] == [None]
    assert nothing_outside == [("192.0.2.53", 53), ("other.example.test", 443)]


@pytest.mark.parametrize(
    "code", ["readiness.refused", "readiness.timeout", "readiness.not_ready", "readiness.tls_expired"]
)
def test_what_came_over_the_network_is_the_target_s(nothing_outside: list[tuple[str, int]], code: str) -> None:
    assert excused(OwnNetwork(environments=(FAR, OTHER)), seen(code)) == seen(code)
    assert nothing_outside == []


def test_with_nothing_independent_to_ask_the_target_counts_as_down(
    nothing_outside: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_network, "name_servers", lambda: ["127.0.0.53"])
    assert excused(OwnNetwork(environments=(FAR,)), seen()) == seen()
    local = Environment(name="far", base_url="http://127.0.0.1:1")
    assert excused(OwnNetwork(references=("192.0.2.1:53",)), seen(), local) == seen(), "no network lies between"


def test_another_target_that_answered_a_moment_ago_shows_that_it_is_not_us(
    nothing_outside: list[tuple[str, int]],
) -> None:
    own = OwnNetwork(environments=(FAR, OTHER))

    async def go() -> Observation:
        await own.excuse(OTHER, replace(seen("readiness.ok", "other")))
        return await own.excuse(FAR, seen())

    assert asyncio.run(go()) == seen()


def test_a_reference_that_accepts_or_refuses_is_reached(raw_server: Callable[..., RawServer]) -> None:
    listening = raw_server(lambda _connection: None)
    for port in (listening.port, free_port()):
        assert excused(OwnNetwork(references=(f"127.0.0.1:{port}",)), seen()) == seen()
    gone = OwnNetwork(references=("no-such-host.invalid:53",))
    assert excused(gone, seen()).reading.code == "prober.own_network"


def test_the_targets_of_probes_are_known() -> None:
    environment = Environment.model_validate(
        {
            "name": "e", "base_url": "https://app.example.test:8443", "secrets": {"redis_url": "rediss://u:p@r.test:7000/1"},
            "variables": {"DATABASE_URL": "postgresql+psycopg://u:p@d.test/x"},
            "dependencies": [
                {"name": "crm", "kind": "http", "url": "http://crm.test/x"}, {"name": "port", "kind": "tcp", "host": "t.test", "port": 9},
                {"name": "db", "kind": "postgres"}, {"name": "models", "kind": "model_api"},
                {"name": "zone", "kind": "dns", "host": "z.test", "server": "192.0.2.53"},
                {"name": "job", "kind": "heartbeat", "every_s": 60},
            ],
        }
    )  # fmt: skip
    assert {probe: target_of(environment, probe) for probe in
            ("readiness", "redis.ping", "queue:x", "crm", "port", "db", "models", "zone", "job", "inngest.runs")} == {
        "readiness": ("app.example.test", 8443), "redis.ping": ("r.test", 7000), "queue:x": ("r.test", 7000),
        "crm": ("crm.test", 80), "port": ("t.test", 9), "db": ("d.test", 5432), "models": ("api.openai.com", 443),
        "zone": ("192.0.2.53", 53), "job": None, "inngest.runs": None,
    }  # fmt: skip
