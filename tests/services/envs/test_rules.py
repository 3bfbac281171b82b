"""Every rule has an example that triggers it, one that nearly does and must not, and a message without the value."""

import hashlib
from pathlib import Path

import pytest

from services.env_files.document import Document, from_bytes, from_text
from services.envs import catalogue as catalogues
from services.envs import file_state
from services.envs.findings import Mode, check_document, policy_of
from services.envs.live import against_reality
from services.envs.relations import Side, against_others
from services.envs.rules import RULES, Finding
from services.envs.validation import validate

STAGING, PRODUCTION = Mode.of("staging"), Mode.of("production")
HEX = "00112233445566778899aabbccddeeff"
GOOD = {
    "ENVIRONMENT": "production",
    "REDIS_REQUIRED": "true",
    "INNGEST_REQUIRED": "true",
    "REDIS_URL": "rediss://default:pw@redis.acme.io:6379",
    "REDIS_MAX_CONNECTIONS": "50",
    "RATE_LIMIT_REDIS_NAMESPACE": "caio:production:ratelimit",
    "CONTEXT_REDIS_PREFIX": "caio:production:context",
    "CONTEXT_STATE_TTL_SECONDS": "7200",
    "INNGEST_SIGNING_KEY": f"signkey-prod-{HEX}",
    "INNGEST_EVENT_KEY": "evt-key-of-production",
    "INNGEST_APP_ID": "caio-alpha-swarm-production",
    "INNGEST_APP_NAME": "Swarm",
    "INNGEST_WEBHOOK_URL": "https://www.acme.io/inngest",
    "INNGEST_SERVE_ORIGIN": "https://www.acme.io",
    "DASHBOARD_AUTH_TOKEN": "a-long-random-token",
    "TRACE_ENVELOPE_FILE": ".hive-mind/traces/tool_trace_envelopes_production.jsonl",
    "TRACE_ENVELOPE_ENABLED": "true",
    "TRACE_RETENTION_DAYS": "30",
    "TRACE_CLEANUP_ENABLED": "true",
    "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": "300",
    "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "180",
}
ABSENT = object()


def document(name: str = "production.env", **changes: object) -> Document:
    """The good file with some values changed or left out."""
    values = {k: v for k, v in (GOOD | changes).items() if v is not ABSENT}
    return from_text("".join(f"{key}={value}\n" for key, value in values.items()), name)


def found(doc: Document, mode: Mode = PRODUCTION) -> dict[str, Finding]:
    return {f.rule: f for f in check_document(doc, catalogues.load(), mode)}


def test_the_good_file_has_no_finding() -> None:
    assert found(document()) == {}
    assert validate(document(), catalogues.load(), PRODUCTION).result == "PASS"


