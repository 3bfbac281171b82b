"""`scripts/probe.py`: one check, one document, and the exit status that the interface states."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse

from tests.conftest import ROOT, RealRedis, Served, free_port

SECRET = "planted-secret-2342"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "REDIS_", "INNGEST_"))}
    variables = {"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder)}
    return subprocess.run(
        [sys.executable, "scripts/probe.py", *words], cwd=ROOT, env=clean | variables, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def watch(folder: Path, url: str, redis_url: str = "") -> None:
    (folder / "s.env").write_text(f"REDIS_URL={redis_url}\nDASHBOARD_AUTH_TOKEN={SECRET}\n")
    (folder / "greenlight.toml").write_text(
        f'[[environments]]\nname = "staging"\nbase_url = "{url}"\nenv_file = "s.env"\n'
        'inngest = { mode = "dev", expected_functions = 0 }\n'
    )


def app(*, ready: bool = True, required: bool = True, healthy: bool = True) -> FastAPI:
    made = FastAPI()
    report = {"ready": ready, "dependencies": {"redis": {"required": required, "healthy": healthy},
                                               "inngest": {"required": required, "healthy": True}}}  # fmt: skip
    made.add_route("/api/health/ready", lambda _: JSONResponse({"ready": ready}, status_code=200 if ready else 503))
    made.add_route("/api/runtime/dependencies", lambda _: JSONResponse(report))
    made.add_route("/inngest", lambda _: JSONResponse({"mode": "dev", "function_count": 0, "has_event_key": False,
                                                       "has_signing_key": False}))  # fmt: skip
    return made


@pytest.mark.parametrize(
    ("case", "strict", "status", "state"),
    [("ready", False, 0, "ready"), ("degraded", False, 0, "degraded"), ("degraded", True, 1, "degraded"),
     ("not_ready", False, 1, "not_ready")],
)  # fmt: skip
def test_exit_statuses(
    serve: Callable[..., Served], make_redis: Callable[..., RealRedis], tmp_path: Path,
    case: str, strict: bool, status: int, state: str,
) -> None:  # fmt: skip
    made = {"ready": app(), "degraded": app(required=False, healthy=False), "not_ready": app(ready=False)}[case]
    watch(tmp_path, serve(made).url, make_redis().url)
    done = run(tmp_path, "--json", *(["--strict"] if strict else []))
    assert done.returncode == status, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["state"] == state
    assert {"environment", "ready", "state", "checked_at", "dependencies"} <= set(document)
    for entry in document["dependencies"].values():
        assert {"state", "required", "healthy", "configured", "latency_ms", "error", "detail"} <= set(entry)


def test_a_target_that_is_away_is_not_ready(tmp_path: Path) -> None:
    watch(tmp_path, f"http://127.0.0.1:{free_port()}", f"redis://:{SECRET}@127.0.0.1:{free_port()}/0")
    done = run(tmp_path)
    assert done.returncode == 1
    assert "nothing listens at its address" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_wrong_usage_and_settings_exit_2(tmp_path: Path) -> None:
    watch(tmp_path, "http://127.0.0.1:9")
    unknown = run(tmp_path, "--env", "nowhere")
    assert (unknown.returncode, "Choose one of: staging" in unknown.stderr) == (2, True)
    assert run(tmp_path, "--colour").returncode == 2
    (tmp_path / "greenlight.toml").write_text("x = 1")
    broken = run(tmp_path, "--json")
    assert (broken.returncode, broken.stdout) == (2, "")
    assert "Traceback" not in broken.stderr
