"""One connection to a PostgreSQL database: `SELECT 1`, a write that is rolled back, and how full it is."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from services.dependencies import network
from services.dependencies.kind import Context, Found
from services.dependencies.model import Failure

if TYPE_CHECKING:
    from services.dependencies.postgres.kind import PostgresTable

# Parameters that poolers and frameworks add to an address and that libpq doesn't know.
_FOREIGN = re.compile(r"[?&](?:pgbouncer|connection_limit|pool_timeout|schema|prepared_statements|statement_cache_size"
                      r"|prepareThreshold|sslaccept|socket_timeout|supa|workaround)=[^&]*")  # fmt: skip
_SQLSTATES: Mapping[str, str] = {
    "28P01": "wrong_password", "28000": "login_refused", "3D000": "no_database", "53300": "too_many_connections",
    "57P03": "starting", "57P01": "closed", "57P02": "closed", "25006": "read_only", "53100": "disk_full",
    "42501": "no_permission", "57014": "timeout",
}  # fmt: skip
# Texts of servers and poolers, where there is no code or a general one. Lower case; the first that occurs counts.
_TEXTS: tuple[tuple[str, str], ...] = (
    ("tenant or user not found", "paused"),  # Supabase's pooler, of a paused or deleted project
    ("project is paused", "paused"),
    ("endpoint is disabled", "paused"),  # Neon
    ("endpoint has been disabled", "paused"),
    ("compute time quota", "paused"),
    ("no more connections allowed", "too_many_connections"),  # PgBouncer: max_client_conn
    ("too many connections", "too_many_connections"),
    ("remaining connection slots", "too_many_connections"),
    ("max clients reached", "too_many_connections"),  # Supavisor
    ("query_wait_timeout", "pooler"),  # PgBouncer: no server connection came free
    ("server login has been failing", "pooler"),
    ("server_login_retry", "pooler"),
    ("server login failed", "pooler"),
    ("pgbouncer cannot connect to server", "pooler"),
    ("no such database", "no_database"),
    ("too many clients", "too_many_connections"),
    ("could not extend file", "disk_full"),
    ("no space left on device", "disk_full"),
    ("password authentication failed", "wrong_password"),
    ("sasl authentication failed", "wrong_password"),
    ("no password supplied", "wrong_password"),
    ("no pg_hba.conf entry", "login_refused"),
    ("certificate verify failed", "tls_untrusted"),
    ("certificate has expired", "tls_expired"),
    ("does not match host name", "tls_wrong_host"),
    ("server does not support ssl", "tls_failed"),
    ("ssl error", "tls_failed"),
    ("connection refused", "refused"),
    ("no route to host", "unreachable"),
    ("network is unreachable", "unreachable"),
    ("timeout expired", "no_connection"),
    ("connection timeout", "no_connection"),
    ("read-only", "read_only"),
    ("starting up", "starting"),
    ("shutting down", "starting"),
    ("server closed the connection", "closed"),
    ("connection reset", "closed"),
)
_MISSING = re.compile(r'(database|role) "[^"]*" does not exist')
_STATE = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       current_setting('max_connections')::int AS max_connections,
       CASE WHEN pg_is_in_recovery()
            THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END AS replica_lag_s,
       pg_database_size(current_database()) / 1048576.0 AS database_mb,
       current_setting('server_version_num')::int / 10000.0 AS server_version
"""


