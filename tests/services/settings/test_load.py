"""Settings: everything wrong is said at once, and no secret is."""

import json
from pathlib import Path

import pytest

from services.errors import SettingsError, UnknownEnvironment
from services.settings import load, load_and_prepare
from services.settings.installation import WORKER_FUNCTIONS
from services.settings.load import json_schema
from tests.conftest import ROOT

SECRET = "planted-secret-4711"


def write(folder: Path, text: str, name: str = "greenlight.toml") -> dict[str, str]:
    (folder / name).write_text(text)
    return {"GREENLIGHT_CONFIG": str(folder / name), "GREENLIGHT_DATA": str(folder / "data")}


def problems(variables: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load(variables)
    assert all(p.source and p.key and p.advice.what and p.advice.fix for p in caught.value.problems)
    return str(caught.value)


def test_no_file_at_all_gives_the_local_environment(tmp_path: Path) -> None:
    settings = load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path)
    assert settings.names == ("local",)
    assert settings.environment("local").base_url == "http://127.0.0.1:8502"
    assert settings.environment("local").inngest.expected_functions == WORKER_FUNCTIONS


def test_all_problems_are_told_at_once_each_with_its_key_and_a_fix(tmp_path: Path) -> None:
    text = problems(
        write(
            tmp_path,
            """
            colour = "green"
            [[environments]]
            name = "staging"
            base_url = "ftp://x"
            redis = { ping_slow_ms = -1 }
            [[environments]]
            name = "Prod uction"
            base_url = "https://user:pw@example.org"
            queues = [{ name = "q", kind = "list", key = "k" }]
            """,
        )
        | {"GREENLIGHT_DRAIN_SECONDS": "soon", "DATABASE_URL": "mysql://x", "GREENLIGHT_WORKER_PORT": "abc"}
    )
    for expected in (
        "colour: is not a known setting",
        'environments[0 "staging"].base_url',
        'environments[0 "staging"].redis.ping_slow_ms',
        "environments[1",
        "user name or password",
        "timestamp_field",
        "GREENLIGHT_DRAIN_SECONDS",
        "DATABASE_URL",
        "GREENLIGHT_WORKER_PORT",
    ):
        assert expected in text


def test_no_problem_quotes_a_value_that_could_be_secret(tmp_path: Path) -> None:
    variables = write(
        tmp_path,
        f"""
        [[environments]]
        name = "staging"
        base_url = "https://u:{SECRET}@example.org"
        api_key = "{SECRET}"
        """,
    ) | {"DATABASE_URL": f"mysql://u:{SECRET}@h/db", "REDIS_URL": f"http://:{SECRET}@h"}
    assert SECRET not in problems(variables)


def test_the_env_file_wins_over_the_process_environment(tmp_path: Path) -> None:
    (tmp_path / "staging.env").write_text("REDIS_URL=redis://file/0\n")
    variables = write(
        tmp_path, '[[environments]]\nname = "staging"\nbase_url = "http://s"\nenv_file = "staging.env"\n'
    ) | {"REDIS_URL": "redis://process/0", "DASHBOARD_AUTH_TOKEN": SECRET}
    secrets = load(variables).environment("staging").secrets
    assert secrets.redis_url is not None
    assert secrets.redis_url.get_secret_value() == "redis://file/0"
    assert secrets.dashboard_token is None, "a key that is exported must not hide that the file lacks it"


def test_prefixed_variables_give_the_secrets(tmp_path: Path) -> None:
    variables = write(tmp_path, '[[environments]]\nname = "p"\nbase_url = "http://s"\nenv_prefix = "PROD_"\n')
    secrets = load(variables | {"PROD_REDIS_URL": "redis://prod/0"}).environment("p").secrets
    assert secrets.redis_url is not None
    assert secrets.redis_url.get_secret_value() == "redis://prod/0"


def test_settings_never_print_a_secret(tmp_path: Path) -> None:
    (tmp_path / "s.env").write_text(f"REDIS_URL=redis://:{SECRET}@h/0\nDASHBOARD_AUTH_TOKEN={SECRET}\n")
    variables = write(tmp_path, '[[environments]]\nname = "s"\nbase_url = "http://s"\nenv_file = "s.env"\n')
    settings = load(variables | {"GREENLIGHT_API_TOKEN": SECRET, "DATABASE_URL": f"postgresql://u:{SECRET}@h/d"})
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not toml [", "not valid TOML"),
        ('[[environments]]\nname="a"\nbase_url="http://x"\n' * 2, "two environments are named"),
        ('[[environments]]\nname="a"\nbase_url="http://x"\nenv_file="none.env"\n', "does not exist"),
        ('[[environments]]\nname="a"\nbase_url="http://x"\nenv_file="f"\nenv_prefix="F_"\n', "keep one of them"),
        ('environments = "x"', "environments"),
        ("[[environments]]\nname=1\nbase_url=2\n", "environments[0].name"),
    ],
)
def test_each_mistake_gets_its_sentence(tmp_path: Path, text: str, words: str) -> None:
    assert words in problems(write(tmp_path, text))


