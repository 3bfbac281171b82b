"""What `--demo` adds. Two simulated environments: the reference swarm as staging and production, each with a Redis of
its own, generated keys, and 30 days of generated history."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

from launcher import redis_server
from launcher.environment import PYTHON, ROOT
from launcher.lock import Stack, free_port, write_private
from launcher.processes import Child

NAMES = ("staging", "production")
_INTERVALS = (
    "intervals = { readiness = 5, dependencies = 10, redis_ping = 5, redis_write = 10, redis_info = 30, "
    "inngest = 10, inngest_runs = 10, queues = 10 }"
)
DRILLED = "staging"  # has a worker on a simulated platform, which a deploy drill replaces
POLICY = {"staging": "true", "production": "false"}  # the story: staging is strict already, production is next


def start(stack: Stack, taken: set[int], logs: Path, *, portal: str) -> tuple[list[Child], dict[str, Any]]:
    """Start both environments; returns their processes and what the stack's note says of them.

    `portal` is the portal's address, to which their schedulers report.
    """
    folder = stack.data / "demo"
    children: list[Child] = []
    tables = []
    ports: dict[str, int] = {}
    web_ports: dict[str, int] = {}
    mail_ports: dict[str, int] = {}
    for index, name in enumerate(NAMES):
        password = stack.secret(f"demo/{name}.redis_password")
        redis_port, web_port = (
            free_port(_redis_port(stack, name, password, index), taken),
            free_port(8_611 + index * 10, taken),
        )
        ports[name] = redis_port
        web_ports[name] = web_port
        children.append(
            redis_server.start(
                f"redis-{name}", folder=folder / f"redis-{name}", port=redis_port, password=password, logs=logs
            )
        )
        env_file = folder / f"{name}.env"
        _write_env_file(env_file, name, f"redis://:{password}@127.0.0.1:{redis_port}/0", web_port)
        mail_ports[name] = free_port(web_port + 1, taken)
        tables.append(_table(name, web_port, mail_ports[name], env_file))
    settings = folder / "demo.toml"
    agents = ", ".join(
        f'{{ name = "{name} swarm", url = "http://127.0.0.1:{port}/api/agent", environment = "{name}" }}'
        for name, port in web_ports.items()
    )
    head = f"# Written by start.py --demo.\n[replay]\nagents = [{agents}]\n"
    settings.write_text(head + "\n".join(tables), encoding="utf-8")
    beats = _heartbeats(stack.data, settings, portal)
    for name in NAMES:
        variables = {
            "GREENLIGHT_SWARM_DEMO": "1", "GREENLIGHT_PARENT_PID": str(os.getpid()),
            "GREENLIGHT_SWARM_DATABASE": str(folder / f"{name}.sqlite"),
            "GREENLIGHT_SWARM_MAIL_PORT": str(mail_ports[name]), "GREENLIGHT_SWARM_HEARTBEAT": beats.get(name, ""),
            "GREENLIGHT_SWARM_WORKER": "1" if name == DRILLED else "",
        }  # fmt: skip
        command = [str(PYTHON), "-m", "examples.swarm", "--env-file", str(folder / f"{name}.env"),
                   "--port", str(web_ports[name])]  # fmt: skip
        children.append(Child(f"swarm-{name}", command, logs=logs, variables=variables))
    return children, {"demo_config": str(settings), "demo_redis_ports": ports}


def _heartbeats(data: Path, settings: Path, portal: str) -> dict[str, str]:
    """Where each environment's scheduler reports; the program that knows is asked. {} where it can't say."""
    command = [str(PYTHON), str(ROOT / "scripts" / "heartbeats.py"), "--json", "--base-url", portal]
    variables = os.environ | {"GREENLIGHT_DATA": str(data), "GREENLIGHT_CONFIG": str(settings)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    found = json.loads(done.stdout) if done.returncode == 0 else []
    return {item["environment"]: item["url"] for item in found}


def _redis_port(stack: Stack, name: str, password: str, index: int) -> int:
    """Where to look for a free port; a Redis left over from a killed launcher is ended before."""
    known = stack.note().get("demo_redis_ports")
    before = known.get(name) if isinstance(known, dict) else None
    if isinstance(before, int):
        redis_server.stop_left_over(before, password)
    return 16_480 + index * 10


def _write_env_file(path: Path, name: str, redis_url: str, port: int) -> None:
    """Made once; what people change stays. Addresses alone follow the ports of this start."""
    addresses = {
        "REDIS_URL": redis_url,
        "INNGEST_WEBHOOK_URL": f"http://127.0.0.1:{port}/inngest",
        "INNGEST_SERVE_ORIGIN": f"http://127.0.0.1:{port}",
        "INNGEST_BASE_URL": f"http://127.0.0.1:{port}",
    }
    if path.exists():
        kept = path.read_text(encoding="utf-8").splitlines(keepends=True)
        known = {line.partition("=")[0].strip() for line in kept}
        new = [f"{key}={value}\n" for key, value in addresses.items() if key not in known]
        write_private(path, "".join([*(_with_address(line, addresses) for line in kept), *new]))
        return
    word = "prod" if name == "production" else "test"
    lines = {
        "ENVIRONMENT": name,
        "REDIS_REQUIRED": POLICY[name],
        "INNGEST_REQUIRED": POLICY[name],
        "REDIS_MAX_CONNECTIONS": "50",
        "RATE_LIMIT_REDIS_NAMESPACE": f"caio:{name}:ratelimit",
        "CONTEXT_REDIS_PREFIX": f"caio:{name}:context",
        "CONTEXT_STATE_TTL_SECONDS": "3600",
        "INNGEST_SIGNING_KEY": f"signkey-{word}-{secrets.token_hex(32)}",
        "INNGEST_EVENT_KEY": secrets.token_hex(32),
        "INNGEST_APP_ID": f"caio-alpha-swarm-{name}",
        "INNGEST_APP_NAME": f"CAIO Alpha Swarm ({name})",
        "TRACE_ENVELOPE_FILE": str(path.parent / f"tool_trace_envelopes_{name}.jsonl"),
        "TRACE_ENVELOPE_ENABLED": "true",
        "TRACE_RETENTION_DAYS": "30",
        "TRACE_CLEANUP_ENABLED": "true",
        "DASHBOARD_AUTH_TOKEN": secrets.token_hex(32),
    }
    if name == DRILLED:  # too little for the drill's longest step: it fails, until draining is raised
        lines |= {"RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": "0", "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "3"}
    else:
        lines |= {"RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": "300", "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "180"}
    write_private(path, "".join(f"{key}={_quoted(value)}\n" for key, value in (lines | addresses).items()))


def _with_address(line: str, addresses: dict[str, str]) -> str:
    key = line.partition("=")[0].strip()
    return f"{key}={addresses[key]}\n" if key in addresses else line


def _quoted(value: str) -> str:
    return f"'{value}'" if any(c in value for c in " #\\") else value


def _table(name: str, port: int, mail_port: int, env_file: Path) -> str:
    role = name if name in {"staging", "production"} else "other"
    path = str(env_file).replace("\\", "/")
    return f"""
