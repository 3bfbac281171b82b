"""Reads the settings, and says what is wrong with them. The only reader of the process environment.

Order: `GREENLIGHT_CONFIG` (default `greenlight.toml`); where there is no file, the stack that `start.py` runs
(`stack.json` in the data folder) gives the environment `local`, and its demo adds two simulated ones.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from services import paths
from services.dependencies.registry import KINDS
from services.errors import Problem, SettingsError
from services.paths import ROOT, TEAM_KEYS, TEAM_STEPS, config_path
from services.settings import alert_channels, installation
from services.settings.installation import problem
from services.settings.model import Agent, Environment, EnvironmentTable, Own, Secrets, Settings, SettingsFile

BUILT_IN = "built-in"
OWN_NAMES = ("local", "greenlight", "greenlight-worker")  # the first that no listed environment has
DECLARABLE = tuple(name for name, kind in KINDS.items() if kind.settings is not None)
MAX_FILE_BYTES = 1 << 20

SECRET_KEYS: Mapping[str, str] = {
    "REDIS_URL": "redis_url",
    "INNGEST_SIGNING_KEY": "inngest_signing_key",
    "INNGEST_EVENT_KEY": "inngest_event_key",
    "DASHBOARD_AUTH_TOKEN": "dashboard_token",
}


def load(variables: Mapping[str, str] | None = None, *, root: Path = ROOT, text: str | None = None) -> Settings:
    """Read, validate and resolve all settings.

    `variables` stands for the process environment (default: the real one), `text` for the file's content. Raises
    SettingsError with every problem found; no problem ever quotes a secret.
    """
    # Mounted secrets end in a line end; nowhere does white space around a value mean anything.
    variables = {name: value.strip() for name, value in (os.environ if variables is None else variables).items()}
    problems: list[Problem] = []
    data_dir = paths.data_dir(variables, root)
    path = config_path(variables, root)
    explicit = bool(variables.get("GREENLIGHT_CONFIG"))
    stack = installation.stack_note(data_dir)
    variables = installation.with_stack_inngest(variables, stack)
    own = installation.own(variables, problems)
    worker_port = installation.worker_port(variables, stack, problems)

    if path.is_file() or explicit:
        raw = _read_toml(path, problems) if text is None else _toml(text, path, problems)
        parsed = _parse(raw, str(path), problems)
        source = str(path)
    else:
        parsed, source = SettingsFile(), f"{BUILT_IN} (no greenlight.toml)"
    tables = parsed.environments
    is_alone = not tables
    demo_agents: tuple[Agent, ...] = ()
    demo = stack.get("demo_config")
    if isinstance(demo, str) and Path(demo).is_file():
        names = {table.name for table in tables}
        from_demo = _parse(_read_toml(Path(demo), problems), demo, problems)
        tables += tuple(table for table in from_demo.environments if table.name not in names)
        demo_agents = from_demo.replay.agents

    _check_unique(tables, source, problems)
    environments = tuple(_resolve(table, path.parent, variables, None, own, parsed, problems) for table in tables)
    # The stack's own is all there is to watch where no environment is listed. Beside others it has the pulse, unless
    # one of them shares its Inngest server.
    if is_alone or (own.inngest_configured and not any(e.server is not None and e.server.pulsed for e in environments)):
        name = next(name for name in OWN_NAMES if all(name != table.name for table in tables))
        table = installation.own_table(name, worker_port, own)
        made = _resolve(table, path.parent, variables, stack, own, parsed, problems)
        environments = (made, *environments) if is_alone else (*environments, made)
    problems += installation.access_problems(parsed.access, variables, source)
    names = {environment.name for environment in environments}
    channel_urls = alert_channels.addresses(parsed.alerts, variables, names, source, problems)
    drain = installation.drain_seconds(variables, problems)
    database_url = installation.database_url(variables, data_dir, problems)
    if problems:
        raise SettingsError(tuple(problems))
    return Settings(
        source=source,
        data_dir=data_dir,
        database_url=SecretStr(database_url),
        portal=parsed.portal,
        retention=parsed.retention,
        slo=parsed.slo,
        environments=environments,
        replay=parsed.replay.model_copy(update={"agents": (*parsed.replay.agents, *demo_agents)}),
        durable=parsed.durable,
        soak=parsed.soak,
        access=parsed.access,
        policy=parsed.policy,
        network=parsed.network,
        deploys=parsed.deploys,
        alerts=parsed.alerts,
        traces=parsed.traces,
        channel_urls=channel_urls,
        dead_man_url=alert_channels.dead_man(parsed.alerts, variables),
        portal_url=alert_channels.portal_url(parsed.alerts, parsed.portal, stack),
        settings_dir=path.parent.resolve(),
        access_tokens=installation.access_tokens(parsed.access, variables),
        drain_seconds=drain,
        worker_port=worker_port,
        own=own,
        api_token=installation.api_token(variables, data_dir),
        deploy_key=SecretStr(deploy_key) if (deploy_key := variables.get("GREENLIGHT_DEPLOY_KEY")) else None,
        keys_file=path.parent / TEAM_KEYS,
        steps_file=path.parent / TEAM_STEPS,
    )


def with_current_secrets(environment: Environment) -> Environment:
    """The environment with its secrets read again, after its env file was changed. Raises SettingsError."""
    if environment.env_path is None:
        return environment
    problems: list[Problem] = []
    named = _named(environment, environment.platform_token)
    found = _from_env_file(environment.env_path, environment.name, tuple({*SECRET_KEYS, *named}), problems)
    if problems:
        raise SettingsError(tuple(problems))
    return environment.model_copy(update={"secrets": _secrets(found), "variables": _variables(named, found)})


def prefixed(environment: Environment, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The process variables with the environment's prefix, without it; {} where it has none."""
    variables = os.environ if variables is None else variables
    prefix = environment.env_prefix
    if not prefix:
        return {}
    return {name.removeprefix(prefix): value for name, value in variables.items() if name.startswith(prefix)}