def test_a_missing_named_file_is_a_problem(tmp_path: Path) -> None:
    assert "does not exist" in problems({"GREENLIGHT_CONFIG": str(tmp_path / "none.toml")})


def test_a_binary_file_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00\x01")
    assert "UTF-8" in problems({"GREENLIGHT_CONFIG": str(tmp_path / "b.toml")})


def test_an_unknown_environment_names_those_that_exist(tmp_path: Path) -> None:
    settings = load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path)
    with pytest.raises(UnknownEnvironment, match="Choose one of: local"):
        settings.environment("nowhere")


def test_a_half_written_stack_note_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text('{"worker_port": 9')
    assert load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path).worker_port == 8502


def test_the_example_files_load(tmp_path: Path) -> None:
    for name in ("greenlight.example.toml", ".env.example"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "staging.env").write_text((ROOT / ".env.example").read_text())
    settings = load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.example.toml"), "GREENLIGHT_DATA": str(tmp_path)})
    assert {"staging", "production"} <= set(settings.names)


@pytest.mark.parametrize(
    ("content", "token"),
    [
        (b"DASHBOARD_AUTH_TOKEN=tok-1\n", "tok-1"),
        (b'DASHBOARD_AUTH_TOKEN="tok-1\n"\n', "tok-1"),
        (b'{"DASHBOARD_AUTH_TOKEN": "tok-1\\n"}', "tok-1"),
        (b"DASHBOARD_AUTH_TOKEN=${OTHER}tok-1\n", "tok-1"),
        (b"DASHBOARD_AUTH_TOKEN=${{ shared.X }}\n", None),
        (b"DASHBOARD_AUTH_TOKEN:tok-1\n", None),
    ],
)
def test_secrets_are_read_as_the_validator_reads_them(tmp_path: Path, content: bytes, token: str | None) -> None:
    (tmp_path / "a.env").write_bytes(content)
    toml = tmp_path / "greenlight.toml"
    toml.write_text('[[environments]]\nname = "a"\nbase_url = "http://127.0.0.1:1"\nenv_file = "a.env"\n')
    variables = {"GREENLIGHT_CONFIG": str(toml), "GREENLIGHT_DATA": str(tmp_path / "d"), "OTHER": "from-the-worker"}
    found = load(variables).environment("a").secrets.dashboard_token
    assert (found and found.get_secret_value()) == token


def test_an_env_file_in_utf_16_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_bytes("DASHBOARD_AUTH_TOKEN=planted\r\n".encode("utf-16"))
    toml = tmp_path / "greenlight.toml"
    toml.write_text('[[environments]]\nname = "a"\nbase_url = "http://127.0.0.1:1"\nenv_file = "a.env"\n')
    with pytest.raises(SettingsError) as caught:
        load({"GREENLIGHT_CONFIG": str(toml), "GREENLIGHT_DATA": str(tmp_path / "d")})
    (problem,) = caught.value.problems
    assert "UTF-16" in problem.advice.what
    assert "planted" not in str(caught.value)


def test_white_space_around_a_variable_of_the_process_means_nothing(tmp_path: Path) -> None:
    settings = load({"GREENLIGHT_DATA": str(tmp_path), "GREENLIGHT_API_TOKEN": "planted-token\n"}, root=tmp_path)
    assert settings.api_token is not None
    assert settings.api_token.get_secret_value() == "planted-token"


@pytest.mark.parametrize("text", ["", "[replay]\nconcurrency = 4\n", '[access]\ndefault_role = "operator"\n'])
def test_a_file_without_environments_keeps_the_stack_s_own(tmp_path: Path, text: str) -> None:
    settings = load(write(tmp_path, text))
    assert settings.names == ("local",)
    assert settings.is_first_start


