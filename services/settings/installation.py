"""What this installation itself runs on. Its variables, and the note that `start.py` leaves about its stack."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from services.advice import Advice
from services.dependencies.inngest import sdk as inngest_sdk
from services.dependencies.redis import address as redis_address
from services.errors import Problem, SettingsError
from services.paths import database_address
from services.settings.model import Access, EnvironmentTable, Own, Secrets, Server

STACK_FILE = "stack.json"
TOKEN_FILE = "api_token"  # noqa: S105 - a file's name, not a token


def problem(source: Path | str, key: str, message: str, fix: str) -> Problem:
    """A problem with the settings."""
    return Problem(source=str(source), key=key, advice=Advice(what=message, fix=fix))


def stack_note(data_dir: Path) -> dict[str, Any]:
    """What `start.py` wrote about the running stack; {} where there is none (or half of one)."""
    try:
        found = json.loads((data_dir / STACK_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


WORKER_FUNCTIONS = 6  # what our own worker serves (a test compares it with the worker)
LOCAL_INTERVALS = {
    "readiness": 5,
    "dependencies": 10,
    "redis_ping": 5,
    "redis_write": 10,
    "redis_info": 60,
    "inngest": 10,
    "queues": 10,
}


def worker_port(variables: Mapping[str, str], stack: dict[str, Any], problems: list[Problem]) -> int:
    """The worker's port: the variable, else the running stack's, else 8502."""
    text = variables.get("GREENLIGHT_WORKER_PORT") or str(stack.get("worker_port") or 8502)
    if text.isdecimal() and 0 < int(text) < 65_536:
        return int(text)
    problems.append(
        problem(
            "environment variables",
            "GREENLIGHT_WORKER_PORT",
            "is not a port number.",
            "Set a number from 1 to 65535, or unset it.",
        )
    )
    return 8502


def own(variables: Mapping[str, str], problems: list[Problem]) -> Own:
    """What the worker itself runs on. Empty variables count as unset."""
    url = (variables.get("REDIS_URL") or "").strip() or None
    address = None if url is None else redis_address.read(url)
    if isinstance(address, redis_address.Trouble):
        problems.append(
            problem("environment variables", "REDIS_URL", f"can't be used: {address.what}.",
                    f"{address.how} Or unset it for a local Redis.")
        )  # fmt: skip
    problems += _inngest_problems(variables)
    cloud = bool(variables.get("INNGEST_SIGNING_KEY")) and not inngest_sdk.is_dev(variables.get("INNGEST_DEV", ""))
    api_url, event_url = inngest_sdk.origins(variables, cloud=cloud)
    origin = variables.get("INNGEST_SERVE_ORIGIN") or ""
    secret = {
        name: SecretStr(variables[key])
        for name, key in (("inngest_signing_key", "INNGEST_SIGNING_KEY"), ("inngest_event_key", "INNGEST_EVENT_KEY"))
        if variables.get(key)
    }
    return Own(
        redis_url=SecretStr(url) if url else None,
        redis_required=_is_on(variables.get("REDIS_REQUIRED", "")),
        inngest_required=_is_on(variables.get("INNGEST_REQUIRED", "")),
        inngest_dev=inngest_sdk.is_dev(variables.get("INNGEST_DEV", "")),
        inngest_configured=cloud or any(variables.get(name) for name in ("INNGEST_DEV", *BASE_URLS)),
        inngest_api_url=api_url,
        inngest_event_url=event_url,
        inngest_serve_origin=(origin if "://" in origin else f"https://{origin}") if origin else None,
        **secret,
    )


BASE_URLS = inngest_sdk.ADDRESSES
GRPC_PORTS = ("INNGEST_CONNECT_GATEWAY_GRPC_PORT", "INNGEST_CONNECT_EXECUTOR_GRPC_PORT")
EPHEMERAL_FROM = 32_768  # from here on a system takes ports for its own outgoing connections


def _inngest_problems(variables: Mapping[str, str]) -> list[Problem]:
    """What the SDK accepts in silence, and what then goes wrong, is refused before the worker starts."""
    found = []
    key = variables.get("INNGEST_SIGNING_KEY")
    if key is not None and not key.strip():
        found.append(
            problem(
                "environment variables", "INNGEST_SIGNING_KEY",
                "is set but empty: the Inngest SDK would then take jobs from anyone, signed with the empty key.",
                "Set the key as Inngest shows it, or remove the variable.",
            )
        )  # fmt: skip
    elif key and not inngest_sdk.is_hexadecimal(inngest_sdk.bare_key(key)):
        found.append(
            problem(
                "environment variables", "INNGEST_SIGNING_KEY",
                "is not hexadecimal after its prefix: /inngest would answer every signed request with an error.",
                "Copy the whole key again from Inngest, or unset it.",
            )
        )  # fmt: skip
    for name in BASE_URLS:
        url = variables.get(name) or ""
        if url and inngest_sdk.ignores(url):
            found.append(
                problem(
                    "environment variables", name,
                    "has neither a dot nor a port: the Inngest SDK ignores it in silence and talks to Inngest Cloud.",
                    "Write the port, as in http://inngest:8288.",
                )
            )  # fmt: skip
    for name in GRPC_PORTS:
        port = variables.get(name) or ""
        if port.isdecimal() and int(port) >= EPHEMERAL_FROM:
            found.append(
                problem(
                    "environment variables", name,
                    "lies in the range from which the system takes ports for outgoing connections: the Inngest server "
                    "fails to start whenever one of those holds it.",
                    f"Choose a port below {EPHEMERAL_FROM}, or unset it.",
                )
            )  # fmt: skip
    return found


def _is_on(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on"}


def own_table(name: str, port: int, own: Own) -> EnvironmentTable:
    """The installation's own environment, as a rule `local`: its Redis has no budget, so probes are frequent."""
    inngest: dict[str, Any] = {"mode": "cloud" if own.inngest_cloud else "dev", "expected_functions": WORKER_FUNCTIONS}
    if own.inngest_cloud and own.inngest_api_url != inngest_sdk.CLOUD_API:
        inngest["api_url"] = own.inngest_api_url
    return EnvironmentTable.model_validate(
        {"name": name, "base_url": f"http://127.0.0.1:{port}", "inngest": inngest, "intervals": LOCAL_INTERVALS}
    )


