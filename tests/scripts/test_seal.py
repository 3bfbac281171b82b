"""A sealed report: untouched it verifies in every format; a changed byte anywhere is found; a forged key is not theirs."""

import json
import random
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from scripts import completion_report, verify_report
from services import clock
from services.evidence import exports as taken_exports
from services.health import record as ledger
from services.report import seal
from services.report.make import Report, report
from services.report.seal import FORMATS, NoReport
from services.settings import load
from services.store import Store
from services.store.migrate import migrate
from tests.services.health.test_record import seen


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = Path(tmp_path_factory.mktemp("report"))
    settings = load({"GREENLIGHT_DATA": str(folder)}, root=folder)
    store = Store.open(settings.database_url.get_secret_value())
    migrate(store)
    ledger.record(store, [seen(clock.now_ms() / 1000, environment="local")], ledger.Memory())
    found: Report = report(store, settings, "local", "completion")
    return folder, store, found


@pytest.mark.parametrize("format_", FORMATS)
def test_it_verifies_untouched_and_any_changed_byte_is_found(made: Any, format_: Any) -> None:
    _, _, found = made
    file = found.file(format_)
    checked = seal.check(file)
    assert checked.whole
    assert (checked.seal.environment, checked.seal.kind) == ("local", "completion")
    chance = random.Random(5)
    for _ in range(60):
        at = chance.randrange(len(file))
        broken = bytearray(file)
        broken[at] ^= 1 << chance.randrange(7)
        if format_ == "json" and _same(bytes(broken), file):
            continue  # white space between members says nothing
        try:
            assert not seal.check(bytes(broken)).whole, f"byte {at} was changed unseen"
        except NoReport:
            continue


def _same(one: bytes, other: bytes) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def test_cut_off_lengthened_or_taken_from_elsewhere_it_does_not_verify(made: Any) -> None:
    _, _, found = made
    file = found.file("html")
    for changed in (file[:-10], file + b"<p>Go</p>", b"<p>Go</p>" + file, file.replace(b"Not enough evidence", b"Go")):
        assert changed != file
        try:
            assert not seal.check(changed).whole
        except NoReport:
            continue
    document = json.loads(found.file("json"))
    with pytest.raises(NoReport):
        seal.check(json.dumps(document | {"note": "Go"}).encode())
    twice = found.file("json").replace(b'"report":', b'"report": {"verdict": {"state": "GO"}}, "report":', 1)
    with pytest.raises(NoReport):
        seal.check(twice)
    for junk in (b"", b"{", b"hello", b"{}", b"\n<!-- greenlight-seal AAAA -->\n", b"[" * 100_000):
        with pytest.raises(NoReport):
            seal.check(junk)


def test_another_key_s_seal_is_not_theirs(made: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, _, found = made
    forged = seal.sealed(seal.canonical(found.found), "json", found.found, seal.key(tmp_path))
    file = tmp_path / "r.json"
    file.write_bytes(forged)
    assert verify_report.main([str(file)]) == 0
    seal.key(folder)
    assert verify_report.main([str(file), "--public-key", str(folder / "report_key.pub.pem")]) == 1
    assert "NOT THEIRS" in capsys.readouterr().out
    assert (folder / "report_key.pem").stat().st_mode & 0o777 == 0o600


def test_with_the_store_a_changed_or_dropped_record_is_found(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, store, _ = made
    for name in ("GREENLIGHT_CONFIG", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GREENLIGHT_DATA", str(folder))
    target = tmp_path / "r.md"
    assert completion_report.main(["--env", "local", "-o", str(target)]) in {1, 3}
    assert verify_report.main([str(target), "--store"]) == 0
    said = capsys.readouterr().out
    assert "is whole" in said
    assert "This file was taken by command line (unverified) on 2" in said
    with store.read() as connection:
        taken = taken_exports.newest(connection, "local")
        assert taken_exports.traced(connection, "local", "completion", target.read_bytes() + b" ") is None, (
            "another file"
        )
    assert taken is not None
    assert (taken.kind, taken.format, taken.sha256) == ("completion", "md", sha256(target.read_bytes()).hexdigest())
    with store.write() as connection:  # anyone who can write the file can take its guards away
        guards = list(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars())
        for guard in guards:
            connection.exec_driver_sql(f"DROP TRIGGER {guard}")
        body = connection.exec_driver_sql("SELECT body FROM evidence WHERE seq = 1").scalar()
        connection.exec_driver_sql("UPDATE evidence SET body = replace(body, 'pass', 'fail') WHERE seq = 1")
    assert verify_report.main([str(target), "--store"]) == 1
    assert "BROKEN CHAIN: record 1" in capsys.readouterr().out
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE evidence SET body = ? WHERE seq = 1", (body,))
        # The newest notes that the report was taken; the one before it is the report's head.
        connection.exec_driver_sql("DELETE FROM evidence WHERE seq >= (SELECT max(seq) - 1 FROM evidence)")
    assert verify_report.main([str(target), "--store"]) == 1
    assert "NOT THIS CHAIN" in capsys.readouterr().out


def test_wrong_usage_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_report.main([str(tmp_path / "none.pdf")]) == 2
    (tmp_path / "x.txt").write_text("x")
    assert verify_report.main([str(tmp_path / "x.txt")]) == 2
    with pytest.raises(SystemExit) as ended:
        completion_report.main(["-o", str(tmp_path / "x.docx")])
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_damaged_signing_key_is_told_in_a_sentence_and_never_replaced(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, store, _ = made
    monkeypatch.setenv("GREENLIGHT_DATA", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", store.engine.url.render_as_string(hide_password=False))
    monkeypatch.delenv("GREENLIGHT_CONFIG", raising=False)
    locked = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
    )
    for content in (b"junk", b"", locked):
        (tmp_path / "report_key.pem").write_bytes(content)
        assert completion_report.main(["--env", "local", "-o", str(tmp_path / "r.md")]) == 2
        assert "holds no signing key that can be used" in capsys.readouterr().err
        assert (tmp_path / "report_key.pem").read_bytes() == content
        assert not (tmp_path / "r.md").exists()
