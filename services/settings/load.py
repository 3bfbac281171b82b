"""Where do the settings come from, and what is wrong with them? The only reader of the process environment.

Order: `GREENLIGHT_CONFIG` (default `greenlight.toml`); where there is no file, the stack that `start.py` runs
(`stack.json` in the data folder) gives the environment `local`, and its demo adds two simulated ones.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from services.errors import Problem, SettingsError
from services.settings.model import Environment, EnvironmentTable, Own, Secrets, Settings, SettingsFile

ROOT = Path(__file__).resolve().parents[2]
BUILT_IN = "built-in"
STACK_FILE = "stack.json"
TOKEN_FILE = "api_token"  # noqa: S105 - a file's name, not a token
MAX_FILE_BYTES = 1 << 20

SECRET_KEYS: Mapping[str, str] = {
    "REDIS_URL": "redis_url",
    "INNGEST_SIGNING_KEY": "inngest_signing_key",
    "INNGEST_EVENT_KEY": "inngest_event_key",
    "DASHBOARD_AUTH_TOKEN": "dashboard_token",
}


def load(variables: Mapping[str, str] | None = None, *, root: Path = ROOT) -> Settings:
    """Read, validate and resolve all settings.

    `variables` stands for the process environment (default: the real one). Raises SettingsError with every
    problem found; no problem ever quotes a secret.
    """
    variables = os.environ if variables is None else variables
    problems: list[Problem] = []
    data_dir = Path(variables.get("GREENLIGHT_DATA") or root / "data").resolve()
    path = Path(variables.get("GREENLIGHT_CONFIG") or root / "greenlight.toml")
    explicit = bool(variables.get("GREENLIGHT_CONFIG"))
    stack = _stack(data_dir)
    worker_port = _worker_port(variables, stack, problems)

    if path.is_file() or explicit:
        parsed = _parse(_read_toml(path, problems), str(path), problems)
        source = str(path)
        tables = parsed.environments
        if not tables and not problems:
            problems.append(
                _problem(path, "environments", "no environment is listed.", "Add an [[environments]] table.")
            )
    else:
        parsed, source, tables = SettingsFile(), f"{BUILT_IN} (no greenlight.toml)", ()
        tables += _local_tables(stack, worker_port)
    demo = stack.get("demo_config")
    if isinstance(demo, str) and Path(demo).is_file():
        names = {table.name for table in tables}
        demo_tables = _parse(_read_toml(Path(demo), problems), demo, problems).environments
        tables += tuple(table for table in demo_tables if table.name not in names)

    _check_unique(tables, source, problems)
    is_built_in = source.startswith(BUILT_IN)
    environments = tuple(
        _resolve(table, path.parent, variables, stack if is_built_in else None, problems) for table in tables
    )
    drain = _drain_seconds(variables, problems)
    database_url = _database_url(variables, data_dir, problems)
    own = _own(variables, problems)
    if problems:
        raise SettingsError(tuple(problems))
    return Settings(
        source=source,
        data_dir=data_dir,
        database_url=SecretStr(database_url),
        portal=parsed.portal,
        retention=parsed.retention,
        environments=environments,
        drain_seconds=drain,
        worker_port=worker_port,
        own=own,
        api_token=_api_token(variables, data_dir),
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `greenlight.toml`, as published in `docs/greenlight.schema.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | SettingsFile.model_json_schema()


def _problem(source: Path | str, key: str, message: str, fix: str) -> Problem:
    return Problem(source=str(source), key=key, message=message, fix=fix)


def _read_toml(path: Path, problems: list[Problem]) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            problems.append(
                _problem(path, "(file)", "is larger than 1 MiB.", "Point GREENLIGHT_CONFIG at the right file.")
            )
            return {}
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        problems.append(_problem(path, "(file)", "does not exist.", "Create it or correct GREENLIGHT_CONFIG."))
    except IsADirectoryError:
        problems.append(_problem(path, "(file)", "is a folder.", "Point GREENLIGHT_CONFIG at a TOML file."))
    except tomllib.TOMLDecodeError as error:
        problems.append(_problem(path, "(syntax)", f"is not valid TOML: {error}.", "Correct that line."))
    except UnicodeDecodeError:
        problems.append(_problem(path, "(encoding)", "is not UTF-8 text.", "Save it as UTF-8."))
    except OSError as error:
        problems.append(_problem(path, "(file)", f"can't be read ({error.strerror}).", "Check its permissions."))
    return {}


_FIXES: Mapping[str, str] = {
    "extra_forbidden": "Remove it or correct its spelling; greenlight.example.toml lists every key.",
    "missing": "Add it.",
}


def _parse(raw: dict[str, Any], source: str, problems: list[Problem]) -> SettingsFile:
    try:
        return SettingsFile.model_validate(raw)
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False, include_context=False):
            message = item["msg"].removeprefix("Value error, ").rstrip(".")
            if item["type"] == "extra_forbidden":
                message = "is not a known setting"
            fix = _FIXES.get(item["type"], "Correct the value; greenlight.example.toml shows a valid one.")
            problems.append(_problem(source, _location(item["loc"], raw), message + ".", fix))
        return SettingsFile()


def _location(loc: tuple[int | str, ...], raw: dict[str, Any]) -> str:
    """`environments[1 "staging"].redis.deadline_s`: the key with the environment's name beside its index."""
    text = ""
    for depth, part in enumerate(loc):
        if isinstance(part, int):
            name = ""
            if depth == 1 and loc[0] == "environments":
                table = raw["environments"][part]
                name = (
                    f' "{table.get("name")}"' if isinstance(table, dict) and isinstance(table.get("name"), str) else ""
                )
            text += f"[{part}{name}]"
        else:
            text += f".{part}" if text else part
    return text or "(file)"


