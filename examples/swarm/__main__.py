"""`python -m examples.swarm`: run the reference swarm or its worker, switch a fault of a running one, or deploy it.

python -m examples.swarm --env-file F --port 8611
python -m examples.swarm --env-file F --port 8651 worker [--connect] [--lines F]
python -m examples.swarm --env-file F deploy
python -m examples.swarm fault staging readiness_503 on
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from examples.swarm.faults import DESCRIPTIONS

DEPLOY_S = 1200.0  # overlap and draining included


def main() -> int:
    """Run or switch; exit 0, or 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m examples.swarm", description=__doc__)
    parser.add_argument("--env-file")
    parser.add_argument("--port", type=int, default=8611)
    verbs = parser.add_subparsers(dest="verb")
    fault = verbs.add_parser("fault", help="switch a fault of the demo's environment")
    fault.add_argument("environment")
    fault.add_argument("name", choices=sorted(DESCRIPTIONS))
    fault.add_argument("state", choices=["on", "off"])
    fault.add_argument("--data", default=os.environ.get("GREENLIGHT_DATA") or "data")
    worker = verbs.add_parser("worker", help="run the background worker, which serves the deploy drill")
    worker.add_argument("--connect", action="store_true", help="connect to Inngest, in place of being called")
    worker.add_argument("--lines", type=Path, help="the file for the drill's lines; without, the swarm's Redis")
    verbs.add_parser("deploy", help="have the demo's simulated platform replace the worker")
    options = parser.parse_args()
    chosen = {"fault": _switch, "worker": _work, "deploy": _deploy}.get(options.verb, _serve)
    return chosen(options)


def _serve(options: argparse.Namespace) -> int:
    import uvicorn

    from examples.swarm import policy
    from examples.swarm.app import build
    from runtime.parent import end_with_parent

    end_with_parent()
    app = build(policy.read(options.env_file), allow_faults=bool(os.environ.get("GREENLIGHT_SWARM_DEMO")))
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", timeout_graceful_shutdown=1)
    return 0


def _work(options: argparse.Namespace) -> int:
    from examples.swarm import policy, worker
    from runtime.parent import end_with_parent

    end_with_parent()
    asked = policy.read(options.env_file)
    lines = worker.lines_of(asked, options.lines)
    if options.connect:
        worker.connect(asked, lines)
    else:
        worker.serve(asked, lines, options.port)
    return 0


def _deploy(options: argparse.Namespace) -> int:
    import httpx
    from dotenv import dotenv_values

    values = dotenv_values(options.env_file) if options.env_file else {}
    origin, token = values.get("INNGEST_SERVE_ORIGIN"), values.get("DASHBOARD_AUTH_TOKEN")
    if not origin or not token:
        print("Name the env file of the demo's environment with --env-file.", file=sys.stderr)
        return 2
    try:
        answer = httpx.post(
            f"{origin}/demo/deploy", headers={"Authorization": f"Bearer {token}"}, timeout=DEPLOY_S, trust_env=False
        )
    except httpx.HTTPError as error:
        print(f"The demo does not answer ({type(error).__name__}): is it running?", file=sys.stderr)
        return 1
    if answer.status_code != 200:
        print(f"Not deployed: HTTP {answer.status_code}.", file=sys.stderr)
        return 1
    print(answer.json()["said"])
    return 0


def _switch(options: argparse.Namespace) -> int:
    import httpx
    from dotenv import dotenv_values

    values = dotenv_values(Path(options.data) / "demo" / f"{options.environment}.env")
    origin, token = values.get("INNGEST_SERVE_ORIGIN"), values.get("DASHBOARD_AUTH_TOKEN")
    if not origin or not token:
        print(f"There is no demo environment {options.environment!r} in {options.data}.", file=sys.stderr)
        return 2
    try:
        answer = httpx.request(
            "PUT" if options.state == "on" else "DELETE",
            f"{origin}/demo/faults/{options.name}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
    except httpx.HTTPError as error:
        print(f"{options.environment} does not answer ({type(error).__name__}): is the demo running?", file=sys.stderr)
        return 1
    print(f"{options.environment}: faults on: {', '.join(answer.json()['on']) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
