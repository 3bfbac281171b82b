"""`scripts/replay_harness.py`: the promised document, exit statuses, JUnit that others read, resuming after a kill."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import junitparser
import pytest
import xmlschema

from tests.conftest import ROOT
from tests.services.replay.test_runs import make_set

FIELDS = {
    "run_id", "verdict", "block_build", "reasons", "total", "passed", "failed", "errors", "unscored", "pass_rate",
    "pass_rate_interval", "avg_score", "min_pass_rate", "critical_failures", "repeats", "golden_set", "judge", "agent",
    "started_at", "duration_s", "comparison", "cases",
}  # fmt: skip
CASE_FIELDS = {"id", "category", "passed", "score", "criteria", "critical_failed", "error", "duration_ms", "attempts"}


def environment(data: Path) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "DATABASE_"))}
    return clean | {"GREENLIGHT_DATA": str(data), "GREENLIGHT_CONFIG": ""}


def run(data: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/replay_harness.py", *map(str, words)], cwd=ROOT, env=environment(data),
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_reference_agent_passes_with_the_promised_document(tmp_path: Path) -> None:
    done = run(tmp_path, "--json")
    found = document(done)
    assert done.returncode == 0, done.stderr
    assert found.keys() >= FIELDS
    assert found["cases"][0].keys() >= CASE_FIELDS
    assert (found["total"], found["passed"], found["verdict"], found["block_build"]) == (50, 50, "PASS", False)
    assert "50 of 50" in done.stderr


def test_a_weak_agent_is_blocked_in_every_format(tmp_path: Path) -> None:
    weak = f"command:{sys.executable} -m examples.swarm.agent --weak obeys_injection"
    junit, html = tmp_path / "j.xml", tmp_path / "r.html"
    done = run(tmp_path, "--agent", weak, "--junit", junit, "--html", html, "--subset", "canary", "--json")
    found = document(done)
    assert (done.returncode, found["verdict"], found["total"]) == (1, "BLOCK", 12)
    xmlschema.validate(str(junit), str(ROOT / "tests/data/junit.xsd"))
    suite = next(iter(junitparser.JUnitXml.fromfile(str(junit))))
    assert (suite.tests, suite.failures, suite.errors) == (12, found["failed"], 0)
    assert {case.name for case in suite if case.result} == {c["id"] for c in found["cases"] if not c["passed"]}
    page = html.read_text()
    assert "BLOCK" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page


def test_an_agent_that_is_away_is_inconclusive_never_wrong(tmp_path: Path) -> None:
    done = run(tmp_path, "--agent", "http://127.0.0.1:1/", "--subset", "canary", "--json", "--timeout", "2")
    found = document(done)
    assert (done.returncode, found["verdict"], found["errors"], found["failed"]) == (3, "INCONCLUSIVE", 12, 0)


def test_a_comparison_with_an_earlier_document(tmp_path: Path) -> None:
    before = run(tmp_path, "--json", "--subset", "canary")
    (tmp_path / "before.json").write_text(before.stdout)
    weak = f"command:{sys.executable} -m examples.swarm.agent --weak skips_approval"
    for baseline in (tmp_path / "before.json", document(before)["run_id"]):
        found = document(run(tmp_path, "--agent", weak, "--subset", "canary", "--json", "--baseline", baseline))
        assert set(found["comparison"]["flipped_worse"]) == {c["id"] for c in found["cases"] if not c["passed"]}


@pytest.mark.parametrize(
    "words",
    [
        ["--agent", "nothing"], ["--golden", "absent.json"], ["--repeats", "0"], ["--min-pass-rate", "2"],
        ["--cases", "nope"], ["--subset", "nope"], ["--resume", "nope"], ["--per-case", "some"], ["--judge", "llm"],
        ["--concurrency", "0"], ["--timeout", "0"], ["--junit", "/no/such/folder/x.xml"], ["--baseline", "nope"],
        ["--rescore", "nope"], ["--cases", "lead-01", "--subset", "canary"],
    ],
)  # fmt: skip
def test_wrong_usage_is_one_sentence(tmp_path: Path, words: list[str]) -> None:
    if words[0] == "--baseline":
        words = [*words, "--subset", "canary"]
    done = run(tmp_path, *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_only_the_golden_set_can_be_checked(tmp_path: Path) -> None:
    done = run(tmp_path, "--validate-only")
    assert (done.returncode, "50 cases, 12 of them canary" in done.stdout) == (0, True)


SLOW = """
import json, os, sys, time
for line in sys.stdin:
    case = json.loads(line)
    time.sleep(0.02)
    with open(os.environ["ASKED"], "a") as f: f.write(case["case_id"] + "\\n")
    print(json.dumps({"case_id": case["case_id"], "output": "done" if case["input"]["n"] % 10 else "wrong"}), flush=True)
"""


def kill_and_resume(tmp_path: Path, kills: int, chance: random.Random) -> None:
    """Kill the runner at random moments, resume each time; the end is that of an unbroken run."""
    (tmp_path / "agent.py").write_text(SLOW)
    golden = make_set(tmp_path, 80)
    asked = tmp_path / "asked"
    variables = environment(tmp_path) | {"ASKED": str(asked)}
    words = [
        "--golden",
        golden,
        "--agent",
        f"command:{sys.executable} {tmp_path / 'agent.py'}",
        "--json",
        "--concurrency",
        4,
    ]
    run_id = None
    for _ in range(kills):
        more = ["--resume", run_id] if run_id else []
        process = subprocess.Popen(
            [sys.executable, "scripts/replay_harness.py", *map(str, [*words, *more])], cwd=ROOT, env=variables,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        first = process.stderr.readline()
        run_id = run_id or first.split()[1].rstrip(":")
        time.sleep(chance.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = subprocess.run(
        [sys.executable, "scripts/replay_harness.py", *map(str, [*words, "--resume", run_id])], cwd=ROOT, env=variables,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = document(done)
    assert (found["run_id"], found["total"], found["failed"], found["errors"]) == (run_id, 80, 8, 0), done.stderr
    assert {c["id"] for c in found["cases"] if not c["passed"]} == {f"c{n}" for n in range(0, 80, 10)}
    # At most what was in the air when it was killed is asked a second time: four at work, and what wasn't yet kept.
    times = asked.read_text().split()
    assert len(times) - 80 <= kills * 40


def test_killed_and_resumed_it_equals_an_unbroken_run(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, 3, random.Random(3))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_killed_two_hundred_times_it_equals_an_unbroken_run(tmp_path: Path) -> None:
    for turn in range(20):
        folder = tmp_path / str(turn)
        folder.mkdir()
        kill_and_resume(folder, 10, random.Random(turn))