async def run(table: PostgresTable, context: Context) -> Found | Failure:
    """Check it once. No message of the server is kept: it may quote the login."""
    started = time.perf_counter()
    phase = "resolve"

    def failed(code: str, detail: str) -> Failure:
        timings = {"total": (time.perf_counter() - started) * 1000}
        return Failure(code=code, detail=detail, phase=phase, timings=timings)

    try:
        given = conninfo_to_dict(_plain(context.variables[table.url_variable].get_secret_value()))
        host, port = str(given.get("host") or "127.0.0.1"), int(str(given.get("port") or 5432).split(",")[0])
    except (psycopg.ProgrammingError, ValueError):
        return failed("bad_url", "the address can't be read")
    try:
        async with asyncio.timeout(table.deadline_s):
            if not host.startswith("/") and "," not in host and "hostaddr" not in given:
                addresses = await network.resolve(host, port)
                given["host"] = ",".join([host] * len(addresses))
                given["hostaddr"] = ",".join(str(address[4][0]) for address in addresses)
                given["port"] = str(port)
            phase = "connect"
            given["connect_timeout"] = max(2, int(table.deadline_s))  # libpq takes no less
            options = {"prepare_threshold": None, "application_name": "greenlight-probe"}
            connection = await psycopg.AsyncConnection.connect(**(given | options))  # type: ignore[arg-type]
            try:
                phase = "query"
                await connection.execute("SELECT 1")
                latency = (time.perf_counter() - started) * 1000
                facts = await _state(connection)
                if table.write:
                    phase = "write"
                    await _write(connection)
                await connection.rollback()
            finally:
                await connection.close()
    except TimeoutError:
        late = {"resolve": "name_unanswered", "connect": "no_connection"}.get(phase, "timeout")
        return failed(late, f"no complete answer within {table.deadline_s:g} s; waited in phase {phase}")
    except psycopg.Error as error:
        return failed(code_of(error), f"{type(error).__name__} {error.sqlstate or ''}".strip())
    except (OSError, ValueError) as error:
        return failed("name_not_found" if phase == "resolve" else "closed", type(error).__name__)
    facts["ms"] = latency
    words = {"percent": round(facts.get("connections_percent") or 0)}
    nearly_full = (facts.get("connections_percent") or 0) >= 90
    return Found(facts=facts, latency_ms=latency, code="nearly_full" if nearly_full else "", words=words,
                 detail={"facts": {name: _short(value) for name, value in facts.items()}})  # fmt: skip


def _plain(url: str) -> str:
    """As libpq reads it: the scheme of a driver, and parameters of other tools, taken away."""
    url = re.sub(r"^postgres(?:ql)?\+\w+://", "postgresql://", url)
    cleaned = _FOREIGN.sub("", url)
    if "?" not in cleaned and "&" in cleaned and "://" in cleaned:
        head, _, tail = cleaned.partition("&")
        return f"{head}?{tail}"
    return cleaned


async def _state(connection: psycopg.AsyncConnection[Any]) -> dict[str, Any]:
    """How full it is; {} where the user may not ask."""
    try:
        async with connection.transaction():
            cursor = await connection.execute(_STATE)
            row = await cursor.fetchone()
            names = [column.name for column in cursor.description or ()]
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedColumn):
        return {}
    facts: dict[str, Any] = {
        name: None if value is None else float(value) for name, value in zip(names, row or (), strict=False)
    }
    if facts.get("max_connections"):
        facts["connections_percent"] = 100 * facts["connections"] / facts["max_connections"]
    return facts


async def _write(connection: psycopg.AsyncConnection[Any]) -> None:
    """A write that leaves nothing: the caller rolls it back."""
    await connection.execute("CREATE TEMPORARY TABLE greenlight_probe (n int) ON COMMIT DROP")
    await connection.execute("INSERT INTO greenlight_probe VALUES (1)")


def code_of(error: psycopg.Error) -> str:
    """What a driver's error means."""
    text = str(error).lower()
    by_text = next((code for words, code in _TEXTS if words in text), None)
    missing = _MISSING.search(text)  # of a connection that fails, the driver keeps the text alone
    if missing is not None:
        by_text = "no_database" if missing[1] == "database" else "login_refused"
    known = _SQLSTATES.get(error.sqlstate or "")
    if by_text in {"paused", "pooler"} or known is None:
        return by_text or "failed"
    return known


def _short(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value
