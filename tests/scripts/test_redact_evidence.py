"""`scripts/redact_evidence.py`: stored secrets leave the store's files, and the chain's proof stays whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from services import clock
from services.evidence import Evidence, chain
from services.store import Store, conditions, snapshots
from tests.conftest import ROOT
from tests.services.health.test_record import seen

SECRET = "MIIEplantedKEYmaterial0123456789ab"


def run(data: Path, url: str, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"GREENLIGHT_DATA": str(data), "GREENLIGHT_CONFIG": "", "DATABASE_URL": url}
    return subprocess.run(
        [sys.executable, "scripts/redact_evidence.py", *words], cwd=ROOT, env=environment, input=given,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def filled(store: Store) -> Store:
    """A store as an older version left it: key material taken for a key's name."""
    now = clock.now_ms()
    finding = {"key": SECRET, "rule": "no_value", "message": f"{SECRET} stands without an equals sign"}
    proof = Evidence(
        environment="local", check="env.validation", outcome="fail", at_ms=now, detail={"findings": [finding]}
    )
    with store.write() as connection:
        chain.append(store, connection, [Evidence(environment="local", check="a", outcome="pass", at_ms=1), proof])
        chain.append(store, connection, [Evidence(environment="local", check="b", outcome="pass", at_ms=now)])
        connection.execute(
            snapshots.env_snapshots.insert().values(
                environment="local", source="f", first_ms=1, last_ms=2, fingerprint="x", key_id="k",
                marks=json.dumps({"GOOD_NAME": "ab" * 16, SECRET: "cd" * 16}),
            )
        )  # fmt: skip
    return store


def everything(store: Store) -> str:
    with store.read() as connection:
        rows = [list(connection.execute(text(f"SELECT * FROM {name}"))) for name in ("evidence", "env_snapshots")]
    return repr(rows)


def test_names_that_are_none_leave_the_store_and_the_chain_stays_whole(
    filled: Store, database_url: str, tmp_path: Path
) -> None:
    words = ("--names", "--secrets", "-")
    dry = run(tmp_path, database_url, *words, given=SECRET)
    assert (dry.returncode, "Would redact" in dry.stdout) == (1, True), dry.stderr
    assert SECRET in everything(filled), "a dry run changes nothing"
    nameless = run(tmp_path, database_url, *words, "--apply", given=SECRET)
    assert (nameless.returncode, "--by NAME" in nameless.stderr) == (2, True)
    with filled.read() as connection:
        before = chain.tip(connection)
    done = run(tmp_path, database_url, *words, "--apply", "--by", "Ada", given=SECRET)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr + everything(filled)
    assert "GOOD_NAME" in everything(filled)
    with filled.read() as connection:
        assert chain.verify(connection) is None
        assert chain.place(connection, before[1]) == before[0], "sealed reports still find their head"
        assert chain.newest(connection, "local", "env.validation") is not None
    if filled.is_sqlite:
        files = b"".join(path.read_bytes() for path in tmp_path.glob("greenlight.db*"))
        assert SECRET.encode() not in files
    again = run(tmp_path, database_url, *words, given=SECRET)
    assert (again.returncode, again.stdout.strip()) == (0, "Nothing to redact.")
    with filled.write() as connection, pytest.raises(Exception, match="append-only"):
        connection.execute(text("UPDATE evidence SET outcome = 'pass'"))


def test_a_redacted_record_that_is_changed_again_is_found(filled: Store, database_url: str, tmp_path: Path) -> None:
    assert run(tmp_path, database_url, "--secrets", "-", "--apply", "--by", "Ada", given=SECRET).returncode == 0
    with filled.write() as connection:
        if filled.is_sqlite:
            connection.execute(text("DROP TRIGGER evidence_no_update"))
        else:
            connection.execute(text("ALTER TABLE evidence DISABLE TRIGGER evidence_append_only"))
        connection.execute(text("UPDATE evidence SET body = replace(body, '\"fail\"', '\"pass\"') WHERE seq = 2"))
    with filled.read() as connection:
        broken = chain.verify(connection)
    assert broken is not None
    assert broken.seq == 2


def test_wrong_usage(tmp_path: Path) -> None:
    done = run(tmp_path, f"sqlite:///{tmp_path / 'greenlight.db'}")
    assert (done.returncode, "--names" in done.stderr) == (2, True)
    assert run(tmp_path, "", "--secrets", "/absent").returncode == 2


def test_a_condition_s_detail_is_redacted_too(store: Store, database_url: str, tmp_path: Path) -> None:
    from services.health import record as ledger

    item = seen(clock.now_ms() / 1000, environment="local")
    reading = item.reading.__class__(code="readiness.not_ready", detail={"body": {"note": SECRET}})
    ledger.record(
        store,
        [item.__class__(**{n: getattr(item, n) for n in item.__dataclass_fields__} | {"reading": reading})],
        ledger.Memory(),
    )
    assert run(tmp_path, database_url, "--secrets", "-", "--apply", "--by", "Ada", given=SECRET).returncode == 0
    with store.read() as connection:
        (found,) = conditions.load(connection, "local")
    assert SECRET not in str(found.detail)
    assert str(found.detail["body"]["note"]).startswith("[redacted ")
