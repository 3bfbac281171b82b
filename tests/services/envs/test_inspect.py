"""A configured environment's configuration becomes snapshots and evidence; simulated ones are compared apart."""

import os
from pathlib import Path

import pytest

from services import clock
from services.advice import Advice
from services.envs import catalogue as catalogues
from services.envs import inspect, view
from services.envs.live import Connection, Live
from services.envs.rules import Finding
from services.evidence import chain
from services.evidence.freshness import Context, why_stale
from services.evidence.model import Evidence
from services.fingerprint import InstallationKey
from services.settings import load
from services.settings.model import Settings
from services.store import Store, snapshots
from tests.services.envs.test_rules import GOOD

KEY = InstallationKey(b"k" * 32)
HOUR = 3_600_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("staging", "production"):
        text = "".join(f"{k}={v.replace('production', name)}\n" for k, v in GOOD.items())
        (tmp_path / f"{name}.env").write_text(text.replace("7200", "3600") if name == "staging" else text)
        (tmp_path / f"{name}.env").chmod(0o600)
    (tmp_path / "greenlight.toml").write_text(
        "".join(
            f'[[environments]]\nname="{n}"\nrole="{n}"\nbase_url="http://h"\nenv_file="{n}.env"\n'
            for n in ("staging", "production")
        )
    )
    return load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path)})


def take(settings: Settings, name: str = "production", now: int = HOUR) -> inspect.Inspection:
    return inspect.run(settings.environment(name), settings, catalogues.load(), key=KEY, now_ms=now)


def write(settings: Settings, name: str, key: str, value: str) -> None:
    path = settings.environment(name).env_path
    assert path is not None
    lines = [line for line in path.read_text().splitlines() if not line.startswith(f"{key}=")]
    path.write_text("\n".join([*lines, f"{key}={value}"]) + "\n")


def proofs(store: Store, check: str = inspect.CHECK) -> list[Evidence]:
    with store.read() as connection:
        return [e for _, _, e in chain.history(connection, "production", check=check)]


def test_secrets_shared_between_configured_environments_are_found(settings: Settings) -> None:
    judged = take(settings).validation
    assert judged.result == "FAIL"
    assert {f.key for f in judged.findings if f.rule == "same_secret"} >= {"REDIS_URL", "DASHBOARD_AUTH_TOKEN"}


def test_evidence_is_written_when_it_says_something_new_and_hourly(store: Store, settings: Settings) -> None:
    assert inspect.record(store, take(settings), by="worker", now_ms=HOUR)
    assert not inspect.record(store, take(settings), by="worker", now_ms=HOUR + 60_000)
    write(settings, "production", "INNGEST_EVENT_KEY", "another-one")
    assert inspect.record(store, take(settings), by="worker", now_ms=HOUR + 120_000)
    assert inspect.record(store, take(settings), by="worker", now_ms=3 * HOUR)
    found = proofs(store)
    assert len(found) == 3
    assert len({e.fingerprint for e in found}) == 2
    assert found[0].outcome == "fail"
    assert "another-one" not in str(found)


def test_a_relaxed_file_is_no_pass(store: Store, settings: Settings) -> None:
    for flag in ("REDIS_REQUIRED", "INNGEST_REQUIRED"):
        write(settings, "production", flag, "false")
    own = {
        "INNGEST_EVENT_KEY": "own", "DASHBOARD_AUTH_TOKEN": "own", "REDIS_URL": "rediss://own.io",
        "INNGEST_WEBHOOK_URL": "https://own.io/inngest", "INNGEST_SERVE_ORIGIN": "https://own.io",
    }  # fmt: skip
    for key, value in own.items():
        write(settings, "production", key, value)
    write(settings, "production", "INNGEST_SIGNING_KEY", "signkey-prod-aabb")
    write(settings, "staging", "INNGEST_SIGNING_KEY", "signkey-test-ccdd")
    seen = take(settings)
    assert [f for f in seen.validation.findings if f.severity == "error"] == []
    assert seen.validation.result == "RELAXED"
    inspect.record(store, seen, by="worker", now_ms=HOUR)
    assert [e.outcome for e in proofs(store)] == ["unknown"]


def test_drift_since_a_moment_names_keys(store: Store, settings: Settings) -> None:
    inspect.record(store, take(settings, now=HOUR), by="worker", now_ms=HOUR)
    write(settings, "production", "TRACE_RETENTION_DAYS", "31")
    write(settings, "production", "NEW", "1")
    inspect.record(store, take(settings, now=2 * HOUR), by="worker", now_ms=2 * HOUR)
    since_before = view.drift_since(store, "production", HOUR + 1)
    assert since_before.drift is not None
    assert (since_before.drift.added, since_before.drift.changed) == (("NEW",), ("TRACE_RETENTION_DAYS",))
    since_after = view.drift_since(store, "production", 2 * HOUR)
    assert since_after.drift is not None
    assert not since_after.drift.any
    assert view.drift_since(store, "production", 1).before is None


def test_an_unchanged_configuration_lengthens_its_snapshot(store: Store, settings: Settings) -> None:
    for now in (HOUR, HOUR + 60_000, HOUR + 700_000):
        inspect.record(store, take(settings, now=now), by="worker", now_ms=now)
    with store.read() as connection:
        history = snapshots.history(connection, "production")
    assert [(s.first_ms, s.last_ms) for s in history] == [(HOUR, HOUR + 700_000)]


