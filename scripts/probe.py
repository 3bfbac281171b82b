"""Check every dependency of an environment once, now: `python scripts/probe.py [--env NAME] [--json]`.

Exit: 0 ready or degraded (1 with --strict), 1 not ready, 3 unknown, 2 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from services import clock
from services.crash import guarded
from services.errors import SettingsError, UnknownEnvironment
from services.health.evaluate import Health
from services.settings import Environment, Settings, load

if TYPE_CHECKING:
    from services.heartbeats import Calls

EXIT = {"ready": 0, "degraded": 0, "not_ready": 1, "unknown": 3}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="probe.py", description=__doc__)
    parser.add_argument("--env", help="environment (default: the first one configured)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--strict", action="store_true", help="exit 1 for degraded too")
    options = parser.parse_args(arguments)
    try:
        settings = load()
        environment = settings.environment(options.env or settings.names[0])
    except (SettingsError, UnknownEnvironment) as error:
        print(error, file=sys.stderr)
        return 2
    health = asyncio.run(_check(settings, environment))
    document = _document(environment, health)
    print(json.dumps(document, indent=2, ensure_ascii=False) if options.json else _text(document))
    if options.strict and health.state == "degraded":
        return 1
    return EXIT[health.state]


async def _check(settings: Settings, environment: Environment) -> Health:
    """One check of everything, side by side; a single one decides, so no hysteresis.

    The calls of jobs are in the store: where it can't be read, heartbeats are left out.
    """
    from services.errors import StoreError
    from services.heartbeats import KIND, Calls
    from services.store.migrate import opened

    try:
        with opened(settings.database_url.get_secret_value()) as store:
            return await _checked(environment, Calls(store))
    except StoreError:
        without = tuple(table for table in environment.dependencies if table.kind != KIND)
        return await _checked(environment.model_copy(update={"dependencies": without}), None)


async def _checked(environment: Environment, beats: Calls | None) -> Health:
    from services.dependencies.probes import probes_of
    from services.dependencies.run import observe
    from services.health.evaluate import evaluate
    from services.health.record import first_condition

    seen = await asyncio.gather(*(observe(environment, probe, {}, lag_ms=0) for probe in probes_of(environment, beats)))
    conditions = [first_condition(item) for item in seen]
    return evaluate(environment.name, conditions, clock.now_ms(), strict=environment.strict)


def _document(environment: Environment, health: Health) -> dict[str, Any]:
    from services.dependencies.messages import advice

    said = {d.name: advice(d.leading.code, d.leading.detail.get("words")) for d in health.dependencies}

    return {
        "environment": environment.name,
        "simulated": environment.simulated,
        "ready": health.state in {"ready", "degraded"},
        "state": health.state,
        "policy": health.policy,
        "checked_at": clock.iso(health.measured_ms or clock.now_ms()),
        "dependencies": {
            d.name: {
                "state": d.state,
                "required": d.required,
                "healthy": d.healthy,
                "configured": d.configured,
                "latency_ms": None if d.leading.latency_ms is None else round(d.leading.latency_ms, 3),
                "error": None if d.state in {"ok", "slow"} else said[d.name].what,
                "detail": {
                    "finding": d.leading.code,
                    "sentence": said[d.name].what,
                    "fix": said[d.name].fix,
                    "probes": {
                        p.probe: {"state": p.state, "finding": p.code, "latency_ms": p.latency_ms} | dict(p.detail)
                        for p in d.probes
                    },
                },
            }
            for d in health.dependencies
        },
        "contradictions": [{"rule": f.rule, "what": f.advice.what, "fix": f.advice.fix} for f in health.contradictions],
    }


def _text(document: dict[str, Any]) -> str:
    mark = " (simulated)" if document["simulated"] else ""
    lines = [f"{document['environment']}{mark}: {document['state']}, policy {document['policy']}"]
    for name, item in document["dependencies"].items():
        latency = "" if item["latency_ms"] is None else f" {item['latency_ms']:g} ms"
        lines.append(f"  {name:14} {item['state']:8}{latency:>12}  {item['detail']['sentence']}")
        if item["detail"]["fix"]:
            lines.append(f"  {'':14} {'':8}{'':>12}  → {item['detail']['fix']}")
    lines += [f"  contradiction: {c['what']}\n    → {c['fix']}" for c in document["contradictions"]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(guarded("probe.py", main))
