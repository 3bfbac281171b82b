"""The three command lines about env files: exit statuses, shapes, and no value in any output."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.evidence import chain
from services.store import Store
from services.store.migrate import migrate
from tests.conftest import ROOT
from tests.services.envs.test_rules import GOOD

STRICT = "".join(f"{k}={v}\n" for k, v in GOOD.items())
RELAXED = STRICT.replace("REDIS_REQUIRED=true", "REDIS_REQUIRED=false").replace(
    "INNGEST_REQUIRED=true", "INNGEST_REQUIRED=false"
)


def run(script: str, *words: object, data: Path, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "REDIS_", "INNGEST_"))}
    config = {"GREENLIGHT_CONFIG": str(data / "greenlight.toml"), "GREENLIGHT_DATA": str(data)}
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script), *map(str, words)],
        capture_output=True, text=True, check=False, input=stdin, env=clean | config | variables,
    )  # fmt: skip


@pytest.fixture
def production(tmp_path: Path) -> Path:
    path = tmp_path / "production.env"
    path.write_text(STRICT)
    path.chmod(0o600)
    return path


def validate(path: Path, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(
        "validate_runtime_env.py", "--mode", "production", "--env-file", path, *words, data=path.parent, **variables
    )


def test_a_good_file_passes(production: Path) -> None:
    done = validate(production)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Result: PASS")


@pytest.mark.parametrize(
    ("text", "words", "status", "result"),
    [
        (RELAXED, [], 3, "RELAXED"),
        (RELAXED, ["--allow-relaxed"], 0, "RELAXED"),
        (RELAXED, ["--strict"], 1, "FAIL"),
        (STRICT.replace("REDIS_URL=", "X="), [], 1, "FAIL"),
        ("", [], 1, "FAIL"),
    ],
)
def test_results_and_their_exit_statuses(
    production: Path, text: str, words: list[str], status: int, result: str
) -> None:
    production.write_text(text)
    done = validate(production, *words)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (status, f"Result: {result}")
    document = json.loads(validate(production, "--json", *words).stdout)
    assert document["result"] == result
    assert {"mode", "env_file", "findings", "missing_required", "missing_recommended", "connections"} <= document.keys()


def test_a_variable_of_the_shell_does_not_hide_that_the_file_lacks_it(production: Path) -> None:
    production.write_text(STRICT.replace("REDIS_URL=", "X="))
    done = validate(production, "--json", REDIS_URL="rediss://shell.io")
    assert json.loads(done.stdout)["missing_required"] == ["REDIS_URL"]


@pytest.mark.parametrize("words", [["--env-file", "absent"], ["--env-file", "."], []])
def test_wrong_usage_is_one_sentence(tmp_path: Path, words: list[str]) -> None:
    done = run("validate_runtime_env.py", "--mode", "production", *words, data=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_connection_that_refuses_fails_and_one_that_cannot_be_tried_is_inconclusive(production: Path) -> None:
    refused = STRICT.replace("rediss://default:pw@redis.acme.io:6379", "redis://127.0.0.1:1")
    production.write_text(refused.replace("https://www.acme.io", "https://no-such-host.invalid"))
    done = validate(production, "--check-connections", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["connections"]["redis"]["state"] == "failed"
    assert document["connections"]["dependencies"]["state"] == "unknown"
    done = validate(production, "--verify-inngest-route")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (3, "Result: INCONCLUSIVE")


def test_a_configured_file_leaves_evidence_and_another_none(production: Path, tmp_path: Path) -> None:
    (tmp_path / "greenlight.toml").write_text(
        '[[environments]]\nname="production"\nrole="production"\nbase_url="http://h"\nenv_file="production.env"\n'
    )
    store = Store.open(f"sqlite:///{tmp_path / 'greenlight.db'}")
    migrate(store)
    other = tmp_path / "other.env"
    other.write_text(STRICT)
    validate(production)
    validate(other)
    with store.read() as connection:
        found = [e for _, _, e in chain.history(connection, "production")]
    store.close()
    assert [(e.check, e.outcome, e.detail["by"]) for e in found] == [("env.validation", "pass", "command line")]
    assert found[0].fingerprint


def diff(*words: object, data: Path) -> subprocess.CompletedProcess[str]:
    return run("env_diff.py", *words, data=data)


def test_the_diff_finds_one_secret_in_two_environments(production: Path, tmp_path: Path) -> None:
    staging = tmp_path / "staging.env"
    staging.write_text(STRICT.replace("production", "staging"))
    done = diff(staging, production, "--json", "--only-problems", data=tmp_path)
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["environments"] == ["staging", "production"]
    rows = {row["key"]: row for row in document["keys"]}
    assert rows["REDIS_URL"]["status"] == "same_but_must_differ"
    assert rows["REDIS_URL"]["relation"] == "must_differ"
    assert rows["REDIS_URL"]["present_in"] == ["staging", "production"]
    assert rows["REDIS_URL"]["severity"] == "error"
    assert "CONTEXT_REDIS_PREFIX" not in rows


@pytest.mark.parametrize("words", [["--json"], ["--format", "md"], ["--format", "csv"], []])
def test_no_format_of_the_diff_says_anything_of_a_value(production: Path, tmp_path: Path, words: list[str]) -> None:
    other = tmp_path / "staging.env"
    other.write_text(STRICT.replace("evt-key", "evt2-key"))
    done = diff(other, production, *words, data=tmp_path)
    for value in ("redis.acme.io", "pw@", "evt-key", "evt2", "a-long-random-token", "00112233"):
        assert value not in done.stdout + done.stderr


def test_wrong_usage_of_the_diff(production: Path, tmp_path: Path) -> None:
    for words in ([production], [production, "absent"], [production, production, "--names", "one"]):
        done = diff(*words, data=tmp_path)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def bootstrap(path: Path, *words: object, stdin: str = "", mode: str = "staging") -> subprocess.CompletedProcess[str]:
    script = "bootstrap_runtime_reliability.py"
    return run(script, "--mode", mode, "--env-file", path, *words, data=path.parent, stdin=stdin)


SECRETS = (
    "REDIS_URL=rediss://default:planted-pw@h.io\nINNGEST_SIGNING_KEY=signkey-test-00ff\nINNGEST_EVENT_KEY=planted-evt\n"
)


def test_bootstrap_makes_a_strict_file_that_passes(tmp_path: Path) -> None:
    path = tmp_path / "staging.env"
    done = bootstrap(
        path, "--from-stdin", "--enforce", "--webhook-url", "https://s.io/inngest", "--validate", stdin=SECRETS
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Result: PASS"), done.stdout + done.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    assert "planted" not in done.stdout + done.stderr


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = bootstrap(tmp_path / "staging.env", "--dry-run", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["applied"]) == (0, False)
    assert {a["act"] for a in document["actions"]} == {"add"}
    assert not (tmp_path / "staging.env").exists()


def test_comments_order_unknown_keys_and_line_ends_stay_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "staging.env"
    before = b"# mine\r\nMY_KEY = 'x y' # why\r\n\r\nREDIS_URL=rediss://filled.io\r\nINNGEST_EVENT_KEY=\r\n"
    path.write_bytes(before)
    done = bootstrap(path, "--inngest-event-key", "k1", "--redis-url", "rediss://other.io")
    after = path.read_bytes()
    assert done.returncode == 0
    assert after.startswith(before.replace(b"INNGEST_EVENT_KEY=\r\n", b"INNGEST_EVENT_KEY=k1\r\n"))
    assert b"\n" not in after.replace(b"\r\n", b"")
    assert "--replace REDIS_URL" in done.stdout
    bootstrap(path, "--redis-url", "rediss://other.io", "--replace", "REDIS_URL")
    assert b"REDIS_URL=rediss://other.io\r\n" in path.read_bytes()
    assert bootstrap(path, "--undo").returncode == 0
    assert path.read_bytes() == after


@pytest.mark.parametrize(
    ("words", "stdin", "says"),
    [
        (["--redis-url", "a\nb"], "", "line break"),
        (["--from-stdin"], "no assignment here\n", "Line 1 of standard input"),
        (["--replace", "NO_SUCH_KEY"], "", "no value to replace"),
    ],
)
def test_bootstrap_refuses_in_one_sentence_and_writes_nothing(
    tmp_path: Path, words: list[str], stdin: str, says: str
) -> None:
    done = bootstrap(tmp_path / "staging.env", *words, stdin=stdin)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "staging.env").exists()


def test_the_command_lines_start_without_what_they_do_not_need() -> None:
    heavy = ("pydantic", "sqlalchemy", "httpx", "streamlit")
    code = f"import sys, scripts.env_diff; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