def test_a_change_makes_what_was_proven_before_stale(settings: Settings) -> None:
    before = take(settings).snapshot
    write(settings, "production", "NEW", "1")
    after = take(settings).snapshot
    assert before is not None
    assert after is not None
    proof = Evidence(
        environment="production", check="redis.ping", outcome="pass", at_ms=0, fingerprint=before.fingerprint
    )
    assert why_stale(proof, Context(fingerprint=before.fingerprint), 1000) is None
    assert why_stale(proof, Context(fingerprint=after.fingerprint), 1000) == "the environment's variables changed since"
    assert why_stale(proof, Context(fingerprint="ffffffff-00"), 1000) == (
        "the installation's fingerprint key was replaced since, so it can't be compared"
    )
    assert why_stale(proof, Context(fingerprint=before.fingerprint), 3 * HOUR) == "it is too old"
    assert why_stale(proof, Context(version="v2"), 1000) is None, "a version that played no part"


def test_simulated_environments_are_compared_among_themselves_alone(settings: Settings) -> None:
    one, two = settings.environments
    mixed = settings.model_copy(update={"environments": (one.model_copy(update={"simulated": True}), two)})
    judged = inspect.run(two, mixed, catalogues.load(), key=KEY, now_ms=HOUR).validation
    assert not {f.rule for f in judged.findings} & {"same_secret", "same_value"}


def test_variables_with_a_prefix_are_a_configuration_without_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "g.toml").write_text('[[environments]]\nname="prod"\nbase_url="http://h"\nenv_prefix="PROD_"\n')
    monkeypatch.setenv("PROD_REDIS_URL", "rediss://h.io")
    monkeypatch.setenv("REDIS_REQUIRED", "true")
    configured = load(dict(os.environ) | {"GREENLIGHT_CONFIG": str(tmp_path / "g.toml")})
    seen = inspect.run(configured.environment("prod"), configured, catalogues.load(), key=KEY, now_ms=HOUR)
    assert dict(seen.document.values) == {"REDIS_URL": "rediss://h.io"}
    assert "REDIS_REQUIRED" in seen.validation.missing_required
    assert {f.line for f in seen.validation.findings} == {None}


def test_a_deploy_is_the_first_evidence_of_the_version_that_runs() -> None:
    def seen(at: int, version: str | None) -> Evidence:
        return Evidence(environment="e", check="readiness.ready", outcome="pass", at_ms=at, version=version)

    assert view.first_of_version([seen(9, "b"), seen(5, "b"), seen(3, "a")]) == 5
    assert view.first_of_version([seen(9, None)]) is None
    assert view.first_of_version([]) is None


def test_findings_are_kept_without_their_words(store: Store, settings: Settings) -> None:
    inspect.record(store, take(settings), by="worker", now_ms=clock.now_ms())
    kept = proofs(store)[0].detail["findings"]
    assert kept
    assert {frozenset(item) for item in kept} == {frozenset({"key", "rule", "severity", "line"})}
    assert isinstance(take(settings).validation.findings[0], Finding)


def test_what_was_seen_last_holds_now_whatever_the_clock_says(store: Store, settings: Settings) -> None:
    inspect.record(store, take(settings, now=3 * HOUR), by="worker", now_ms=3 * HOUR)
    write(settings, "production", "NEW", "1")
    after = take(settings, now=HOUR)  # the clock was set back
    for _ in range(3):
        inspect.record(store, after, by="worker", now_ms=HOUR)
    with store.read() as connection:
        newest, kept = snapshots.newest(connection, "production"), snapshots.history(connection, "production")
    assert after.snapshot is not None
    assert newest is not None
    assert newest.fingerprint == after.snapshot.fingerprint
    assert len(kept) == 2, "and it is noted once"


def test_an_input_that_could_not_be_tried_is_named_with_what_to_do(store: Store, settings: Settings) -> None:
    """Else anyone who has pressed Verify is told to press Verify."""
    missing = Connection(name="redis", state="unknown", advice=Advice(what="It could not be checked: REDIS_URL is missing.", fix="Fill it in, then check again."))  # fmt: skip
    fine = Connection(name="dependencies", state="ok", advice=Advice(what="Fine.", fix=""))
    refused = Connection(
        name="inngest_route", state="failed", advice=Advice(what="The key is refused.", fix="Compare it.")
    )
    said = []
    for connections in ((fine, missing), (missing, refused)):
        seen = inspect.run(settings.environment("production"), settings, catalogues.load(), key=KEY,
                             live=Live(connections=connections), now_ms=HOUR)  # fmt: skip
        inspect.record(store, seen, by="a person's request", now_ms=HOUR, always=True)
        (newest, *_) = proofs(store, inspect.CONNECTIONS_CHECK)
        said.append((newest.outcome, newest.detail.get("why"), newest.detail.get("fix")))
    assert said == [
        ("unknown", "It could not be checked: REDIS_URL is missing.", "Fill it in, then check again."),
        ("fail", "The key is refused.", "Compare it."),
    ]