def _check_unique(tables: tuple[EnvironmentTable, ...], source: str, problems: list[Problem]) -> None:
    seen: set[str] = set()
    for table in tables:
        if table.name in seen:
            problems.append(
                _problem(source, "environments", f"two environments are named {table.name!r}.", "Rename one of them.")
            )
        seen.add(table.name)


def _resolve(
    table: EnvironmentTable,
    folder: Path,
    variables: Mapping[str, str],
    stack: dict[str, Any] | None,
    problems: list[Problem],
) -> Environment:
    if table.env_file is not None:
        found, source = _from_env_file(folder / table.env_file, table.name, problems), table.env_file
    elif table.env_prefix is not None:
        found = {key: variables.get(table.env_prefix + key, "") for key in SECRET_KEYS}
        source = f"variables {table.env_prefix}…"
    elif table.name == "local" and stack is not None:
        found, source = _from_stack(stack, variables), "the running stack"
    else:
        found, source = {}, "nowhere: set env_file or env_prefix"
    values = {SECRET_KEYS[key]: SecretStr(value) for key, value in found.items() if value}
    return Environment(**_fields(table), secrets=Secrets(**values), secrets_source=source)


def _fields(table: EnvironmentTable) -> dict[str, Any]:
    return {name: getattr(table, name) for name in EnvironmentTable.model_fields}


def _from_env_file(path: Path, environment: str, problems: list[Problem]) -> dict[str, str]:
    """The secrets of an env file. The file alone decides: nothing is filled up from the process environment."""
    from dotenv import dotenv_values

    key = f'environments "{environment}".env_file'
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            problems.append(_problem(path, key, "is larger than 1 MiB.", "Point env_file at the right file."))
            return {}
        with path.open(encoding="utf-8-sig") as stream:
            values = dotenv_values(stream=stream)
    except FileNotFoundError:
        problems.append(_problem(path, key, "does not exist.", "Create it or correct env_file."))
        return {}
    except UnicodeDecodeError:
        problems.append(_problem(path, key, "is not UTF-8 text.", "Save it as UTF-8."))
        return {}
    except OSError as error:
        problems.append(_problem(path, key, f"can't be read ({error.strerror}).", "Check its permissions."))
        return {}
    return {name: values.get(name) or "" for name in SECRET_KEYS}