CASES: list[tuple[str, dict[str, object], dict[str, object], Mode]] = [
    ("platform_reference", {"DASHBOARD_AUTH_TOKEN": "${{ shared.X }}"}, {"DASHBOARD_AUTH_TOKEN": "$-shared.X"}, PRODUCTION),
    ("odd_character", {"DASHBOARD_AUTH_TOKEN": "\u200btok"}, {"DASHBOARD_AUTH_TOKEN": "tok"}, PRODUCTION),
    ("odd_character", {"DASHBOARD_AUTH_TOKEN": "\u201ctok\u201d"}, {"INNGEST_APP_NAME": "caf\u00e9 \u201cx\u201d y"}, PRODUCTION),
    ("odd_character", {"DASHBOARD_AUTH_TOKEN": "to\tk"}, {"INNGEST_APP_NAME": "an app"}, PRODUCTION),
    ("missing_required", {"REDIS_URL": ABSENT}, {"INNGEST_DEV": ABSENT}, PRODUCTION),
    ("missing_for_strict", {"REDIS_REQUIRED": "false", "REDIS_URL": ABSENT}, {"REDIS_REQUIRED": "false"}, PRODUCTION),
    ("missing_recommended", {"TRACE_RETENTION_DAYS": ABSENT}, {"INNGEST_BASE_URL": ABSENT}, PRODUCTION),
    ("unset_platform_default", {"RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": ABSENT},
     {"RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": "0"}, PRODUCTION),
    ("empty_required", {"INNGEST_EVENT_KEY": ""}, {"INNGEST_DEV": ""}, PRODUCTION),
    ("empty", {"INNGEST_APP_NAME": ""}, {"INNGEST_APP_NAME": "x"}, PRODUCTION),
    ("empty_signing_key", {"INNGEST_SIGNING_KEY": ""}, {}, PRODUCTION),
    ("placeholder", {"DASHBOARD_AUTH_TOKEN": "<token>"}, {"DASHBOARD_AUTH_TOKEN": "t0ken<3"}, PRODUCTION),
    ("placeholder", {"INNGEST_EVENT_KEY": "changeme"}, {"INNGEST_EVENT_KEY": "exchanged-mean-1"}, PRODUCTION),
    ("placeholder", {"REDIS_URL": "rediss://default:xxxx@h.io:6379"}, {"REDIS_URL": "rediss://h.io"}, PRODUCTION),
    ("not_boolean", {"REDIS_REQUIRED": "maybe"}, {"REDIS_REQUIRED": "TRUE"}, PRODUCTION),
    ("not_integer", {"REDIS_MAX_CONNECTIONS": "50.5"}, {"REDIS_MAX_CONNECTIONS": "51"}, PRODUCTION),
    ("not_integer", {"RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "90s"}, {"RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "90"}, PRODUCTION),
    ("not_integer", {"RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": "5 min"}, {"RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": "300"}, PRODUCTION),
    ("out_of_range", {"RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": "-1"}, {"RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": "0"}, PRODUCTION),
    ("out_of_range", {"REDIS_MAX_CONNECTIONS": "0"}, {"REDIS_MAX_CONNECTIONS": "1"}, PRODUCTION),
    ("not_url", {"INNGEST_WEBHOOK_URL": "www.acme.io/inngest"}, {}, PRODUCTION),
    ("port_out_of_range", {"REDIS_URL": "rediss://h.io:70000"}, {"REDIS_URL": "rediss://h.io:65535"}, PRODUCTION),
    ("redis_scheme", {"REDIS_URL": "https://h.upstash.io"}, {"REDIS_URL": "rediss://h.upstash.io"}, PRODUCTION),
    ("redis_address", {"REDIS_URL": "rediss://d:1#2@h.io"}, {"REDIS_URL": "rediss://d:1%232@h.io"}, PRODUCTION),
    ("redis_without_tls", {"REDIS_URL": "redis://h.upstash.io"}, {"REDIS_URL": "redis://127.0.0.1"}, PRODUCTION),
    ("key_not_hex", {"INNGEST_SIGNING_KEY": "signkey-prod-xyz1"}, {"INNGEST_SIGNING_KEY": HEX}, PRODUCTION),
    ("key_not_hex", {"INNGEST_SIGNING_KEY": f"signkey-prod-{HEX}a"}, {}, PRODUCTION),
    ("environment_contradicts", {"ENVIRONMENT": "staging"}, {}, PRODUCTION),
    ("other_environment", {"CONTEXT_REDIS_PREFIX": "caio:staging:context"}, {}, PRODUCTION),
    ("unusual_value", {"CONTEXT_STATE_TTL_SECONDS": "3600"}, {"TRACE_ENVELOPE_ENABLED": "1"}, PRODUCTION),
    ("dev_switch_on", {"INNGEST_DEV": "1"}, {"INNGEST_DEV": "0"}, PRODUCTION),
    ("dev_switch_on", {"INNGEST_DEV": "http://127.0.0.1:8288"}, {"INNGEST_DEV": "False"}, PRODUCTION),
    ("dev_switch_looks_off", {"INNGEST_DEV": "no"}, {"INNGEST_DEV": ""}, PRODUCTION),
    ("base_url_ignored", {"INNGEST_BASE_URL": "http://jobs"}, {"INNGEST_BASE_URL": "http://jobs:8288"}, PRODUCTION),
    ("base_url_ignored", {"INNGEST_API_BASE_URL": "http://localhost"},
     {"INNGEST_API_BASE_URL": "http://inngest.internal"}, PRODUCTION),
    ("webhook_not_https", {"INNGEST_WEBHOOK_URL": "http://www.acme.io/inngest"}, {}, PRODUCTION),
    ("webhook_path", {"INNGEST_WEBHOOK_URL": "https://www.acme.io/inngest/"},
     {"INNGEST_WEBHOOK_URL": "https://www.acme.io/api/inngest"}, PRODUCTION),
    ("origin_mismatch", {"INNGEST_SERVE_ORIGIN": "https://acme.io"},
     {"INNGEST_SERVE_ORIGIN": "https://WWW.acme.io:443/"}, PRODUCTION),
    ("loopback_address", {"INNGEST_WEBHOOK_URL": "http://localhost:8000/inngest"}, {}, PRODUCTION),
    ("production_key_elsewhere", {}, {"INNGEST_SIGNING_KEY": f"signkey-test-{HEX}"}, STAGING),
    ("other_key_in_production", {"INNGEST_SIGNING_KEY": f"signkey-test-{HEX}"}, {}, PRODUCTION),
    ("relaxed_policy", {"REDIS_REQUIRED": "false", "INNGEST_REQUIRED": "0"}, {}, PRODUCTION),
    ("partly_relaxed", {"REDIS_REQUIRED": "false"}, {}, PRODUCTION),
]  # fmt: skip
TEXTS: dict[str, tuple[bytes, bytes]] = {
    "bad_line": (b"A=1\nnot this\n", b"A=1\n# not this\n"),
    "colon_line": (b"A: planted\n", b"A=: planted\n"),
    "wrong_encoding": ("A=1\n".encode("utf-16"), b"A=1\n"),
    "unquoted_block": (b"K=-----BEGIN X\nabc\n", b'K="-----BEGIN X\nabc"\n'),
    "reference_too_long": (
        b"A0=" + b"x" * 100 + b"\n" + b"".join(b"A%d=${A%d}${A%d}\n" % (n, n - 1, n - 1) for n in range(1, 30)),
        b"A0=x\nA1=${A0}${A0}\n",
    ),
    "duplicate_key": (b"A=1\nA=1\n", b"A=1\n#A=1\n"),
    "byte_order_mark": (b"\xef\xbb\xbfA=1\n", b"A=\xef\xbb\xbf1\n"),
    "not_utf8": (b"A=\xff\n", "A=ÿ\n".encode()),
    "unresolved_reference": (b"A=${B}\nB=1\n", b"B=1\nA=${B}${C:-x}\n"),
}


