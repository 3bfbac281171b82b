"""Marked secrets are planted everywhere that a team keeps them, a whole stack runs, and everything is searched."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx
from fastapi import FastAPI, Request
from playwright.sync_api import Page
from starlette.responses import JSONResponse, Response

from services.dependencies.inngest.sdk import api_token
from services.signature import sign
from services.store import Store, conditions
from tests import portal
from tests.conftest import ROOT, RealRedis, Served
from tests.patience import PATIENCE_S, wait_until
from tests.worker.conftest import TOKEN, RealWorker, start_worker

__all__ = ["start_worker"]  # a fixture of the worker's tests
MARK = "planted5ecret"
SECRETS = {
    "password": f"{MARK}-redis/pass+word",
    "token": f"{MARK}-dashboard-token",
    "event": f"{MARK}-event-key",
    "signing": f"signkey-prod-{MARK.encode().hex()}",
    "deploy": f"{MARK}-deploy-key",
}
SECRETS["api"] = api_token(SECRETS["signing"])  # opens the Inngest server's API as the key itself does


def forms() -> set[str]:
    """Each secret plain, URL-encoded and in base64 (at each of its three alignments)."""
    found: set[str] = set()
    for secret in SECRETS.values():
        found |= {secret, quote(secret, safe="")}
        for shift in range(3):
            coded = base64.b64encode(b"x" * shift + secret.encode()).decode().rstrip("=")
            found.add(coded[4:-4])
    return found


def hits(text: str | bytes) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    return [form for form in forms() if form.encode() in data]


def target() -> FastAPI:
    """An application that throws what it is sent back at anyone who looks."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT"])
    async def echo(request: Request) -> Response:
        said = request.headers.get("authorization", "v1")
        if request.url.path == "/agent":
            return JSONResponse(
                {"output": f"I was sent {said}", "tool_calls": [{"tool": said, "arguments": {said: said}}]}
            )
        path = request.url.path
        if path.startswith("/e/"):
            return JSONResponse({"ids": [path], "status": 200, "error": path})
        if path.startswith(("/v2/", "/v0/", "/fn/")):
            return JSONResponse({"error": f"{path} {said}", "errors": [said], "message": said})
        body = {"ready": False, "version": said, "echo": dict(request.headers)}
        return JSONResponse(body, status_code=503)

    return app


def env_commands(folder: Path, variables: dict[str, str]) -> dict[str, str | bytes]:
    """Every command line about env files, in every format, with the secrets in files, stdin and process variables."""
    first, second = str(folder / "right.env"), str(folder / "wrong.env")
    secrets = "".join(f"{key}={value}\n" for key, value in {
        "INNGEST_EVENT_KEY": SECRETS["event"], "DASHBOARD_AUTH_TOKEN": SECRETS["token"],
        "REDIS_URL": f"rediss://default:{SECRETS['event']}@h.io",
    }.items())  # fmt: skip
    new = str(folder / "new.env")
    validate, write = "scripts/validate_runtime_env.py", "scripts/bootstrap_runtime_reliability.py"
    commands = [
        *(["scripts/env_diff.py", first, second, *words]
          for words in (["--json"], ["--format", "md"], ["--format", "csv"], [], ["--check-connections"])),
        [validate, "--mode", "right", "--env-file", first, "--json", "--check-connections", "--verify-inngest-route"],
        [validate, "--mode", "wrong", "--env-file", second, "--check-connections"],
        [write, "--mode", "staging", "--env-file", new, "--from-stdin", "--dry-run"],
        [write, "--mode", "staging", "--env-file", new, "--from-stdin", "--json", "--validate"],
        [write, "--mode", "staging", "--env-file", new, "--from-stdin", "--replace", "REDIS_URL"],
        [write, "--mode", "staging", "--env-file", new, "--undo"],
        [write, "--mode", "staging", "--env-file", new, "--redis-url", f"rediss://{SECRETS['event']}\n"],
        [write, "--mode", "staging", "--env-file", new, "--redis-url", f"${{{SECRETS['event']}}}"],
    ]  # fmt: skip
    said: dict[str, str | bytes] = {}
    for words in commands:
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, input=secrets,
            env={k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "REDIS_"))}
            | variables | {"INNGEST_EVENT_KEY": SECRETS["event"]},
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        said[" ".join(words[:2] + words[-2:])] = done.stdout + done.stderr
    assert (folder / "new.env").exists()
    said["names beside the file"] = " ".join(p.name for p in folder.iterdir())
    return said


def measured(worker: RealWorker, environment: str) -> bool:
    """Whether everything of it was looked at."""
    store = Store.open(f"sqlite:///{worker.data / 'greenlight.db'}")
    with store.read() as connection:
        found = {condition.probe for condition in conditions.load(connection, environment)}
    store.close()
    return {"readiness", "dependencies", "redis.ping", "redis.write", "redis.info", "inngest"} <= found


def replayed(url: str, headers: dict[str, str]) -> dict[str, str | bytes]:
    """A replay against an agent that gives its token back, and everything that is said of it; a deploy, SLOs."""
    asked = httpx.post(
        f"{url}/api/v1/replays", headers=headers, json={"agent": "echo", "subset": "canary"}, timeout=PATIENCE_S
    )
    run = asked.json()["run_id"]

    def found() -> httpx.Response:
        return httpx.get(f"{url}/api/v1/replays/{run}", headers=headers, timeout=PATIENCE_S)

    wait_until(lambda: found().json()["state"] == "done")
    replay = found().text
    assert "I was sent Bearer [removed]" in replay
    body = b'{"environment": "right", "version": "2"}'
    signed = {"X-Greenlight-Signature": sign(SECRETS["deploy"], body, int(time.time()))}
    told = httpx.post(f"{url}/api/v1/deploys", headers=headers | signed, content=body, timeout=PATIENCE_S)
    refused = httpx.post(f"{url}/api/v1/deploys", headers=headers, content=body, timeout=PATIENCE_S)
    assert (told.status_code, refused.status_code) == (201, 403)
    slo = httpx.get(f"{url}/api/v1/environments/right/slo", headers=headers, timeout=PATIENCE_S)
    return {"replay": asked.text + replay, "deploys": told.text + refused.text, "slo": slo.text}


