"""What the environment asks of this application. Read once at start, from an env file or the process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The application's settings; strict where both REQUIRED flags are true."""

    environment: str
    redis_url: str | None = field(repr=False)
    redis_required: bool
    inngest_required: bool
    app_id: str
    signing_key: str | None = field(repr=False)
    event_key: str | None = field(repr=False)
    serve_origin: str | None
    inngest_url: str | None
    token: str | None = field(repr=False)
    legacy_token_sha256: frozenset[str]
    trace_file: Path | None
    version: str
    agent_weakness: str
    database: Path | None = None
    mail_port: int | None = None
    heartbeat_url: str | None = field(default=None, repr=False)
    worker_env_file: Path | None = None  # of the worker that the simulated platform keeps

    def queue_key(self, name: str) -> str:
        """The Redis key of a queue."""
        return f"caio:{self.environment}:queue:{name}"


def read(env_file: str | None) -> Policy:
    """The policy in an env file (which wins), or in the process environment."""
    values: Mapping[str, str | None] = dict(os.environ)
    if env_file is not None:
        values = {**values, **dotenv_values(env_file)}
    get = values.get
    environment = get("ENVIRONMENT") or "development"
    trace = get("TRACE_ENVELOPE_FILE")
    return Policy(
        environment=environment,
        redis_url=get("REDIS_URL") or None,
        redis_required=_is_on(get("REDIS_REQUIRED")),
        inngest_required=_is_on(get("INNGEST_REQUIRED")),
        app_id=get("INNGEST_APP_ID") or f"caio-alpha-swarm-{environment}",
        signing_key=get("INNGEST_SIGNING_KEY") or None,
        event_key=get("INNGEST_EVENT_KEY") or None,
        serve_origin=get("INNGEST_SERVE_ORIGIN") or None,
        inngest_url=get("INNGEST_BASE_URL") or None,
        token=get("DASHBOARD_AUTH_TOKEN") or None,
        legacy_token_sha256=frozenset((get("LEGACY_TOKEN_SHA256") or "").split()),
        trace_file=Path(trace) if trace and _is_on(get("TRACE_ENVELOPE_ENABLED") or "true") else None,
        version=get("APP_VERSION") or "demo-1",
        agent_weakness=get("AGENT_WEAKNESS") or "",
        database=Path(database) if (database := get("GREENLIGHT_SWARM_DATABASE")) else None,
        mail_port=int(mail_port) if (mail_port := get("GREENLIGHT_SWARM_MAIL_PORT")) else None,
        heartbeat_url=get("GREENLIGHT_SWARM_HEARTBEAT") or None,
        worker_env_file=Path(env_file) if env_file is not None and get("GREENLIGHT_SWARM_WORKER") else None,
    )


def _is_on(text: str | None) -> bool:
    return (text or "").strip().lower() in {"1", "true", "yes", "on"}
