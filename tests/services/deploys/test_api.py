"""The platform's API through the real client: settings, deploys, refusals; old values with their age, never green."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.responses import JSONResponse, PlainTextResponse, Response

from services import clock
from services.clock import HOUR_MS, MINUTE_MS
from services.deploys import asked, proof, releases
from services.deploys.api import SHOWN, Api, Deployment, Found, Refusal
from services.deploys.asked import Asked
from services.deploys.view import document, view
from services.evidence import chain
from services.outside import storable
from services.settings import load
from services.settings.model import Settings
from services.store import Store, deploys, durations, readings, samples
from services.store.deploys import PLATFORM, Deploy
from services.store.samples import Sample
from tests.conftest import Served
from tests.services.deploys.railway_stand_in import PROJECT, SERVICE, TOKEN, Railway, deployment

Serve = Callable[..., Served]


def settings(folder: Path, url: str, *, env: str = f"RAILWAY_TOKEN={TOKEN}\n", deploys_table: str = "") -> Settings:
    (folder / "p.env").write_text(env)
    (folder / "greenlight.toml").write_text(
        f'[deploys]\nplatform = "railway"\napi_url = "{url}/graphql/v2"\n{deploys_table or f"service = {SERVICE!r}"}\n'
        '[[environments]]\nname = "p"\nbase_url = "http://p"\nenv_file = "p.env"\n'.replace("'", '"')
    )
    return load({"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder / "data")})


def read(railway: Railway, serve: Serve, *, token: str = TOKEN, service: str = SERVICE,
         project: str | None = None) -> Found | Refusal:  # fmt: skip
    api = Api(url=serve(railway.app()).url + "/graphql/v2", token=SecretStr(token), clean=storable)
    return asyncio.run(api.read(service, project, clock.now_ms()))


def look(found: Settings, before: Asked | None = None, now_ms: int | None = None) -> Asked:
    now = clock.now_ms() if now_ms is None else now_ms
    return asyncio.run(asked.ask(found, found.environment("p"), before or Asked(about=asked.about(found)), now))


def kept(store: Store, found: Asked) -> None:
    with store.write() as connection:
        asked.keep(connection, "p", found)


def codes(store: Store, found: Settings, now_ms: int | None = None) -> list[str]:
    return [f.code for f in view(store, found, "p", clock.now_ms() if now_ms is None else now_ms).findings]


def test_settings_and_deploys_are_read_and_variables_never(serve: Serve) -> None:
    railway = Railway()
    railway.deployments = [deployment("d1", "SUCCESS", 600, commitHash="ab12cd34", branch="main", commitAuthor="Ada")]
    found = read(railway, serve, project=PROJECT)
    assert isinstance(found, Found)
    assert found.values == {"overlap": "300", "draining": "180", "health_path": "/api/health/ready", "restart": "ALWAYS",
                            "replicas": "2", "sleeps": "false", "start": "exec python -m worker"}  # fmt: skip
    (own,) = found.deployments
    assert (own.id, own.status, own.commit, own.branch, own.author) == ("d1", "SUCCESS", "ab12cd34", "main", "Ada")
    assert railway.tokens == {TOKEN}
    assert not any("variables(" in query for query in railway.queries)


def test_what_is_of_the_wrong_type_is_not_known(serve: Serve) -> None:
    railway = Railway()
    railway.instance = {"overlapSeconds": "300", "drainingSeconds": True, "healthcheckPath": ["/"], "numReplicas": None,
                        "sleepApplication": "false", "startCommand": "x" * 5000, "restartPolicyType": "\x00"}  # fmt: skip
    railway.deployments = [None, 1, {"node": None}, {"node": {"id": 5}}, {"node": {"id": "x", "createdAt": "soon"}},
                           deployment("d", "EXPLODED", 60), {"node": deployment("l", "x", 60)["node"] | {"status": ["SUCCESS"]}},
                           deployment("next year", "FAILED", -9e6), *(deployment(f"n{n}", "SUCCESS", n) for n in range(99))]  # fmt: skip
    railway.deployments[5]["node"]["meta"] = "text"
    found = read(railway, serve)
    assert isinstance(found, Found)
    assert set(found.values) <= {"start", "restart"}
    assert len(found.values["start"]) == 500
    assert [(d.id, d.status) for d in found.deployments[:3]] == [("d", "unknown"), ("l", "unknown"), ("n0", "SUCCESS")]
    assert len(found.deployments) <= SHOWN


@pytest.mark.parametrize("trouble, code", [
    (JSONResponse({}, 401), "token_refused"), (JSONResponse({}, 403), "token_refused"), (Railway.html(), "no_answer"),
    (Railway.error("Project Token not found"), "token_refused"), (PlainTextResponse("<html>Sign in</html>"), "unreadable"),
    (JSONResponse({"data": None}), "unreadable"), (JSONResponse([]), "unreadable"), (JSONResponse({"errors": [5]}), "error"),
    (Railway.error("Problem processing request"), "error"), (JSONResponse({"errors": [{"message": "x"}]}, 400), "error"), (Response(b"\xff" * 50), "unreadable"),
    (Response(b"x" * 3_000_000), "too_large"), (JSONResponse({}, 302, {"location": "/login"}), "no_answer"),
    (JSONResponse({"data": {"projectToken": None}}), "token_refused"),
    (JSONResponse({"data": {"projectToken": {"projectId": 5}}}), "token_refused"),
    (JSONResponse({}, 429, {"retry-after": "nine"}), "limited"), (Railway.error("Rate limit exceeded"), "limited"),
])  # fmt: skip
def test_whatever_else_it_answers_is_a_refusal_by_name(serve: Serve, trouble: Response, code: str) -> None:
    railway = Railway()
    railway.trouble = trouble
    found = read(railway, serve)
    assert isinstance(found, Refusal)
    assert found.code == code
    assert code != "limited" or found.wait_s == 300


def test_refusals_of_parts_are_named(serve: Serve) -> None:
    railway = Railway()
    assert read(railway, serve, token="another") == Refusal(code="token_refused", why="Not Authorized")
    assert read(railway, serve, service="none") == Refusal(code="no_service")
    assert read(railway, serve, project="another") == Refusal(code="other_project")
    railway.refuses = {"serviceInstance"}
    assert read(railway, serve) == Refusal(code="may_not_read", why="Not Authorized")
    railway.refuses = {"deployments"}
    partly = read(railway, serve)
    assert isinstance(partly, Found)
    assert (partly.values["draining"], partly.refused) == ("180", Refusal(code="may_not_read", why="Not Authorized"))
    railway.left = 1
    railway.refuses = set()
    assert read(railway, serve) == Refusal(code="limited", wait_s=42)
    nowhere = Api(url="http://127.0.0.1:9/graphql/v2", token=SecretStr(TOKEN), clean=storable)
    down = asyncio.run(nowhere.read(SERVICE, None, clock.now_ms()))
    assert isinstance(down, Refusal)
    assert down.code == "no_answer"


NOW_S = 1_800_000_000


@pytest.mark.parametrize(("headers", "wait_s"), [
    ({"retry-after": "42", "x-ratelimit-reset": "9"}, 42), ({"x-ratelimit-reset": f"{NOW_S + 60}"}, 60),
    ({"x-ratelimit-reset": f"{NOW_S + 61}500"}, 62), ({"x-ratelimit-reset": "2027-01-15T08:02:00Z"}, 120),
    ({"retry-after": "Fri, 15 Jan 2027 08:01:30 GMT"}, 90), ({"x-ratelimit-reset": "90"}, 90),
    ({"retry-after": "soon", "x-ratelimit-reset": "30"}, 30), ({"x-ratelimit-reset": f"{NOW_S - 60}"}, 1),
    ({"retry-after": "9" * 14}, 3600), ({"retry-after": "9" * 99}, 300), ({"retry-after": "-5"}, 300), ({}, 300),
])  # fmt: skip
def test_a_rate_limit_says_how_long_to_wait_in_any_form(serve: Serve, headers: dict[str, str], wait_s: int) -> None:
    railway = Railway()
    railway.left, railway.limits = 0, headers
    api = Api(url=serve(railway.app()).url + "/graphql/v2", token=SecretStr(TOKEN), clean=storable)
    assert asyncio.run(api.read(SERVICE, None, NOW_S * 1000)) == Refusal(code="limited", wait_s=wait_s)


def test_settings_that_come_without_deploys_are_used_and_the_rest_is_said(
    serve: Serve, sqlite_store: Store, tmp_path: Path
) -> None:
    railway = Railway()
    railway.deployments = [deployment("d1", "FAILED", 600)]
    found = settings(tmp_path, serve(railway.app()).url)
    first = look(found)
    railway.refuses = {"deployments"}
    kept(sqlite_store, look(found, first))
    page = view(sqlite_store, found, "p", clock.now_ms())
    assert (page.granted_s, [d.id for d in page.broke]) == (480, ["d1"])
    assert [(f.code, f.severity) for f in page.findings] == [("api_no_deploys", "warning")]
    railway.refuses = {"serviceInstance"}
    kept(sqlite_store, look(found, asked.Asked(about=asked.about(found), part="deploys")))
    assert "api_may_not_read" in codes(sqlite_store, found)


def test_a_secret_at_the_end_of_what_is_kept_is_taken_out_before_it_is_cut(serve: Serve, tmp_path: Path) -> None:
    railway = Railway()
    assert railway.instance is not None
    railway.instance["startCommand"] = "x" * 491 + TOKEN
    railway.trouble = Railway.error("y" * 111 + TOKEN)
    found = settings(tmp_path, serve(railway.app()).url)
    assert look(found).why == "y" * 111 + "[removed]"
    railway.trouble = None
    assert look(found).values["start"] == "x" * 491 + "[removed]"


def test_its_values_come_first_with_their_age_and_contradictions_are_said(
    serve: Serve, sqlite_store: Store, tmp_path: Path
) -> None:
    railway = Railway()
    env = f"RAILWAY_TOKEN={TOKEN}\nRAILWAY_DEPLOYMENT_DRAINING_SECONDS=3\nRAILWAY_DEPLOYMENT_OVERLAP_SECONDS=300\n"
    found = settings(tmp_path, serve(railway.app()).url, env=env)
    now = clock.now_ms()
    kept(sqlite_store, look(found, now_ms=now - 120_000))
    page = view(sqlite_store, found, "p", now)
    value = page.platform.effective("draining", clock.from_ms(now))
    assert value is not None
    assert (value.value, value.source) == ("180", "Railway's API, 2 min ago")
    assert page.granted_s == 480
    (differs,) = [f.advice.what for f in page.findings if f.code == "differs"]
    assert differs == "Draining, seconds: the platform says 180, RAILWAY_DEPLOYMENT_DRAINING_SECONDS in p.env says 3."
    assert railway.instance is not None
    railway.instance["drainingSeconds"] = None  # unset there: then the variable is what is known
    kept(sqlite_store, look(found))
    assert view(sqlite_store, found, "p", clock.now_ms()).granted_s == 303


def test_what_it_refuses_is_a_finding_and_the_last_values_stay_with_their_age(
    serve: Serve, sqlite_store: Store, tmp_path: Path
) -> None:
    railway = Railway()
    found = settings(tmp_path, serve(railway.app()).url)
    now = clock.now_ms()
    first = look(found, now_ms=now)
    kept(sqlite_store, first)
    assert codes(sqlite_store, found) == []
    proof.keep(sqlite_store, found, found.environment("p"), clock.now_ms(), asked=True)
    railway.left = 0
    limited = look(found, first, now)
    kept(sqlite_store, limited)
    assert (limited.values, limited.read_ms) == (first.values, first.read_ms)
    assert codes(sqlite_store, found) == ["api_limited"]
    assert not limited.is_due(now + 41_000, hinted=True)
    assert limited.is_due(now + 43_000, hinted=True)
    railway.left, railway.trouble = None, Railway.html()
    kept(sqlite_store, replace(look(found, limited, now), read_ms=now - 2 * HOUR_MS))
    assert codes(sqlite_store, found, now) == ["api_old", "api_no_answer"]
    proof.keep(sqlite_store, found, found.environment("p"), clock.now_ms(), asked=True)
    with sqlite_store.read() as connection:
        records = [record for _, _, record in chain.history(connection, "p", check=proof.CHECK)]
    assert [record.outcome for record in records] == ["unknown", "pass"], "what is old proves nothing"


def test_what_it_said_of_another_service_says_nothing_of_this_one(
    serve: Serve, sqlite_store: Store, tmp_path: Path
) -> None:
    url = serve(Railway().app()).url
    kept(sqlite_store, look(settings(tmp_path, url)))
    found = settings(tmp_path, url, deploys_table='service = "another"')
    with sqlite_store.read() as connection:
        assert asked.load(connection, found, "p").is_due(clock.now_ms())
    assert view(sqlite_store, found, "p", clock.now_ms()).granted_s == 0
    kept(sqlite_store, look(found))
    assert "api_no_service" in codes(sqlite_store, found)


def test_a_token_that_is_new_in_the_env_file_is_used_at_once(serve: Serve, sqlite_store: Store, tmp_path: Path) -> None:
    found = settings(tmp_path, serve(Railway().app()).url, env="A=1\n")
    assert "no_token" in codes(sqlite_store, found)
    (tmp_path / "p.env").write_text(f"RAILWAY_TOKEN={TOKEN}\n")
    assert asked.why_not(found, found.environment("p")) == ""
    kept(sqlite_store, look(found))
    assert codes(sqlite_store, found) == []
    (tmp_path / "p.env").unlink()
    assert asked.why_not(found, found.environment("p")) == "no_token", "an env file that is gone gives no token"


def test_how_often_it_is_asked() -> None:
    found = Asked(asked_ms=1_000_000)
    assert not found.is_due(1_000_000 + 60_000)
    assert not found.is_due(1_000_000 + 9_000, hinted=True)
    assert found.is_due(1_000_000 + 11_000, hinted=True)
    assert found.is_due(1_000_000 + 300_000)
    assert found.is_due(900_000), "a clock that was set back doesn't keep it waiting"


def test_a_platform_without_service_or_token_is_said_and_not_asked(sqlite_store: Store, tmp_path: Path) -> None:
    found = settings(tmp_path, "http://127.0.0.1:9", deploys_table='project = "x"')
    assert asked.why_not(found, found.environment("p")) == "no_service_named"
    assert "no_service_named" in codes(sqlite_store, found)
    found = settings(tmp_path, "http://127.0.0.1:9", env="A=1\n")
    assert asked.why_not(found, found.environment("p")) == "no_token"
    (own,) = [f for f in view(sqlite_store, found, "p", clock.now_ms()).findings if f.code == "no_token"]
    assert "RAILWAY_TOKEN" in own.advice.what


def test_the_token_and_other_secrets_that_come_back_are_kept_nowhere(
    serve: Serve, sqlite_store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    railway = Railway()
    assert railway.instance is not None
    railway.instance |= {"startCommand": f"run --token {TOKEN}", "healthcheckPath": f"/{TOKEN}"}
    railway.deployments = [deployment(TOKEN, "FAILED", 60, commitMessage=f"use {TOKEN}", branch=TOKEN)]
    found = settings(tmp_path, serve(railway.app()).url)
    made = look(found)
    kept(sqlite_store, made)
    with sqlite_store.read() as connection:
        stored = readings.load(connection, "p", asked.KIND)
    page = json.dumps(document(view(sqlite_store, found, "p", clock.now_ms())))
    for text in (repr(made), repr(stored), page, caplog.text, repr(found)):
        assert TOKEN not in text
    assert "[removed]" in page


def made(id_: str, status: str, at_ms: int, **more: Any) -> Deployment:
    return Deployment(id=id_, status=status, created_ms=at_ms - MINUTE_MS, updated_ms=at_ms, **more)


def test_deploys_are_joined_to_known_ones_and_doubled_never(sqlite_store: Store) -> None:
    now = clock.now_ms()
    told = [
        made("a", "SUCCESS", now - 5 * HOUR_MS, commit="ab12cd3456", branch="main", author="Ada"),
        made("b", "SUCCESS", now - 3 * HOUR_MS, commit="ffffffffff"),
        made("c", "FAILED", now - 2 * HOUR_MS), made("d", "SUCCESS", now - HOUR_MS, commit="0123456789"),
    ]  # fmt: skip
    with sqlite_store.write() as connection:
        for at, version in ((now - 4 * HOUR_MS, "ab12cd3"), (now - 3 * HOUR_MS + 30_000, "2.5.0")):
            deploys.note(connection, Deploy(environment="p", at_ms=at, version=version, source="seen"))
        assert releases.join(connection, "p", told, now) == 1
        assert releases.join(connection, "p", told, now) == 0
        found = deploys.since(connection, "p", 0, now + 1)
    assert [(d.version, d.source, releases.who(d)["platform_status"]) for d in found] == [
        ("ab12cd3", "seen", "SUCCESS"), ("2.5.0", "seen", "SUCCESS"), ("0123456789", PLATFORM, "SUCCESS"),
    ]  # fmt: skip
    assert releases.who(found[0]) == {
        "who": "Ada",
        "branch": "main",
        "commit": "ab12cd3456",
        "platform_status": "SUCCESS",
    }


def test_one_by_the_platform_alone_is_kept_however_long_its_commit_and_however_far_ahead_its_clock(
    sqlite_store: Store,
) -> None:
    now = clock.now_ms()
    with sqlite_store.write() as connection:
        assert releases.join(connection, "p", [made("a", "SUCCESS", now + 2000, commit="f" * 400)], now) == 1
        (found,) = deploys.since(connection, "p", 0, now + 1)
    assert len(found.version) <= 120, "as the store's column has it"
    assert found.at_ms == now


@pytest.mark.parametrize("status", ["FAILED", "CRASHED", "SKIPPED", "REMOVED", "BUILDING", "unknown"])
def test_what_is_no_success_is_no_deploy(sqlite_store: Store, status: str) -> None:
    now = clock.now_ms()
    with sqlite_store.write() as connection:
        assert releases.join(connection, "p", [made("a", status, now - 1000, commit="ab12cd3456")], now) == 0
        assert deploys.newest(connection, "p") is None


def test_no_step_is_called_safe_by_values_that_are_old(serve: Serve, sqlite_store: Store, tmp_path: Path) -> None:
    now = clock.now_ms()
    found = settings(tmp_path, serve(Railway().app()).url)
    name = durations.name(durations.STEP, "scan", "ask")
    steps = [Sample(environment="p", sli=name, at_ms=now - n, value=1.0, good=True) for n in range(5000)]
    with sqlite_store.write() as connection:
        samples.append(connection, steps, {})
    risks = []
    for age in (0, 2 * HOUR_MS):
        kept(sqlite_store, look(found, now_ms=now - age))
        page = view(sqlite_store, found, "p", now)
        risks.append([f.risk for f in page.forecast])
        assert page.granted_s == 480
    assert risks == [["safe"], ["unknown"]]