def seen_in_the_browser(url: str, open_page: Callable[..., Page]) -> dict[str, str | bytes]:
    """All that the pages send to the browser, frames of the websocket included."""
    page = open_page(f"{url}/")
    received: list[bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: received.append(
        data if isinstance(data, bytes) else data.encode()
    )))  # fmt: skip
    texts = []
    for address in ("/", "/dependency_health?env=right", "/env_diff?show=all", "/env_diff?view=validate&env=wrong",
                    "/slo_trends?env=right", "/replay_harness", "/env_diff?view=write&env=right"):  # fmt: skip
        page.goto(url + address)
        page.wait_for_selector(".gl .answer")
        texts.append(page.content())
    page.get_by_text("Show every key").click()
    field = page.get_by_role("textbox", name="REDIS_URL")
    field.fill(f"rediss://default:{SECRETS['event']}@h.io")
    page.get_by_role("button", name="Preview").click()
    page.wait_for_selector("text=Preview")
    page.wait_for_timeout(1500)
    texts.append(page.content())
    assert len(received) > 20
    return {"browser frames": b"".join(received), "browser pages": "".join(texts)}


def test_no_secret_gets_out_anywhere(
    start_worker: Callable[..., RealWorker],
    make_redis: Callable[..., RealRedis],
    serve: Callable[..., Served],
    open_page: Callable[..., Page],
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    server = make_redis(f'requirepass "{SECRETS["password"]}"')
    good = f"redis://:{quote(SECRETS['password'], safe='')}@127.0.0.1:{server.port}/0"
    wrong = good.replace("redis://:", "redis://nobody:")
    urls = {name: serve(target()).url for name in ("right", "wrong")}
    config = f'[replay]\nagents = [{{ name = "echo", url = "{urls["right"]}/agent", environment = "right" }}]\n'
    config += "".join(
        f'[[environments]]\nname = "{name}"\nbase_url = "{url}"\nenv_file = "{name}.env"\n'
        "intervals = { readiness = 1, dependencies = 1, redis_ping = 1, redis_write = 1, redis_info = 1, "
        "inngest = 1, inngest_pulse = 1, inngest_runs = 1 }\n"
        f'inngest = {{ api_url = "{urls["right"]}" }}\n'
        for name, url in urls.items()
    )
    (tmp_path / "greenlight.toml").write_text(config)
    for name, url in (("right", good), ("wrong", wrong)):
        (tmp_path / f"{name}.env").write_text(
            f"REDIS_URL='{url}'\nDASHBOARD_AUTH_TOKEN={SECRETS['token']}\n"
            f"INNGEST_EVENT_KEY={SECRETS['event']}\nINNGEST_SIGNING_KEY={SECRETS['signing']}\n"
        )
    settings = {"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DEPLOY_KEY": SECRETS["deploy"]}
    worker = start_worker(data=data, REDIS_URL=good, INNGEST_SIGNING_KEY=SECRETS["signing"],
                          INNGEST_EVENT_KEY=SECRETS["event"], INNGEST_BASE_URL=urls["right"], **settings)  # fmt: skip
    worker.wait()
    said: dict[str, str | bytes] = {}
    wait_until(lambda: all(measured(worker, name) for name in ("right", "wrong")))
    for words in (["scripts/probe.py", "--env", "right", "--json"], ["scripts/probe.py", "--env", "wrong"],
                  ["scripts/probe.py", "--env", SECRETS["token"]]):  # fmt: skip
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False,
            env={k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "REDIS_"))}
            | settings | {"GREENLIGHT_DATA": str(data)},
        )  # fmt: skip
        if words[-1] != SECRETS["token"]:  # what a user types as a name is quoted back to that user
            said[" ".join(words)] = done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    said |= env_commands(tmp_path, settings | {"GREENLIGHT_DATA": str(data)})
    for path in ("/api/health/ready", "/metrics", "/api/runtime/dependencies"):
        answer = httpx.get(worker.url + path, headers={"Authorization": f"Bearer {TOKEN}"})
        said[f"worker {path}"] = answer.text
    with portal.running(data, **settings) as url:
        headers = {"Authorization": f"Bearer {portal.TOKEN}"}
        for path in ("/api/health/ready", "/metrics", "/api/v1/environments", "/api/v1/environments/right/evidence",
                     "/api/v1/environments/wrong", "/api/v1/environments/right/inngest", "/api/openapi.json", "/api/runtime/dependencies"):  # fmt: skip
            said[f"portal {path}"] = httpx.get(url + path, headers=headers, timeout=PATIENCE_S).text
        assert json.loads(said["portal /api/v1/environments"])["environments"]
        said |= replayed(url, headers)
        said |= seen_in_the_browser(url, open_page)
    worker.stop()
    files = [p for p in data.rglob("*") if p.is_file()]
    assert any(p.name == "greenlight.db" for p in files)
    said |= {str(p): p.read_bytes() for p in files}
    assert {name: found for name, text in said.items() if (found := hits(text))} == {}
    assert hits(f"… {SECRETS['token']} …"), "the search itself works"
    assert hits(base64.b64encode(f"ab{SECRETS['event']}cd".encode()).decode())