def test_the_stack_s_own_stays_beside_listed_environments_where_it_has_a_server(tmp_path: Path) -> None:
    table = '[[environments]]\nname = "{}"\nbase_url = "http://x"\n'
    server = {"INNGEST_BASE_URL": "http://127.0.0.1:8288", "INNGEST_SIGNING_KEY": "ab", "INNGEST_EVENT_KEY": "e"}
    assert load(write(tmp_path, table.format("p"))).names == ("p",)
    beside = load(write(tmp_path, table.format("p")) | server)
    assert beside.names == ("p", "local")
    assert [e.name for e in beside.pulsed] == ["local"]
    assert not beside.is_first_start
    assert load(write(tmp_path, table.format("local")) | server).names == ("local", "greenlight")
    shared = table.format("p") + 'env_prefix = "P_"\ninngest = { api_url = "http://127.0.0.1:8288" }\n'
    keys = {f"P_{name}": value for name, value in server.items() if name != "INNGEST_BASE_URL"}
    assert load(write(tmp_path, shared) | server | keys).names == ("p",), "its pulse is seen there already"


def test_the_example_shows_every_setting() -> None:
    text = (ROOT / "greenlight.example.toml").read_text()
    schema = json_schema()
    tables = [schema, *schema["$defs"].values()]
    missing = {key for table in tables for key in table["properties"] if key not in text}
    assert not missing


def test_the_published_schema_is_the_code_s() -> None:
    published = json.loads((ROOT / "docs" / "greenlight.schema.json").read_text())
    assert published == json_schema()


def test_a_serving_process_makes_its_api_token_once_for_this_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GREENLIGHT_API_TOKEN", "GREENLIGHT_CONFIG", "DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GREENLIGHT_DATA", str(tmp_path / "new"))
    first, second = load_and_prepare().api_token, load_and_prepare().api_token
    assert first is not None
    assert first == second
    assert len(first.get_secret_value()) > 30
    assert (tmp_path / "new" / "api_token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("key", ["not-hex", "signkey-prod-xyz", "signkey-test-abc", "abc"])
def test_a_signing_key_that_breaks_the_route_is_refused_without_quoting_it(tmp_path: Path, key: str) -> None:
    words = problems(
        write(tmp_path, '[[environments]]\nname="p"\nbase_url="http://p"\n') | {"INNGEST_SIGNING_KEY": key}
    )
    assert "is not hexadecimal after its prefix" in words
    assert key not in words


@pytest.mark.parametrize("key", ["signkey-prod-" + "ab" * 32, "ab" * 32, "signkey-branch-AB12"])
def test_a_sound_signing_key_or_none_is_taken(tmp_path: Path, key: str) -> None:
    load(write(tmp_path, '[[environments]]\nname="p"\nbase_url="http://p"\n') | {"INNGEST_SIGNING_KEY": key})


@pytest.mark.parametrize("key", ["", "  "])
def test_an_empty_signing_key_is_refused_since_anyone_could_sign_with_it(tmp_path: Path, key: str) -> None:
    text = '[[environments]]\nname="p"\nbase_url="http://p"\n'
    assert "take jobs from anyone" in problems(write(tmp_path, text) | {"INNGEST_SIGNING_KEY": key})


def test_a_grpc_port_that_outgoing_connections_may_hold_is_refused(tmp_path: Path) -> None:
    text = '[[environments]]\nname="p"\nbase_url="http://p"\n'
    for name in ("INNGEST_CONNECT_GATEWAY_GRPC_PORT", "INNGEST_CONNECT_EXECUTOR_GRPC_PORT"):
        assert "below 32768" in problems(write(tmp_path, text) | {name: "50052"})
        load(write(tmp_path, text) | {name: "20052"})


@pytest.mark.parametrize("retries", [0, 1])
def test_functions_that_would_not_survive_a_deploy_are_refused(tmp_path: Path, retries: int) -> None:
    text = f'[durable]\nretries = {retries}\n[[environments]]\nname="p"\nbase_url="http://p"\n'
    assert "it would fail at every deploy" in problems(write(tmp_path, text))


@pytest.mark.parametrize("name", ["INNGEST_BASE_URL", "INNGEST_API_BASE_URL", "INNGEST_EVENT_API_BASE_URL"])
def test_a_base_url_that_the_sdk_ignores_is_refused(tmp_path: Path, name: str) -> None:
    text = '[[environments]]\nname="p"\nbase_url="http://p"\n'
    for url in ("http://inngest", "inngest", "http://localhost/x"):
        assert "talks to Inngest Cloud" in problems(write(tmp_path, text) | {name: url})
    for url in ("http://inngest:8288", "https://inngest.example.org", "127.0.0.1:8288", ""):
        load(write(tmp_path, text) | {name: url})