[[environments]]
name = "{name}"
role = "{role}"
base_url = "http://127.0.0.1:{port}"
env_file = "{path}"
simulated = true
owner = "Platform team"
inngest = {{ mode = "cloud", expected_functions = 4, api_url = "http://127.0.0.1:{port}" }}
redis = {{ command_budget_per_month = 10000000 }}
{_INTERVALS}
queues = [
  {{ name = "email", kind = "list", key = "caio:{name}:queue:email", timestamp_field = "enqueued_at" }},
  {{ name = "approvals", kind = "list", key = "caio:{name}:queue:approvals", timestamp_field = "enqueued_at" }},
]
[[environments.dependencies]]
name = "mail"
kind = "smtp"
title = "Mail server"
host = "127.0.0.1"
port = {mail_port}
tls = "none"
interval_s = 10
deadline_s = 5
[[environments.dependencies]]
name = "scheduler"
kind = "heartbeat"
title = "Fallback scheduler"
every_s = 60
grace_s = 30
interval_s = 10
deadline_s = 5
[[environments.dependencies]]
name = "liveness"
kind = "http"
title = "Liveness route"
required = true
url = "http://127.0.0.1:{port}/api/health/live"
interval_s = 10
deadline_s = 5
expect = ["status == 200", "ms < 2000"]
""" + (_drill(path) if name == DRILLED else "")


def _drill(env_file: str) -> str:
    """The drill of about twenty seconds, whose deploy the simulated platform makes while the longest step runs."""
    words = [str(PYTHON), "-m", "examples.swarm", "--env-file", env_file, "deploy"]
    return f"[environments.drill]\nsteps_s = [2, 15, 2]\ndeploy_at = 2\ndeploy = {json.dumps(words)}\n"