@pytest.mark.parametrize(("rule", "triggers", "nearly", "mode"), CASES)
def test_a_value_triggers_its_rule_and_its_neighbour_does_not(
    rule: str, triggers: dict[str, object], nearly: dict[str, object], mode: Mode
) -> None:
    hit = found(document(**triggers), mode).get(rule)
    assert hit is not None
    assert rule not in found(document(**nearly), mode)
    for value in triggers.values():
        if isinstance(value, str) and len(value) > 5 and value != "staging":
            assert value not in hit.advice.what + hit.advice.fix


@pytest.mark.parametrize("rule", TEXTS)
def test_text_triggers_its_rule_and_its_neighbour_does_not(rule: str) -> None:
    triggers, nearly = (from_bytes(data, "f.env") for data in TEXTS[rule])
    assert rule in found(triggers)
    assert rule not in found(nearly)


def test_a_refused_secret_is_known_by_its_hash_alone() -> None:
    published = hashlib.sha256(b"a-long-random-token").hexdigest()
    assert "refused_secret" in found(document(LEGACY_TOKEN_SHA256=published))
    assert "refused_secret" not in found(document(LEGACY_TOKEN_SHA256="0" * 64))


def test_a_real_secret_in_an_example_is_found_and_a_placeholder_is_not() -> None:
    real = found(document(name=".env.example"))
    assert "secret_in_example" in real
    assert real["secret_in_example"].key in {"INNGEST_SIGNING_KEY", "REDIS_URL"}
    empty = from_text("INNGEST_SIGNING_KEY=signkey-prod-<hex>\nDASHBOARD_AUTH_TOKEN=<token>\n", ".env.example")
    assert not {"secret_in_example", "placeholder"} & set(found(empty))


def side(name: str, **changes: object) -> Side:
    return Side(name=name, role=name, document=document(**changes))


def rules_against(other: Side) -> set[str]:
    return {f.rule for f in against_others(side("production"), [other], catalogues.load())}


