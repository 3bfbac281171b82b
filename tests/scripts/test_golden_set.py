"""`golden_set.py`: a first set that runs, imports that overwrite nothing, one sentence for what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from services.store import Store, drafts
from tests.conftest import ROOT


def run(folder: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"GREENLIGHT_DATA": str(folder / "data"), "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, str(ROOT / "scripts" / script), *words], cwd=folder, env=environment,
                          capture_output=True, text=True, check=False, timeout=300)  # fmt: skip


def golden_set(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "golden_set.py", *words)


def test_the_first_set_runs_as_printed_and_a_changed_agent_is_blocked(tmp_path: Path) -> None:
    made = golden_set(tmp_path, "init")
    assert made.returncode == 0
    assert "replay_harness.py --golden golden_set/golden_set.json" in made.stdout
    agent = f"command:{sys.executable} golden_set/agent.py"
    words = ("--golden", "golden_set/golden_set.json", "--agent", agent)
    assert run(tmp_path, "replay_harness.py", *words).returncode == 0
    file = tmp_path / "golden_set" / "agent.py"
    file.write_text(file.read_text().replace("<= 30", "<= 60"))
    blocked = run(tmp_path, "replay_harness.py", *words, "--json")
    assert blocked.returncode == 1
    assert json.loads(blocked.stdout)["critical_failures"] == ["refund-too-late: decision"]
    again = golden_set(tmp_path, "init")
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_an_import_is_previewed_written_and_never_writes_over(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("id,question,answer\na,What is 2+2?,4\nb,Explain.,\n")
    preview = golden_set(tmp_path, "import", "q.csv", "--from", "csv")
    assert preview.returncode == 1, "something was left out"
    assert "line 3: The row says nothing that could be checked." in preview.stdout
    assert "Nothing was written" in preview.stdout
    assert not (tmp_path / "set.json").exists()
    assert (
        "set.json is version v1 now"
        in golden_set(tmp_path, "import", "q.csv", "--from", "csv", "--to", "set.json").stdout
    )
    assert golden_set(tmp_path, "validate", "set.json").returncode == 0
    before = (tmp_path / "set.json").read_text()
    (tmp_path / "q.csv").write_text("id,question,answer\na,What is 2+2?,5\n")
    refused = golden_set(tmp_path, "import", "q.csv", "--from", "csv", "--to", "set.json")
    assert refused.returncode == 2
    assert 'expectations[0].all_of[0]: "4" → "5"' in refused.stderr
    assert (tmp_path / "set.json").read_text() == before
    done = golden_set(tmp_path, "import", "q.csv", "--from", "csv", "--to", "set.json", "--replace")
    assert done.returncode == 0
    assert "kept as set.before-v2.json" in done.stdout
    compared = golden_set(tmp_path, "diff", "set.before-v2.json", "set.json", "--json")
    assert compared.returncode == 1
    assert [c["what"] for c in json.loads(compared.stdout)["cases"]] == ["changed"]
    assert golden_set(tmp_path, "diff", "set.json", "set.json").stdout == "Nothing differs.\n"


def test_a_draft_is_published_into_a_set(tmp_path: Path) -> None:
    golden_set(tmp_path, "init", "one")
    (tmp_path / "q.jsonl").write_text('{"id": "x", "input": "2+2?", "expected": "4"}\n')
    golden_set(tmp_path, "import", "q.jsonl", "--from", "jsonl", "--to", "draft.json")
    words = ("publish", "draft.json", "--to", "one/golden_set.json", "--remove", "refund-too-late")
    assert "- refund-too-late" in golden_set(tmp_path, *words, "--dry-run").stdout
    assert golden_set(tmp_path, *words).returncode == 0
    found = json.loads((tmp_path / "one" / "golden_set.json").read_text())
    assert (found["version"], [case["id"] for case in found["cases"]]) == ("v2", ["refund-in-time", "x"])


def test_wrong_usage_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    for words in (("validate", "nothing.json"), ("validate", "broken.json"), ("import", "nothing.csv", "--from", "csv"),
                  ("publish", "broken.json", "--to", "x.json"), ("diff", "broken.json", "broken.json")):  # fmt: skip
        found = golden_set(tmp_path, *words)
        assert found.returncode == 2, words
        assert found.stderr.strip()
        assert "Traceback" not in found.stderr


def test_traces_become_drafts_that_count_nowhere(tmp_path: Path) -> None:
    lines = [{"at": "2026-12-01T12:00:00Z", "trace_id": f"{n // 2:032x}", "span_id": f"{n:016x}", "tool": "pay",
              "action": "x", "status": "ok", "duration_ms": 1, "environment": "e", "attributes": {}} for n in range(4)]  # fmt: skip
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "{half\n")
    done = golden_set(tmp_path, "import", "t.jsonl", "--from", "traces")
    assert done.returncode == 1, "a line was left out, and no case counts"
    assert "t.jsonl, line 5: The line can't be used: it is no JSON." in done.stdout
    assert "2 drafts were made." in done.stdout
    store = Store.open(f"sqlite:///{tmp_path / 'data' / 'greenlight.db'}")
    with store.read() as connection:
        assert len(drafts.newest(connection)) == 2
    store.close()
