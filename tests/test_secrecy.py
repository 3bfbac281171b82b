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
import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from tests import portal
from tests.conftest import ROOT, RealRedis, Served
from tests.worker.conftest import TOKEN, RealWorker, start_worker

__all__ = ["start_worker"]  # a fixture of the worker's tests
MARK = "planted5ecret"
SECRETS = {
    "password": f"{MARK}-redis/pass+word",
    "token": f"{MARK}-dashboard-token",
    "event": f"{MARK}-event-key",
    "signing": f"signkey-prod-{MARK.encode().hex()}",
}


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
    """An application that throws what it is sent back at whoever looks."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT"])
    async def echo(request: Request) -> Response:
        body = {"ready": False, "version": request.headers.get("authorization", "v1"), "echo": dict(request.headers)}
        return JSONResponse(body, status_code=503)

    return app


@pytest.mark.timeout(120)
def test_no_secret_gets_out_anywhere(
    start_worker: Callable[..., RealWorker],
    make_redis: Callable[..., RealRedis],
    serve: Callable[..., Served],
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    server = make_redis(f'requirepass "{SECRETS["password"]}"')
    good = f"redis://:{quote(SECRETS['password'], safe='')}@127.0.0.1:{server.port}/0"
    wrong = good.replace("redis://:", "redis://nobody:")
    config = "".join(
        f'[[environments]]\nname = "{name}"\nbase_url = "{serve(target()).url}"\nenv_file = "{name}.env"\n'
        "intervals = { readiness = 1, dependencies = 1, redis_ping = 1, redis_write = 1, redis_info = 1, "
        "inngest = 1 }\n"
        for name in ("right", "wrong")
    )
    (tmp_path / "greenlight.toml").write_text(config)
    for name, url in (("right", good), ("wrong", wrong)):
        (tmp_path / f"{name}.env").write_text(
            f"REDIS_URL='{url}'\nDASHBOARD_AUTH_TOKEN={SECRETS['token']}\n"
            f"INNGEST_EVENT_KEY={SECRETS['event']}\nINNGEST_SIGNING_KEY={SECRETS['signing']}\n"
        )
    settings = {"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml")}
    worker = start_worker(data=data, REDIS_URL=good, INNGEST_SIGNING_KEY=SECRETS["signing"],
                          INNGEST_EVENT_KEY=SECRETS["event"], **settings)  # fmt: skip
    worker.wait()
    said: dict[str, str | bytes] = {}
    time.sleep(5)
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
    for path in ("/api/health/ready", "/metrics", "/api/runtime/dependencies"):
        answer = httpx.get(worker.url + path, headers={"Authorization": f"Bearer {TOKEN}"})
        said[f"worker {path}"] = answer.text
    with portal.running(data, **settings) as url:
        headers = {"Authorization": f"Bearer {portal.TOKEN}"}
        for path in ("/api/health/ready", "/metrics", "/api/v1/environments", "/api/v1/environments/right/evidence",
                     "/api/v1/environments/wrong", "/api/openapi.json", "/api/runtime/dependencies"):  # fmt: skip
            said[f"portal {path}"] = httpx.get(url + path, headers=headers, timeout=10).text
        assert json.loads(said["portal /api/v1/environments"])["environments"]
    worker.stop()
    files = [p for p in data.rglob("*") if p.is_file()]
    assert any(p.name == "greenlight.db" for p in files)
    said |= {str(p): p.read_bytes() for p in files}
    assert {name: found for name, text in said.items() if (found := hits(text))} == {}
    assert hits(f"… {SECRETS['token']} …"), "the search itself works"
    assert hits(base64.b64encode(f"ab{SECRETS['event']}cd".encode()).decode())