def with_stack_inngest(variables: Mapping[str, str], stack: dict[str, Any]) -> Mapping[str, str]:
    """The variables, with the Inngest server of the running stack where they name none: for command lines beside it."""
    named = ("INNGEST_DEV", "INNGEST_SIGNING_KEY", "INNGEST_EVENT_KEY", *BASE_URLS)
    url = stack.get("inngest_url")
    if not isinstance(url, str) or any(name in variables for name in named):
        return variables
    if stack.get("inngest_mode") == "dev":
        return {**variables, "INNGEST_DEV": url}
    keys = {name: _read_secret_file(stack.get(f"{name.lower()}_file"))
            for name in ("INNGEST_SIGNING_KEY", "INNGEST_EVENT_KEY")}  # fmt: skip
    return {**variables, "INNGEST_BASE_URL": url} | {name: key for name, key in keys.items() if key}


def server_of(
    table: EnvironmentTable, secrets: Secrets, own: Own, *, is_own: bool, stack: dict[str, Any]
) -> Server | None:
    """The Inngest server of an environment; None where none is known, or it may not be asked.

    A simulated environment's made-up key is never sent to Inngest Cloud.
    """
    cloud = table.inngest.mode == "cloud"
    if is_own:
        if not own.inngest_configured:
            return None
        persistent = {"dev": False, "production": True}.get(str(stack.get("inngest")))
        return Server(
            api_url=own.inngest_api_url, event_url=own.inngest_event_url, cloud=own.inngest_cloud, pulsed=True,
            persistent=persistent,
        )  # fmt: skip
    api_url = table.inngest.api_url
    if api_url is None and (not cloud or table.simulated):
        return None
    shared = (
        own.inngest_configured
        and own.inngest_event_key is not None
        and own.inngest_event_key == secrets.inngest_event_key
        and (api_url or inngest_sdk.CLOUD_API) == own.inngest_api_url
    )
    return Server(
        api_url=api_url or inngest_sdk.CLOUD_API,
        event_url=api_url or inngest_sdk.CLOUD_EVENTS,
        cloud=cloud,
        pulsed=shared and not table.simulated,
    )