def _stack(data_dir: Path) -> dict[str, Any]:
    """What `start.py` wrote about the running stack; {} where there is none (or half of one)."""
    try:
        found = json.loads((data_dir / STACK_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


WORKER_FUNCTIONS = 3  # what our own worker serves (a test compares it with the worker)
LOCAL_INTERVALS = {
    "readiness": 5,
    "dependencies": 10,
    "redis_ping": 5,
    "redis_write": 10,
    "redis_info": 60,
    "inngest": 10,
    "queues": 10,
}


def _worker_port(variables: Mapping[str, str], stack: dict[str, Any], problems: list[Problem]) -> int:
    text = variables.get("GREENLIGHT_WORKER_PORT") or str(stack.get("worker_port") or 8502)
    if text.isdecimal() and 0 < int(text) < 65_536:
        return int(text)
    problems.append(
        _problem(
            "environment variables",
            "GREENLIGHT_WORKER_PORT",
            "is not a port number.",
            "Set a number from 1 to 65535, or unset it.",
        )
    )
    return 8502


def _own(variables: Mapping[str, str], problems: list[Problem]) -> Own:
    """What the worker itself runs on. Empty variables count as unset."""
    from urllib.parse import urlsplit

    url = variables.get("REDIS_URL") or None
    if url is not None and urlsplit(url).scheme not in {"redis", "rediss"}:
        problems.append(
            _problem(
                "environment variables",
                "REDIS_URL",
                "does not begin with redis:// or rediss://.",
                "Correct it, or unset it for a local Redis.",
            )
        )
    secret = {
        name: SecretStr(variables[key])
        for name, key in (("inngest_signing_key", "INNGEST_SIGNING_KEY"), ("inngest_event_key", "INNGEST_EVENT_KEY"))
        if variables.get(key)
    }
    return Own(
        redis_url=SecretStr(url) if url else None,
        redis_required=_is_on(variables.get("REDIS_REQUIRED", "")),
        inngest_required=_is_on(variables.get("INNGEST_REQUIRED", "")),
        # As the SDK reads it: anything but empty, 0 and false is on, "no" included.
        inngest_dev=variables.get("INNGEST_DEV", "").strip().lower() not in {"", "0", "false"},
        **secret,
    )


def _is_on(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on"}


def _local_tables(stack: dict[str, Any], port: int) -> tuple[EnvironmentTable, ...]:
    """The environment `local`: the stack on this machine, whose Redis has no budget, so probes are frequent."""
    return (
        EnvironmentTable.model_validate(
            {
                "name": "local",
                "base_url": f"http://127.0.0.1:{port}",
                "inngest": {"mode": stack.get("inngest_mode") or "dev", "expected_functions": WORKER_FUNCTIONS},
                "intervals": LOCAL_INTERVALS,
            }
        ),
    )


def _from_stack(stack: dict[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    token = variables.get("GREENLIGHT_API_TOKEN") or _read_secret_file(stack.get("api_token_file"))
    redis_url = variables.get("REDIS_URL") or _read_secret_file(stack.get("redis_url_file"))
    keys = {key: variables.get(key, "") for key in ("INNGEST_SIGNING_KEY", "INNGEST_EVENT_KEY")}
    return {"REDIS_URL": redis_url, "DASHBOARD_AUTH_TOKEN": token} | keys


def _read_secret_file(path: object) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip() if isinstance(path, str) else ""
    except OSError:
        return ""


def _api_token(variables: Mapping[str, str], data_dir: Path) -> SecretStr | None:
    text = variables.get("GREENLIGHT_API_TOKEN") or _read_secret_file(str(data_dir / TOKEN_FILE))
    return SecretStr(text) if text else None


def _drain_seconds(variables: Mapping[str, str], problems: list[Problem]) -> float:
    text = variables.get("GREENLIGHT_DRAIN_SECONDS") or "30"
    try:
        value = float(text)
        if not 0 <= value <= 3600:
            raise ValueError
    except ValueError:
        problems.append(
            _problem(
                "environment variables",
                "GREENLIGHT_DRAIN_SECONDS",
                "is not a number of seconds from 0 to 3600.",
                "Set a number, or unset it for 30.",
            )
        )
        return 30.0
    return value


def _database_url(variables: Mapping[str, str], data_dir: Path, problems: list[Problem]) -> str:
    url = variables.get("DATABASE_URL", "")
    if not url:
        return f"sqlite:///{data_dir / 'greenlight.db'}"
    scheme = url.split(":", 1)[0]
    if scheme in {"postgres", "postgresql", "postgresql+psycopg"}:
        return "postgresql+psycopg:" + url.split(":", 1)[1]
    if scheme == "sqlite":
        return url
    problems.append(
        _problem(
            "environment variables",
            "DATABASE_URL",
            "does not begin with postgresql:// or sqlite:///.",
            "Correct it, or unset it for SQLite in the data folder.",
        )
    )
    return "sqlite://"
