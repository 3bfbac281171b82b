"""Adding a kind is one folder and one line in the registry: proven with a kind of its own, from settings to report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

KIND = '''
"""A service that says a number."""
from pathlib import Path
from typing import ClassVar, Literal

from services.dependencies.kind import Context, Found, Kind
from services.dependencies.tables import DeclaredTable


class EchoTable(DeclaredTable):
    """A service that says a number."""

    facts: ClassVar = {"number": "number"}
    kind: Literal["echo"]
    number: float


async def _run(table: EchoTable, _context: Context) -> Found:
    return Found(facts={"number": table.number}, latency_ms=5.0, code="odd" if table.number % 2 else "")


ECHO = Kind(name="echo", title="Echo", gloss="Echo: says a number.", settings=EchoTable, run=_run,
            folder=Path(__file__).parent)
'''
MESSAGES = '[odd]\noutcome = "down"\nwhat = "{label} says an odd number."\nfix = "Make it even."\n'
SETTINGS = """
[[environments]]
name = "e"
role = "production"
base_url = "http://127.0.0.1:9"
[[environments.dependencies]]
name = "good"
kind = "echo"
required = true
number = 2
expect = ["number < 10"]
[[environments.dependencies]]
name = "bad"
kind = "echo"
required = true
number = 3
"""
SCRIPT = """
import asyncio, json, sys
import services.dependencies.registry as registry
from echo.kind import ECHO
registry.KINDS = {**registry.KINDS, "echo": ECHO}  # the one line

from services import clock
from services.health import record as ledger
from services.health import view
from services.dependencies.probes import probes_of
from services.dependencies.run import observe
from services.report.document import document
from services.settings import load
from services.slo import view as slos
from services.store import Store
from services.store.migrate import migrate
from services.verdict import view as verdicts

settings = load()
environment = settings.environment("e")
store = Store.open(settings.database_url.get_secret_value())
migrate(store)
probes = [probe for probe in probes_of(environment) if probe.name in {"good", "bad"}]
memory = ledger.Memory()
for _ in range(3):
    ledger.record(store, [asyncio.run(observe(environment, probe, {}, lag_ms=0)) for probe in probes], memory)
now = clock.now_ms()
seen = view.environment_view(store, environment, now)
verdict = verdicts.verdict(store, settings, "e", now)
rule = next(result for result in verdict.results if result.rule == "dependencies")
from ui import dependency_health
from zoneinfo import ZoneInfo
page = "".join(dependency_health.render(seen, ZoneInfo("UTC"), now))
print(json.dumps({
    "states": {d.dependency.name: [d.dependency.state, d.notice.advice.what, d.notice.advice.fix] for d in seen.dependencies},
    "checks": {check.check: [check.outcome, check.advice.what, check.advice.fix] for check in rule.checks},
    "slos": [row.slo.sli for row in slos.slos(store, environment, now + 120_000).rows],
    "page": page,
    "report": json.dumps(document(store, settings, "e", "completion", now)),
}))
"""


def test_a_kind_of_its_own_goes_from_settings_to_worker_page_verdict_slo_and_report(tmp_path: Path) -> None:
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / "__init__.py").touch()
    (tmp_path / "echo" / "kind.py").write_text(KIND)
    (tmp_path / "echo" / "messages.toml").write_text(MESSAGES)
    (tmp_path / "greenlight.toml").write_text(SETTINGS)
    variables = {
        "GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path / "data"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "PATH": os.environ["PATH"], "HOME": str(tmp_path),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["states"]["good"] == ["ok", "Good answers as expected.", ""]
    assert found["states"]["bad"] == ["down", "Bad says an odd number.", "Make it even."]
    assert found["checks"]["dependency:good"][0] == "pass"
    assert found["checks"]["dependency:bad"] == ["fail", "Bad says an odd number.", "Make it even."]
    assert {"dependency_uptime:good", "dependency_latency:good", "dependency_uptime:bad"} <= set(found["slos"])
    for part in ("Echo: says a number.", "Bad says an odd number.", "Make it even.", "number", "&lt; 10"):
        assert part in found["page"]
    for part in ("dependency:bad", "Bad says an odd number.", "Uptime of good"):
        assert part in found["report"]
