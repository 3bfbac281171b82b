"""`scripts/replay_harness.py`: the stated document, exit statuses, JUnit that others read, resuming after a kill."""

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
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "DATABASE_", "CI"))}
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


def test_two_runs_measure_what_flips_and_the_second_one_counts(tmp_path: Path) -> None:
    done = run(tmp_path, "--aa", "--subset", "canary", "--json")
    found = document(done)
    assert done.returncode == 0, done.stderr
    assert found["aa"]["runs"][1] == found["run_id"]
    assert (found["aa"]["flipped"], found["aa"]["judged"], found["aa"]["flip_rate"]) == ([], 12, 0)
    refused = run(tmp_path, "--aa", "--resume", found["run_id"])
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--aa begins two runs of its own" in refused.stderr


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
        ["--cases", "nope"], ["--cases", ""], ["--cases", " , "], ["--subset", "nope"], ["--resume", "nope"], ["--per-case", "some"], ["--judge", "llm"],
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
        "--agent-env",
        "ASKED",
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


def record(folder: Path, lines: list[dict[str, Any]]) -> str:
    path = folder / "recording.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"recorded:{path}"


def critical_set(folder: Path, cases: int) -> Path:
    path = make_set(folder, cases)
    raw = json.loads(path.read_text())
    raw["cases"][7]["criteria"][0]["critical"] = True
    path.write_text(json.dumps(raw))
    return path


def said(number: int, output: str = "done", **more: Any) -> dict[str, Any]:
    return {"case_id": f"c{number}", "output": output} | more


def test_a_critical_case_that_was_not_judged_makes_the_run_inconclusive_whatever_the_rate(tmp_path: Path) -> None:
    golden = critical_set(tmp_path, 40)
    recording = record(tmp_path, [said(n) for n in range(40) if n != 7])
    done = run(tmp_path, "--golden", golden, "--agent", recording, "--json")
    found = document(done)
    assert (done.returncode, found["verdict"], found["passed"]) == (3, "INCONCLUSIVE", 39)
    assert "c7" in found["reasons"][0]
    again = run(tmp_path, "--rescore", found["run_id"], "--json")
    assert (again.returncode, document(again)["verdict"]) == (3, "INCONCLUSIVE")
    other = record(tmp_path, [said(n) for n in range(40) if n != 8])
    done = run(tmp_path, "--golden", golden, "--agent", other)
    assert done.returncode == 0, "a case without a critical criterion may be missing at this rate"


def test_each_repeat_keeps_its_own_line_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    golden = make_set(tmp_path, 4)
    one = record(tmp_path, [said(n) for n in range(4)])
    done = run(tmp_path, "--golden", golden, "--agent", one, "--repeats", 4, "--json")
    found = document(done)
    assert (done.returncode, found["passed"], found["errors"]) == (3, 0, 4)
    assert "repeat 2" in found["cases"][0]["error"]
    lines = [said(n, "done" if repeat != 3 else "wrong", repeat=repeat) for repeat in (3, 1, 2) for n in range(4)]
    done = run(tmp_path, "--golden", golden, "--agent", record(tmp_path, lines), "--repeats", 3, "--json")
    found = document(done)
    assert (done.returncode, found["verdict"], found["failed"]) == (1, "BLOCK", 4)
    assert "repeat 3: the text lacks 'done'" in found["cases"][0]["criteria"][0]["reason"]