def test_what_two_environments_share_and_must_not() -> None:
    assert rules_against(side("staging")) == {"same_secret", "same_value"}
    apart = {key: f"{value}x" for key, value in GOOD.items()}
    assert rules_against(side("staging", **apart)) == set()
    assert [f.rule for f in against_others(side("production"), [], catalogues.load(), ["staging"])] == [
        "same_redis_server"
    ]


def test_a_secret_that_nobody_listed_is_guarded_by_its_name() -> None:
    shared = Side(name="a", role="other", document=from_text("STRIPE_API_KEY=v\nCOLOUR=v\n", "a"))
    hits = list(against_others(shared, [Side(name="b", role="other", document=shared.document)], catalogues.load()))
    assert [(f.key, f.severity) for f in hits] == [("STRIPE_API_KEY", "warning")]


@pytest.mark.parametrize(
    ("file", "running", "rule"),
    [
        ("true", False, "saved_not_deployed"),
        ("false", True, "deployed_not_saved"),
        ("true", True, None),
        ("x", False, None),
    ],
)
def test_intent_beside_reality(file: str, running: bool, rule: str | None) -> None:
    hits = against_reality(document(REDIS_REQUIRED=file), {"redis": {"required": running}, "inngest": {}})
    assert [f.rule for f in hits] == ([rule] if rule else [])


def test_who_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.env"
    path.write_text("A=1\n")
    path.chmod(0o644)
    assert [f.rule for f in file_state.file_findings(path)] == ["readable_by_others"]
    path.chmod(0o600)
    assert list(file_state.file_findings(path)) == []


def test_every_rule_of_the_table_is_shown_by_an_example() -> None:
    shown = {case[0] for case in CASES} | TEXTS.keys() | {
        "refused_secret", "secret_in_example", "same_secret", "same_value", "same_redis_server", "readable_by_others",
        "saved_not_deployed", "deployed_not_saved",
        "bad_names",  # tests/services/envs/test_document.py
        "tracked_by_git",  # tests/services/envs/test_reading.py
        "redis_check_failed", "route_check_failed", "route_other_app", "token_check_failed",
        "check_could_not_run",  # tests/services/envs/test_live.py
    }  # fmt: skip
    assert shown == RULES.keys()


@pytest.mark.parametrize(
    ("changes", "policy", "result"),
    [
        ({}, "strict", "PASS"),
        ({"REDIS_REQUIRED": "false", "INNGEST_REQUIRED": "false"}, "relaxed", "RELAXED"),
        ({"REDIS_REQUIRED": "false", "INNGEST_REQUIRED": "false", "REDIS_URL": ABSENT}, "relaxed", "RELAXED"),
        ({"REDIS_REQUIRED": "false"}, "partly", "PASS"),
        ({"REDIS_REQUIRED": ABSENT}, "unstated", "FAIL"),
        ({"REDIS_REQUIRED": ABSENT, "INNGEST_REQUIRED": ABSENT, "REDIS_URL": ABSENT}, "unstated", "FAIL"),
    ],
)
def test_nothing_enforced_is_never_a_pass(changes: dict[str, object], policy: str, result: str) -> None:
    doc = document(**changes)
    assert policy_of(doc) == policy
    assert validate(doc, catalogues.load(), PRODUCTION).result == result
    if policy != "strict":
        assert validate(doc, catalogues.load(), PRODUCTION, strict=True).result == "FAIL"


def test_an_unstated_policy_counts_as_strict_for_what_is_missing() -> None:
    judged = validate(from_text("A=1\n", "f"), catalogues.load(), PRODUCTION)
    assert set(judged.missing_required) == {
        "REDIS_URL", "REDIS_REQUIRED", "INNGEST_SIGNING_KEY", "INNGEST_EVENT_KEY", "INNGEST_REQUIRED",
        "INNGEST_APP_ID", "INNGEST_WEBHOOK_URL",
    }  # fmt: skip


def test_a_simulated_environment_may_live_on_this_machine() -> None:
    here = document(INNGEST_WEBHOOK_URL="http://127.0.0.1:8000/inngest", INNGEST_SERVE_ORIGIN="http://127.0.0.1:8000")
    mode = Mode(name="production", role="production", simulated=True)
    assert {f.severity for f in check_document(here, catalogues.load(), mode)} == {"info"}