def load_and_prepare() -> Settings:
    """The settings of a process that serves: like `load`, with an API token made where there is none."""
    settings = load()
    if settings.api_token is not None:
        return settings
    installation.make_api_token(settings.data_dir)
    return load()


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `greenlight.toml`, as published in `docs/greenlight.schema.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | SettingsFile.model_json_schema()


# The table of the application's own report was once called as the list of declared dependencies is now.
_BOTH = "Rename the table dependencies, with slow_ms and deadline_s, to report: dependencies is a list now."


def _read_toml(path: Path, problems: list[Problem]) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            problems.append(
                problem(path, "(file)", "is larger than 1 MiB.", "Point GREENLIGHT_CONFIG at the right file.")
            )
            return {}
        return _toml(path.read_text(encoding="utf-8-sig"), path, problems)
    except FileNotFoundError:
        problems.append(problem(path, "(file)", "does not exist.", "Create it or correct GREENLIGHT_CONFIG."))
    except IsADirectoryError:
        problems.append(problem(path, "(file)", "is a folder.", "Point GREENLIGHT_CONFIG at a TOML file."))
    except UnicodeDecodeError:
        problems.append(problem(path, "(encoding)", "is not UTF-8 text.", "Save it as UTF-8."))
    except OSError as error:
        problems.append(problem(path, "(file)", f"can't be read ({error.strerror}).", "Check its permissions."))
    return {}


def _toml(text: str, path: Path, problems: list[Problem]) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        fix = _BOTH if "'dependencies'" in str(error) else "Correct that line."
        problems.append(problem(path, "(syntax)", f"is not valid TOML: {error}.", fix))
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
            elif item["type"] in {"union_tag_invalid", "union_tag_not_found"}:
                message = f"has no known kind: choose one of {', '.join(DECLARABLE)}"
            fix = _FIXES.get(item["type"], "Correct the value; greenlight.example.toml shows a valid one.")
            problems.append(problem(source, _key_path(item["loc"], raw), message + ".", fix))
        return SettingsFile()


def _key_path(loc: tuple[int | str, ...], raw: dict[str, Any]) -> str:
    """`environments[1 "staging"].redis.deadline_s`: the key with the environment's name beside its index."""
    text = ""
    for depth, part in enumerate(loc):
        if isinstance(part, int):
            name = ""
            if (depth == 1 and loc[0] == "environments") or loc[:4:2] == ("environments", "dependencies"):
                table = _at(raw, loc[: depth + 1])
                name = (
                    f' "{table.get("name")}"' if isinstance(table, dict) and isinstance(table.get("name"), str) else ""
                )
            text += f"[{part}{name}]"
        elif depth == 4 and loc[:4:2] == ("environments", "dependencies") and part in DECLARABLE:
            continue  # pydantic's tag of the kind
        else:
            text += f".{part}" if text else part
    return text or "(file)"


def _at(raw: Any, loc: tuple[int | str, ...]) -> Any:
    for part in loc:
        if isinstance(raw, dict):
            raw = raw.get(part)
        elif isinstance(raw, list) and isinstance(part, int):
            raw = raw[part]
        else:
            return None
    return raw


def _check_unique(tables: tuple[EnvironmentTable, ...], source: str, problems: list[Problem]) -> None:
    seen: set[str] = set()
    for table in tables:
        if table.name in seen:
            problems.append(
                problem(source, "environments", f"two environments are named {table.name!r}.", "Rename one of them.")
            )
        seen.add(table.name)


def _resolve(
    table: EnvironmentTable,
    folder: Path,
    variables: Mapping[str, str],
    stack: dict[str, Any] | None,
    own: Own,
    parsed: SettingsFile,
    problems: list[Problem],
) -> Environment:
    token = "" if parsed.deploys.platform is None else parsed.deploys.token_variable
    named = _named(table, token)
    wanted = (*SECRET_KEYS, *(name for name in named if name not in SECRET_KEYS))
    if table.env_file is not None:
        found, source = _from_env_file(folder / table.env_file, table.name, wanted, problems), table.env_file
    elif table.env_prefix is not None:
        found = {key: variables.get(table.env_prefix + key, "") for key in wanted}
        source = f"variables {table.env_prefix}…"
    elif stack is not None:
        found, source = installation.stack_secrets(stack, variables), "the running stack"
        found |= {key: variables.get(key, "") for key in wanted if key not in SECRET_KEYS}
    else:
        found, source = {}, "nowhere: set env_file or env_prefix"
    env_path = None if table.env_file is None else (folder / table.env_file).resolve()
    secrets = _secrets(found)
    server = installation.server_of(table, secrets, own, is_own=stack is not None, stack=stack or {})
    problems += _unset(table, found, source)
    return Environment(
        **_fields(table), secrets=secrets, secrets_source=source, env_path=env_path, server=server,
        variables=_variables(named, found), strict=parsed.policy.strict, is_own=stack is not None, platform_token=token,
    )  # fmt: skip


def _named(table: EnvironmentTable, platform_token: str) -> tuple[str, ...]:
    """The variables that declared dependencies name, and the one with the platform's token."""
    found = (name for item in table.dependencies for name in (*item.variables(), *item.references()))
    return tuple(dict.fromkeys(name for name in (*found, platform_token) if name))


def _secrets(found: Mapping[str, str]) -> Secrets:
    return Secrets(
        **{SECRET_KEYS[key]: SecretStr(value) for key, value in found.items() if value and key in SECRET_KEYS}
    )


def _variables(named: tuple[str, ...], found: Mapping[str, str]) -> dict[str, SecretStr]:
    return {name: SecretStr(found[name]) for name in sorted(named) if found.get(name)}


def _unset(table: EnvironmentTable, found: Mapping[str, str], source: str) -> list[Problem]:
    """Headers and bodies that name a variable which is not set: the request would be another one."""
    return [
        problem(
            f'environments "{table.name}"',
            f'dependencies[{number} "{item.name}"].{field}',
            f"names the variable {name}, which is not set.",
            f"Set it where this environment's secrets come from ({source}).",
        )
        for number, item in enumerate(table.dependencies)
        for name, field in item.references().items()
        if not found.get(name)
    ]


def _fields(table: EnvironmentTable) -> dict[str, Any]:
    return {name: getattr(table, name) for name in EnvironmentTable.model_fields}


def _from_env_file(path: Path, environment: str, wanted: Iterable[str], problems: list[Problem]) -> dict[str, str]:
    """The secrets of an env file, read as everything else reads it. A reference that nobody fills in is no secret."""
    from services.env_files.document import UnreadableSource
    from services.env_files.reading import read_file

    key = f'environments "{environment}".env_file'
    try:
        document = read_file(path)
    except UnreadableSource as error:
        problems.append(problem(path, key, f"can't be used: {error}", "Correct env_file or the file."))
        return {}
    if document.encoding:
        message = f"is saved as {document.encoding}, so nothing in it can be read."
        problems.append(problem(path, key, message, "Save it as UTF-8."))
        return {}
    unfilled = {entry.key for entry in document.entries if entry.platform or entry.too_long}
    return {name: "" if name in unfilled else document.filled(name) for name in wanted}