def stopped_run(folder: Path, *words: object) -> str:
    """A run that was begun and stopped before all of it was done."""
    body = SLOW.replace('with open(os.environ["ASKED"], "a") as f: f.write(case["case_id"] + "\\n")', "time.sleep(0.2)")
    (folder / "agent.py").write_text(body)
    process = subprocess.Popen(
        [sys.executable, "scripts/replay_harness.py", *map(str, words)], cwd=ROOT, env=environment(folder),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    run_id = process.stderr.readline().split()[1].rstrip(":")
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 3, errors
    assert f"--resume {run_id}" in errors
    return run_id


def test_a_resumed_run_goes_on_with_its_own_agent_and_settings_or_not_at_all(tmp_path: Path) -> None:
    golden = make_set(tmp_path, 60)
    agent = f"command:{sys.executable} {tmp_path / 'agent.py'}"
    run_id = stopped_run(tmp_path, "--golden", golden, "--agent", agent, "--min-pass-rate", 0.5, "--concurrency", 2)
    (tmp_path / "other").mkdir()
    other = make_set(tmp_path / "other", 5)
    for words in (
        ("--agent", "reference"), ("--golden", other), ("--repeats", 2), ("--min-pass-rate", 0.1), ("--judge", "llm"),
        ("--per-case", "majority"), ("--cases", "c1"), ("--subset", "canary"), ("--timeout", 5),
    ):  # fmt: skip
        refused = run(tmp_path, "--resume", run_id, *words)
        assert refused.returncode == 2, words
        assert words[0] in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
    done = run(tmp_path, "--resume", run_id, "--json", "--concurrency", 20)
    found = document(done)
    assert (done.returncode, found["verdict"], found["agent"]) == (0, "PASS", agent), done.stderr
    assert (found["passed"], found["failed"], found["min_pass_rate"]) == (54, 6, 0.5)


def test_a_secret_in_the_agent_s_specification_is_asked_for_again_and_stored_nowhere(tmp_path: Path) -> None:
    golden = make_set(tmp_path, 60)
    agent = f"command:{sys.executable} {tmp_path / 'agent.py'} --token planted-secret-0815"
    run_id = stopped_run(tmp_path, "--golden", golden, "--agent", agent, "--concurrency", 2)
    refused = run(tmp_path, "--resume", run_id)
    assert (refused.returncode, "Give the same --agent again" in refused.stderr) == (2, True)
    refused = run(tmp_path, "--resume", run_id, "--agent", agent.replace("0815", "0816"))
    assert (refused.returncode, "differs from the run's own" in refused.stderr) == (2, True)
    assert "planted-secret" not in refused.stderr
    done = run(tmp_path, "--resume", run_id, "--agent", agent, "--json", "--concurrency", 20)
    assert document(done)["total"] == 60
    everything = done.stdout + done.stderr
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("greenlight.db*"))
    assert "planted-secret" not in everything
    assert b"planted-secret" not in kept


STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)
for line in sys.stdin: time.sleep(600)
"""


def test_ctrl_c_ends_a_run_whatever_the_agent_does(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(STUBBORN)
    words = ["--golden", make_set(tmp_path, 5), "--agent", f"command:{sys.executable} {tmp_path / 'agent.py'}"]
    process = subprocess.Popen(
        [sys.executable, "scripts/replay_harness.py", *map(str, words), "--timeout", "600"], cwd=ROOT,
        env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, "Stopped." in errors, "Traceback" in errors) == (3, True, False)


def test_in_ci_the_agent_must_be_named(tmp_path: Path) -> None:
    command = [sys.executable, "scripts/replay_harness.py", "--golden", str(make_set(tmp_path, 2))]
    variables = environment(tmp_path) | {"CI": "true"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, "--agent reference" in done.stderr) == (2, True)
    command += ["--agent", ""]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, "names no agent" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "content",
    [
        "nonsense", "{}", "[]", "null", '{"cases": []}', '{"cases": 1, "golden_set": {}, "judge": {}}',
        '{"cases": [{"id": 1}], "golden_set": {}, "judge": {}}', '{"cases": [[]], "golden_set": {}, "judge": {}}',
        '{"cases": [{"id": "a", "criteria": [{"id": "x"}]}], "golden_set": {}, "judge": {}}', "\ud800",
    ],
)  # fmt: skip
def test_a_baseline_that_is_no_run_is_wrong_usage_before_anything_is_asked(tmp_path: Path, content: str) -> None:
    file = tmp_path / "base.json"
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    done = run(tmp_path, "--golden", make_set(tmp_path, 2), "--agent", "reference", "--baseline", file)
    assert (done.returncode, "Run " in done.stderr) == (2, False)
    assert len(done.stderr.strip().splitlines()) <= 2
