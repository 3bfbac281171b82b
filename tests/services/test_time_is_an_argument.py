"""Who reads the clock: probes, when they measure, and those who write that something was done. Nobody who computes."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.conftest import ROOT

READS = {"now", "now_ms"}
PROBES = {  # the moment of a measurement
    "dependencies/heartbeat/check.py", "dependencies/http_client.py", "dependencies/inngest/flight.py",
    "dependencies/inngest/pulse.py",
    "dependencies/inngest/route.py", "dependencies/inngest/runs.py", "dependencies/inngest/sync.py",
    "dependencies/queue/probe.py", "dependencies/run.py", "deploys/gate.py", "channels/send.py",
}  # fmt: skip
DEEDS = {  # the moment at which something was asked for, decided, run or written down
    "crash.py", "dependencies/inngest/control.py", "deploys/drilling.py", "evidence/decisions.py",
    "replay/authoring/drafts.py", "replay/authoring/release.py", "replay/report.py", "replay/runner.py",
    "replay/runs.py", "replay/start.py", "report/exports.py", "report/make.py", "requests.py", "retention.py", "slo/history.py", "soak/reading.py",
    "summary.py", "verdict/sign_off.py", "verdict/view.py",
}  # fmt: skip


def readers(folder: Path) -> set[str]:
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
                continue
            where = (node.value.id, node.attr)
            if node.value.id == "clock" and node.attr in READS:
                found.add(path.relative_to(folder).as_posix())
            assert (
                where not in {("time", "time"), ("time", "time_ns"), ("datetime", "now")} or path.name == "clock.py"
            ), f"{path} reads the clock past services/clock.py"
    return found


def test_who_computes_is_given_the_time() -> None:
    assert readers(ROOT / "services") == PROBES | DEEDS


def test_a_module_that_reads_the_clock_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from services import clock\nx = clock.now_ms()\n")
    assert readers(tmp_path) == {"a.py"}