def stack_secrets(stack: dict[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """The secrets of the environment `local`: the stack's own Redis, token and keys."""
    token = variables.get("GREENLIGHT_API_TOKEN") or _read_secret_file(stack.get("api_token_file"))
    redis_url = variables.get("REDIS_URL") or _read_secret_file(stack.get("redis_url_file"))
    keys = {key: variables.get(key, "") for key in ("INNGEST_SIGNING_KEY", "INNGEST_EVENT_KEY")}
    return {"REDIS_URL": redis_url, "DASHBOARD_AUTH_TOKEN": token} | keys


def _read_secret_file(path: object) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip() if isinstance(path, str) else ""
    except (OSError, ValueError):
        return ""


def make_api_token(data_dir: Path) -> None:
    """Make the portal's own token on first start: a file for this user alone. A second starter finds the first's."""
    path = data_dir / TOKEN_FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        fix = "Make the data folder writable, choose another in GREENLIGHT_DATA, or set GREENLIGHT_API_TOKEN."
        raise SettingsError((problem(path, "(file)", f"can't be made ({error.strerror}).", fix),)) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(secrets.token_urlsafe(32) + "\n")


def api_token(variables: Mapping[str, str], data_dir: Path) -> SecretStr | None:
    """The portal's own token; None where none was made yet."""
    text = variables.get("GREENLIGHT_API_TOKEN") or _read_secret_file(str(data_dir / TOKEN_FILE))
    return SecretStr(text) if text else None


MIN_TOKEN = 16


def access_tokens(access: Access, variables: Mapping[str, str]) -> dict[str, SecretStr]:
    """The secrets of the further API tokens, by name."""
    return {
        token.name: SecretStr(variables[token.variable]) for token in access.tokens if variables.get(token.variable)
    }


def access_problems(access: Access, variables: Mapping[str, str], source: str) -> list[Problem]:
    """A token that is missing is told, and one that could be guessed is refused."""
    found = []
    for token in access.tokens:
        text = variables.get(token.variable) or ""
        if len(text) < MIN_TOKEN:
            words = "is not set" if not text else f"is shorter than {MIN_TOKEN} characters, so it could be guessed"
            fix = "Set it to a long random text, or take the token out of [access]."
            found.append(
                problem(source, f'access.tokens "{token.name}"', f"its variable {token.variable} {words}.", fix)
            )
    return found


def drain_seconds(variables: Mapping[str, str], problems: list[Problem]) -> float:
    """How long a stopping worker may finish what it holds."""
    text = variables.get("GREENLIGHT_DRAIN_SECONDS") or "30"
    try:
        value = float(text)
        if not 0 <= value <= 3600:
            raise ValueError
    except ValueError:
        problems.append(
            problem(
                "environment variables",
                "GREENLIGHT_DRAIN_SECONDS",
                "is not a number of seconds from 0 to 3600.",
                "Set a number, or unset it for 30.",
            )
        )
        return 30.0
    return value


def database_url(variables: Mapping[str, str], data_dir: Path, problems: list[Problem]) -> str:
    """The SQLAlchemy URL of the store."""
    address = database_address(variables, data_dir)
    if address.url:
        return address.url
    problems.append(problem("environment variables", "DATABASE_URL", address.trouble, address.fix))
    return "sqlite://"
