"""What a reading took from outside is storable and holds none of the environment's secrets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr

from services.dependencies import measures
from services.dependencies.cleaning import cleaned
from services.dependencies.inngest.sdk import api_token
from services.dependencies.model import Check, Measure, Reading, RunSeen
from services.dependencies.run import observe
from services.settings.model import Environment, Secrets, Sli

KEY = "signkey-prod-" + "ab" * 32
SECRETS = Secrets(
    dashboard_token=SecretStr("planted-token/+x"),
    redis_url=SecretStr("rediss://default:planted%23pass@h:6379"),
    inngest_signing_key=SecretStr(KEY),
    inngest_event_key=SecretStr("planted-event-key"),
)
ENVIRONMENT = Environment(name="e", base_url="http://127.0.0.1:1", secrets=SECRETS)
FORMS = ["planted-token/+x", "planted-token%2F%2Bx", "planted#pass", "planted%23pass", KEY, "ab" * 32, api_token(KEY),
         "planted-event-key"]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_that_comes_back_is_taken_out_wherever_it_stands(form: str) -> None:
    reading = Reading(
        code="readiness.redirected",
        detail={form: [f"HTTP 302 to host {form}"], "deep": {"a": {"b": form}}},
        words={"names": form},
        checks=(Check(name=f"{form}.required", outcome="pass", value=form, threshold=form),),
        version=f"v-{form}",
        runs=(RunSeen(id=form, app=form, function=form, status="COMPLETED", queued_ms=1, started_ms=1, ended_ms=1),),
    )
    found = cleaned(ENVIRONMENT, reading)
    assert form not in repr(found)
    assert "[removed]" in repr(found)


@pytest.mark.parametrize("secret", ["planted-event-key", "ab" * 32, api_token(KEY), "planted-token/+x"])
def test_a_secret_that_is_quoted_in_part_or_cut_is_taken_out_too(secret: str) -> None:
    """Providers quote the first characters of a key, and a text that is cut at our limit ends within one."""
    for text in (
        f"wrong key {secret[:13]}***",
        f"...{secret[-12:]}",
        "x" * 3990 + secret,
        f"{secret[1:]}|{secret[:-1]}",
    ):
        (kept,) = cleaned(ENVIRONMENT, Reading(code="c", detail={"said": text})).detail.values()
        assert not any(secret[n : n + 12] in kept for n in range(len(secret) - 11)), kept


def test_an_address_is_no_secret_in_part() -> None:
    text = "connected to rediss://default@h:6379, the key must begin with signkey-prod-"
    assert cleaned(ENVIRONMENT, Reading(code="c", detail={"said": text})).detail["said"] == text


def test_numbers_that_no_database_holds_are_not_known() -> None:
    reading = Reading(
        code="readiness.ok",
        latency_ms=float("inf"),
        detail={"a": 10**400, "b": float("nan"), "c": 1.5},
        measures=(Measure(sli="s", value=float("inf"), good=True), Measure(sli="t", value=1.0, good=True)),
        checks=(Check(name="c", outcome="pass", value=10**400),),
    )
    found = cleaned(ENVIRONMENT, reading)
    json.dumps([found.detail, found.checks[0].value], allow_nan=False)
    assert (found.latency_ms, found.detail["c"]) == (None, 1.5)
    assert [(m.value, m.good) for m in found.measures] == [(None, None), (1.0, True)]


@pytest.mark.parametrize("value", [10**400, float("inf"), float("nan"), "12", None, [1]])
def test_a_custom_sli_over_a_value_that_is_no_number_is_unknown(value: Any) -> None:
    fields = {
        "name": "odd_one",
        "probe": "readiness",
        "field": "body.x",
        "good": "at_most",
        "threshold": 5,
        "unit": "s",
    }
    environment = ENVIRONMENT.model_copy(update={"slis": (Sli.model_validate(fields),)})
    reading = Reading(code="readiness.ok", detail={"body": {"x": value}})
    (measure,) = measures.counted(environment, "readiness", reading).measures
    assert (measure.value, measure.good) == (None, None)


@dataclass
class Reflecting:
    """A probe whose application gives the token back, cut in half emojis."""

    name: str = "readiness"
    interval_s: float = 1
    deadline_s: float = 1

    async def run(self, previous: Mapping[str, Any]) -> Reading:
        return Reading(code="readiness.ok", detail={"note": "planted-token/+x \ud83d\x00"}, version="\ud800")


def test_every_observation_is_cleaned() -> None:
    seen = asyncio.run(observe(ENVIRONMENT, Reflecting(), {}, lag_ms=0))
    assert seen.reading.detail == {"note": "[removed] \ufffd\ufffd"}
    assert seen.reading.version == "\ufffd"
