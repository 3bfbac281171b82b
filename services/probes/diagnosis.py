"""What does each finding mean, in plain words, and what should be done?

One row per cause that domain.md or inngest.md knows. Sentences are for operators: state, then cause; `fix` is the
next step. `{words}` in braces are filled from the reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.dependencies.kind import Message
from services.dependencies.registry import KINDS
from services.probes.model import State


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """One cause: the outcome that it stands for, the operator's sentence, the next step, the engineer's background."""

    code: str
    outcome: State
    sentence: str
    fix: str
    background: str = ""
    severity: str = "error"


def _ok(code: str, sentence: str, background: str = "") -> Diagnosis:
    return Diagnosis(code=code, outcome="ok", sentence=sentence, fix="", background=background, severity="none")


def _slow(code: str, sentence: str, fix: str, background: str = "") -> Diagnosis:
    return Diagnosis(code=code, outcome="slow", sentence=sentence, fix=fix, background=background, severity="warning")


def _down(code: str, sentence: str, fix: str, background: str = "") -> Diagnosis:
    return Diagnosis(code=code, outcome="down", sentence=sentence, fix=fix, background=background)


def _unknown(code: str, sentence: str, fix: str, background: str = "") -> Diagnosis:
    return Diagnosis(code=code, outcome="unknown", sentence=sentence, fix=fix, background=background, severity="info")


_HTTP_FAILURES: tuple[tuple[str, str, str, str], ...] = (
    (
        "name_not_found",
        "its host name is not known",
        "Check the host name in base_url, and DNS.",
        "getaddrinfo failed.",
    ),
    (
        "name_unanswered",
        "no name server says where it is",
        "Check DNS on this machine, and the name server of its domain.",
        "The name was not resolved within the deadline.",
    ),
    (
        "no_connection",
        "no connection came about in time",
        "Check that the application runs, and that no firewall between Greenlight and it drops connections.",
        "Phase connect: every address of the host was silent until the deadline.",
    ),
    ("refused", "nothing listens at its address", "Start the application, or correct base_url.", "ECONNREFUSED."),
    (
        "unreachable",
        "there is no network route to it",
        "Check the network, VPN or firewall between Greenlight and it.",
        "EHOSTUNREACH, ENETUNREACH or another socket error.",
    ),
    (
        "timeout",
        "it did not answer in time",
        "Look at the application's load and logs; it accepts connections but does not finish.",
        "The whole exchange has one deadline; a byte now and then does not extend it.",
    ),
    (
        "closed",
        "it closed the connection without a full answer",
        "Look at the application's log: it may be crashing or restarting.",
        "EOF or reset before the response was complete.",
    ),
    ("tls_expired", "its TLS certificate has expired", "Renew the certificate of its domain.", "X509 verify code 10."),
    (
        "tls_untrusted",
        "its TLS certificate is not signed by an authority known here",
        "Install a certificate from a public authority, or make the private one known to this machine.",
        "X509 verify codes 18 to 21.",
    ),
    (
        "tls_wrong_host",
        "its TLS certificate is for another host name",
        "Check base_url, or issue a certificate for this name.",
        "X509 verify codes 62 to 64.",
    ),
    (
        "tls_failed",
        "no encrypted connection could be made",
        "Check that the port speaks https; an http service needs base_url with http://.",
        "TLS handshake failed or timed out.",
    ),
    (
        "too_large",
        "its answer is larger than 1 MiB, so it was not read",
        "Check what serves this address: the application itself answers with a few hundred bytes.",
        "Reading stopped at the limit.",
    ),
    (
        "not_http",
        "what answers is not a web server",
        "Check the port in base_url.",
        "The bytes received are not HTTP/1.1.",
    ),
    (
        "compressed",
        "it answers compressed although asked not to",
        "Switch compression off for this route; a compressed answer is not unpacked here.",
        "Content-Encoding other than identity was not decoded (decompression bombs).",
    ),
    (
        "redirected",
        "it sends us to another address",
        "Put the final address into base_url; if it leads to a login page, open this route to Greenlight.",
        "A redirect to another host, port or scheme is not followed: the token would go with it.",
    ),
    (
        "fragmented",
        "its answer comes in thousands of tiny pieces",
        "Check what serves this address: the application itself answers in a few pieces.",
        "More than 4,000 reads and chunks for one answer.",
    ),
    (
        "unsendable",
        "our request holds a character that HTTP can't carry",
        "Check the token in this environment's env file: copy it again, without quotes, spaces or line ends.",
        "A header's value is not printable ASCII.",
    ),
)
_FRONTS: tuple[tuple[str, str, str], ...] = (
    (
        "front_gateway",
        "Something in front of the application answers in its place: HTTP {status} from {who}.",
        "Check that the application runs and that {who} reaches it: its own log or console says why it gave up.",
    ),
    (
        "front_refuses",
        "Something in front of the application refuses us: HTTP {status} from {who}.",
        "Let Greenlight's requests pass there: exempt this route from its bot protection, firewall or access list.",
    ),
    (
        "front_limited",
        "Something in front of the application limits our requests: HTTP {status} from {who}.{asked}",
        "Exempt Greenlight's address from the limit there, or raise this environment's intervals.",
    ),
    (
        "front_login",
        "Something in front of the application asks for a login: HTTP {status} from {who}.",
        "Exempt this route from the login there: the contract leaves readiness open, and the report takes our token.",
    ),
)


HTTP_WHY: Mapping[str, str] = {code: cause for code, cause, _, _ in _HTTP_FAILURES}


def _http_rows(dependency: str, subject: str) -> tuple[Diagnosis, ...]:
    failures = tuple(
        _down(f"{dependency}.{code}", f"{subject} could not be read: {cause}.", fix, background)
        for code, cause, fix, background in _HTTP_FAILURES
    )
    fronts = "The answer is a proxy's, a platform's or a firewall's, by its status, headers and body."
    return failures + tuple(_down(f"{dependency}.{code}", words, fix, fronts) for code, words, fix in _FRONTS)


_TABLE: tuple[Diagnosis, ...] = (
    # -- readiness ------------------------------------------------------------------------------------------------
    _ok("readiness.ok", "The application says that it is ready."),
    _slow(
        "readiness.slow",
        "The application is ready but answers slowly: {latency} ms, limit {limit} ms.",
        "Look at the application's load; if this is its normal speed, raise readiness.slow_ms.",
    ),
    _down(
        "readiness.not_ready",
        "The application says that it is not ready: a dependency that it requires is unhealthy.",
        "Mend the dependency that is required and down: its own row on Dependency health says how.",
        "HTTP 503, the contract's answer for a required dependency that is unhealthy.",
    ),
    _down(
        "readiness.bad_503",
        "The application answers HTTP 503 without saying what is wrong.",
        "Look at its log: the readiness route answers with JSON that holds ready. This may be a crash or a restart.",
        "HTTP 503 whose body is not the contract's: no field ready that is true or false.",
    ),
    _down(
        "readiness.contradicts_503",
        "The readiness route answers 503 while its text says ready.",
        "Correct the application: the status must be 200 when ready is true.",
    ),
    _down(
        "readiness.not_said",
        "The readiness route answers, but does not say ready as the contract asks.",
        'Correct the application: its JSON must hold "ready": true, as a JSON value and not as text.',
        "HTTP 200 with a JSON object without a field ready that is true or false.",
    ),
    _down(
        "readiness.not_mounted",
        "The application has no readiness route.",
        "Mount /api/health/ready (the contract kit does), and redeploy.",
        "HTTP 404.",
    ),
    _down(
        "readiness.bad_status",
        "The application answers its readiness route with an error: HTTP {status}.",
        "Look at the application's log for this request.",
        "Neither 200 nor 503.",
    ),
    _down(
        "readiness.bad_body",
        "Something answers at the application's address, but not as the application should.",
        "Check that base_url is the application itself, not a login page or a proxy.",
        "HTTP 200 whose body is not the readiness contract's JSON object.",
    ),
    _down(
        "readiness.contradicts_itself",
        "The readiness route answers 200 while its text says not ready.",
        "Correct the application: the status must be 503 when ready is false.",
    ),
    *_http_rows("readiness", "The application's readiness"),
    # -- the application's own report -----------------------------------------------------------------------------
    _ok("dependencies.ok", "The application reports all its dependencies healthy."),
    _slow(
        "dependencies.degraded",
        "The application reports {names} unhealthy, but does not require it.",
        "Mend it before switching to strict: in strict mode this would stop the application.",
        "healthy: false with required: false.",
    ),
    _slow(
        "dependencies.slow",
        "The application's dependency report is slow: {latency} ms, limit {limit} ms.",
        "Look at which dependency makes it wait.",
    ),
    _down(
        "dependencies.unhealthy",
        "The application reports a dependency that it requires as unhealthy: {names}.",
        "Mend {names}: its own row on Dependency health says what is wrong.",
    ),
    _down(
        "dependencies.ready_contradicts",
        "The dependency report contradicts itself: ready does not follow from its own list.",
        "Correct the application: ready means that every required dependency is healthy.",
    ),
    _unknown(
        "dependencies.unclear",
        "The application's dependency report can't be judged: it is unclear about {what}.",
        "Correct the report: ready, and per dependency required and healthy, are the JSON values true or false.",
    ),
    _unknown(
        "dependencies.no_token",
        "The dependency report is not read: no dashboard token is known here.",
        "Put DASHBOARD_AUTH_TOKEN into this environment's env file (or prefixed variable).",
    ),
    _down(
        "dependencies.token_refused",
        "The application refuses our dashboard token.",
        "Put the application's current DASHBOARD_AUTH_TOKEN into this environment's env file.",
        "HTTP 401 or 403.",
    ),
    _down(
        "dependencies.not_mounted",
        "The application has no dependency report.",
        "Mount /api/runtime/dependencies (the contract kit does), and redeploy.",
        "HTTP 404.",
    ),
    _down(
        "dependencies.bad_status",
        "The dependency report answers with an error: HTTP {status}.",
        "Look at the application's log for this request.",
    ),
    _down(
        "dependencies.bad_body",
        "The dependency report is not in the form that was agreed on.",
        "Check that base_url is the application itself and that it serves this contract.",
    ),
    *_http_rows("dependencies", "The application's dependency report"),
    _ok("reported.healthy", "As the application reports, {label} is healthy. It is not measured here."),
    _down(
        "reported.unhealthy",
        "As the application reports, {label} is unhealthy. It is not measured here.",
        "Look at {label} and at the application's log. Declare it in greenlight.toml, and it is measured.",
    ),
    # -- Redis ----------------------------------------------------------------------------------------------------
    _ok("redis.ok", "Redis answers."),
    _ok("redis.write_ok", "Redis accepts writes."),
    _ok("redis.info_ok", "Redis reports no shortage."),
    _slow(
        "redis.slow",
        "Redis answers slowly: {latency} ms, limit {limit} ms.",
        "Check its load and region; if this is its normal distance, raise redis.ping_slow_ms.",
    ),
    _slow(
        "redis.write_slow",
        "Redis writes slowly: {latency} ms, limit {limit} ms.",
        "Check its load and disk; if this is its normal distance, raise redis.write_slow_ms.",
    ),
    _unknown(
        "redis.not_configured",
        "Redis is not probed: no REDIS_URL is known here.",
        "Put REDIS_URL into this environment's env file (or prefixed variable).",
    ),
    _down("redis.bad_url", "REDIS_URL can't be used: {what}.", "{how}"),
    _down(
        "redis.name_unanswered",
        "Redis is not reached: no name server says where it is.",
        "Check DNS on this machine, and the host in REDIS_URL.",
    ),
    _down(
        "redis.no_connection",
        "Redis is not reached: no connection came about in time.",
        "Check that Redis runs, and that no firewall between Greenlight and it drops connections.",
        "Phase connect: every address of the host was silent until the deadline.",
    ),
    _down("redis.name_not_found", "Redis is not reached: its host name is not known.", "Check the host in REDIS_URL."),
    _down(
        "redis.refused",
        "Redis is not reached: nothing listens at its address.",
        "Start Redis, or correct host and port in REDIS_URL.",
        "ECONNREFUSED.",
    ),
    _down(
        "redis.unreachable",
        "Redis is not reached: there is no network route to it.",
        "Check the network, VPN or firewall between Greenlight and Redis.",
    ),
    _down(
        "redis.timeout",
        "Redis did not answer in time.",
        "Check its load; a blocked or overloaded server accepts connections but stays silent.",
        "The whole exchange has one deadline.",
    ),
    _down(
        "redis.closed",
        "Redis closed the connection without an answer.",
        "Many hosted servers do this when TLS is missing: try rediss:// in REDIS_URL.",
        "EOF or reset before a reply.",
    ),
    _down(
        "redis.tls_expected",
        "Redis wants an encrypted connection, REDIS_URL asks for a plain one.",
        "Write rediss:// instead of redis:// in REDIS_URL.",
        "The first byte received is a TLS alert.",
    ),
    _down(
        "redis.tls_not_expected",
        "Redis does not speak TLS, REDIS_URL asks for it.",
        "Write redis:// instead of rediss://, or switch TLS on at the server.",
        "The TLS handshake got no TLS answer.",
    ),
    _down("redis.tls_expired", "Redis' TLS certificate has expired.", "Renew it at the Redis provider."),
    _down(
        "redis.tls_untrusted",
        "Redis' TLS certificate is not signed by an authority known here.",
        "Make the authority known to this machine, or use the provider's public address.",
    ),
    _down(
        "redis.tls_wrong_host",
        "Redis' TLS certificate is for another host name.",
        "Use the host name that the provider gives in REDIS_URL.",
    ),
    _down("redis.tls_failed", "No encrypted connection to Redis could be made.", "Check port and scheme of REDIS_URL."),
    _down(
        "redis.wrong_password",
        "Redis refuses the password in REDIS_URL.",
        "Copy the current REDIS_URL from the Redis provider.",
        "WRONGPASS, or AUTH refused.",
    ),
    _down(
        "redis.no_password_sent",
        "Redis asks for a password, REDIS_URL holds none.",
        "Copy the whole REDIS_URL, password included, from the Redis provider.",
        "NOAUTH.",
    ),
    _down(
        "redis.password_not_wanted",
        "REDIS_URL holds a password, but this Redis has none set.",
        "Check that the URL is of the right server; if so, take the password out.",
        "ERR AUTH called without any password configured.",
    ),
    _down(
        "redis.no_permission",
        "Redis forbids this user the command {command}.",
        "Allow it for the user in REDIS_URL, or use another user.",
        "NOPERM (ACL) on a command.",
    ),
    _down(
        "redis.no_key_permission",
        "Redis forbids this user the keys that begin with “{key}”.",
        "Allow them for the user in REDIS_URL: ACL SETUSER <user> ~{key}*.",
        "NOPERM (ACL) on a key.",
    ),
    _down(
        "redis.read_only",
        "Redis refuses writes: it is a copy that can only be read (a replica).",
        "Put the address of the main server (the primary) into REDIS_URL.",
        "READONLY.",
    ),
    _down(
        "redis.out_of_memory",
        "Redis refuses writes: its memory is full.",
        "Raise the plan's limit or set an eviction policy, then press Probe now.",
        "OOM command not allowed when used memory > 'maxmemory'.",
    ),
    _down(
        "redis.loading",
        "Redis is starting and still loads its data.",
        "Wait; if it lasts, look at the provider's console.",
        "LOADING.",
    ),
    _down(
        "redis.misconf",
        "Redis refuses writes: it can't save to its disk.",
        "Make space on its disk or mend the snapshot, at the provider.",
        "MISCONF: RDB snapshots fail and stop-writes-on-bgsave-error is on.",
    ),
    _down(
        "redis.too_many_clients",
        "Redis accepts no more connections.",
        "Lower REDIS_MAX_CONNECTIONS of the applications, or raise the plan.",
        "max number of clients reached.",
    ),
    _down(
        "redis.not_redis",
        "What answers at REDIS_URL is not Redis.",
        "Check host and port in REDIS_URL.",
        "The bytes received are not the Redis protocol.",
    ),
    _down("redis.error", "Redis answers with an error: {error}.", "Look the error up with the provider."),
    _down("redis.too_large", "Redis sent more than 1 MiB for one answer.", "Check what serves REDIS_URL."),
    _down(
        "redis.round_trip",
        "Redis did not give back what was just written.",
        "Check that REDIS_URL is a primary and not a proxy that spreads reads over replicas.",
        "GET after SETEX returned another value.",
    ),
    _unknown(
        "redis.info_denied",
        "Redis does not report its condition to this user.",
        "Allow INFO for the user in REDIS_URL; everything else is still measured.",
    ),
    _slow(
        "redis.memory_high",
        "Redis has used {percent} % of its memory.",
        "Raise the limit or free keys before it refuses writes.",
    ),
    _slow(
        "redis.evicting",
        "Redis threw away {count} keys since the last look, for lack of memory.",
        "Raise its memory: queued work or context may be among the keys.",
    ),
    _slow(
        "redis.clients_high",
        "Redis has {percent} % of its connections in use.",
        "Lower REDIS_MAX_CONNECTIONS of the applications, or raise the plan.",
    ),
    _slow(
        "redis.save_failed",
        "Redis could not save its last snapshot.",
        "Check its disk at the provider: a restart now would lose data.",
    ),
    # -- Inngest --------------------------------------------------------------------------------------------------
    _ok("inngest.ok", "The Inngest route is in cloud mode, with keys and all functions."),
    _ok("inngest.ok_dev", "The Inngest route is in dev mode, as this environment's settings say."),
    _slow(
        "inngest.slow",
        "The Inngest route answers slowly: {latency} ms, limit {limit} ms.",
        "Look at the application's load.",
    ),
    _down(
        "inngest.mode_dev",
        "Inngest runs in dev mode: the Inngest cloud will refuse to sync with it.",
        "Set ENVIRONMENT to this environment's name, remove INNGEST_DEV, and redeploy.",
        "mode is dev where the settings expect cloud; ENVIRONMENT=development does this.",
    ),
    _down(
        "inngest.mode_cloud",
        "Inngest runs in cloud mode, but this environment is meant to be in dev mode.",
        'Set INNGEST_DEV=1 in the application, or inngest.mode = "cloud" in greenlight.toml.',
    ),
    _unknown(
        "inngest.signed_only",
        "The Inngest route is there and closed to strangers; its inside was not seen.",
        "Put INNGEST_SIGNING_KEY into this environment's env file, so that it can be checked.",
        "HTTP 401 to an unsigned request: Python SDK 0.5.19 and later in cloud mode.",
    ),
    _down(
        "inngest.key_refused",
        "The application refuses our Inngest signing key: it runs with another one.",
        "Compare INNGEST_SIGNING_KEY here with the application's, and redeploy after a change.",
        "HTTP 401 to a signed request.",
    ),
    _down(
        "inngest.kind_mismatch",
        "The Inngest route refuses us: it expects the other kind of server (cloud or dev).",
        "Check INNGEST_DEV and ENVIRONMENT of the application.",
        "HTTP 403.",
    ),
    _down(
        "inngest.not_mounted",
        "There is no Inngest route: background jobs can't run.",
        "Call serve(app, …) of the Inngest SDK on the application itself, and redeploy.",
        "HTTP 404. With SDK 0.5 and later serve() changes the app in place and returns nothing mountable; "
        "code that mounts its return value leaves the route a 404.",
    ),
    _down(
        "inngest.wrong_method",
        "Something else answers on the Inngest route.",
        "Check inngest.path in greenlight.toml and the application's routes.",
        "HTTP 405 to GET.",
    ),
    _down(
        "inngest.key_not_hex",
        "The application's Inngest route breaks on a signed request: its signing key is malformed.",
        "Set INNGEST_SIGNING_KEY to the key as Inngest shows it (signkey-…-hexadecimal), and redeploy.",
        "HTTP 500 to a signed request while an unsigned one is answered: the SDK can't decode a key that isn't hex.",
    ),
    _down(
        "inngest.server_error",
        "The Inngest route answers with an error: HTTP {status}.",
        "Look at the application's log for this request.",
    ),
    _down(
        "inngest.bad_body",
        "The Inngest route's answer is not the SDK's.",
        "Check inngest.path: another page may answer there.",
    ),
    _down(
        "inngest.open_door",
        "Anyone can start this application's jobs: its Inngest signing key is empty.",
        "Set INNGEST_SIGNING_KEY to a real key at once, and redeploy.",
        "A request signed with the empty key was accepted; the SDK then reports has_signing_key: true.",
    ),
    _down(
        "inngest.signing_key_missing",
        "The application has no Inngest signing key.",
        "Set INNGEST_SIGNING_KEY, and redeploy.",
        "has_signing_key is false, or its hash is null (an empty key counts as present).",
    ),
    _down(
        "inngest.event_key_missing",
        "The application has no Inngest event key: it can't start jobs.",
        "Set INNGEST_EVENT_KEY, and redeploy.",
        "has_event_key is false, or its hash is null (an empty key counts as present).",
    ),
    _down(
        "inngest.wrong_api",
        "The application talks to another Inngest server than it should: {found}.",
        "Check INNGEST_BASE_URL: an address without a dot or port is ignored and the Inngest cloud used.",
        "api_origin differs from inngest.api_url in the settings (unset: Inngest Cloud).",
    ),
    _down(
        "inngest.function_count",
        "The application serves {found} Inngest functions, {expected} are expected.",
        "Check which functions are passed to serve(), or correct inngest.expected_functions.",
    ),
    _down(
        "inngest.fewer_functions",
        "The application serves {found} Inngest functions; at the last good look there were {expected}.",
        "Check which functions the last deploy dropped.",
    ),
    *_http_rows("inngest", "The Inngest route"),
    # -- Inngest: work seen moving (a pulse), runs, registration ----------------------------------------------------
    _ok("pulse.ok", "Inngest moves work: the last pulse was accepted, scheduled, started and finished."),
    _slow(
        "pulse.slow",
        "Inngest moves work, but late: the last pulse waited {wait} s to be started, limit {limit} s.",
        "Look at the queue of the Inngest server: too many runs wait, or its functions' concurrency is too low.",
    ),
    _down(
        "pulse.no_answer",
        "The Inngest server can't be reached: {why}.",
        "Start it, or correct its address. Meanwhile the fallback scheduler runs the essentials.",
    ),
    _down(
        "pulse.no_event_key",
        "Events can't be sent to Inngest: there is no event key.",
        "Set INNGEST_EVENT_KEY, and start again.",
    ),
    _down(
        "pulse.event_refused",
        "Inngest refuses our event key.",
        "Compare INNGEST_EVENT_KEY with the keys that the Inngest server knows.",
        "HTTP 401 to an event: the server says `Event key not found`.",
    ),
    _down(
        "pulse.not_accepted",
        "Inngest did not take an event: {why}.",
        "Look at the Inngest server's log.",
    ),
    _down(
        "pulse.not_scheduled",
        "Inngest accepted an event, but started no run for it within {seconds} s.",
        "The worker is not synced, or another process has re-pointed it: Dependency health says what is registered.",
        "No run is listed for the event: no function of a synced app listens to it.",
    ),
    _down(
        "pulse.not_started",
        "Inngest scheduled a run, but did not start it within {seconds} s.",
        "Look at the Inngest server: its queue does not move, or its limits are used up.",
    ),
    _down(
        "pulse.not_finished",
        "Inngest started a run, but it did not finish within {seconds} s.",
        "Check that the Inngest server reaches the worker at the registered address, and look at the worker's log.",
        "The run is RUNNING: the worker is unreachable (its calls are retried), or refuses the server's signature.",
    ),
    _down(
        "pulse.failed",
        "Inngest ran our pulse, and the run ended as {status}.",
        "Look at the run in Inngest and at the worker's log: a function that does nothing should never fail.",
    ),
    _unknown(
        "pulse.api_refused",
        "Inngest took an event, but refuses to show its run: our signing key does not open its API.",
        "Compare INNGEST_SIGNING_KEY with the Inngest server's.",
    ),
    _unknown(
        "pulse.no_api",
        "Inngest took an event, but this server can't show its run.",
        "Use an Inngest server with the REST API v2 (1.43 or newer).",
    ),
    _unknown("pulse.unseen", "Inngest took an event; its run could not be read: {why}.", "Look at the server's log."),
    _ok("runs.ok", "The list of runs is read; no run is stuck."),
    _slow(
        "runs.stuck",
        "{count} Inngest runs are stuck, the first is of {function} ({run}).",
        "Cancel each and run it again: Dependency health has the commands.",
        "RUNNING without progress. A server without a Redis of its own loses work in progress at a restart, and "
        "leaves such runs RUNNING for ever.",
    ),
    _slow(
        "runs.newest_failed",
        "The newest Inngest run failed: {function} ({run}).",
        "Look at that run in Inngest: its error says which step failed. Run it again when the cause is mended.",
    ),
    _down(
        "runs.none_completed",
        "No Inngest run completed in the last {hours} hours: work does not move.",
        "Check that the application is synced with Inngest, and that its functions have a schedule.",
    ),
    _unknown(
        "runs.no_answer",
        "The Inngest server's list of runs can't be read: {why}.",
        "Start it, or correct inngest.api_url.",
    ),
    _unknown(
        "runs.key_refused",
        "The Inngest server refuses to show its runs: our signing key does not open its API.",
        "Compare INNGEST_SIGNING_KEY with the Inngest server's.",
    ),
    _unknown(
        "runs.no_api",
        "This Inngest server has no list of runs that we can read.",
        "Use a server with the REST API v2 (1.43 or newer), or set inngest.runs = false.",
    ),
    _unknown(
        "runs.limited",
        "Inngest asked us to wait {seconds} s before reading its runs again.",
        "Nothing: it is read on by itself; nothing is lost. Raise intervals.inngest_runs if this stays.",
    ),
    _unknown(
        "runs.error", "The Inngest server's list of runs can't be understood: {why}.", "Look at the server's log."
    ),
    _ok("sync.ok", "What is registered with Inngest is what the worker serves."),
    _down(
        "sync.absent",
        "The worker is not registered with Inngest.",
        "It registers itself again within a minute; if this stays, its log says why.",
        "No app of our id is in the server's list.",
    ),
    _down(
        "sync.repointed",
        "Another process has taken over: Inngest now calls {url} instead of this worker.",
        "Stop the other process, or give it keys of its own; then restart this worker, which registers itself.",
        "Whoever holds the keys and syncs the same app id re-points it.",
    ),
    _slow(
        "sync.differs",
        "Inngest knows other functions than the worker serves: {difference}.",
        "It registers itself again within a minute; if this stays, its log says why.",
    ),
    _down(
        "sync.error",
        "Inngest can't use the worker's registration: {why}.",
        "Look at the worker's log; then restart it, which registers it anew.",
    ),
    _unknown("sync.no_answer", "What is registered with Inngest can't be read: {why}.", "Start the Inngest server."),
    _unknown(
        "sync.no_api",
        "This Inngest server doesn't list what is registered.",
        "Nothing: the worker registers itself at each start, and the pulse proves that it is called.",
    ),
    # -- queues ---------------------------------------------------------------------------------------------------
    _ok("queue.ok", "Work in this queue is picked up in time."),
    _ok("queue.empty", "This queue is empty."),
    _slow(
        "queue.late",
        "Work waits too long: 95 of 100 items are younger than {age} s, the limit is {limit} s.",
        "Check that the worker that empties this queue runs.",
    ),
    _unknown(
        "queue.not_configured",
        "This queue is not probed: no REDIS_URL is known here.",
        "Put REDIS_URL into the env file.",
    ),
    _unknown(
        "queue.wrong_type",
        "This queue can't be read: its key holds another kind of value.",
        "Correct kind or key of this queue in greenlight.toml.",
        "WRONGTYPE.",
    ),
    _unknown(
        "queue.absent",
        "This queue can't be found: {format} knows none of that name here.",
        "Compare key of this queue in greenlight.toml, prefix and database number included, with the application's.",
    ),
    _unknown(
        "queue.no_times",
        "This queue's age can't be told: its items hold no readable {field}.",
        "Correct timestamp_field of this queue in greenlight.toml.",
    ),
    _unknown(
        "queue.local_times",
        "This queue's age can't be told: its items name local times without a zone.",
        "Set timezone of this queue in greenlight.toml, or have the items written with a zone.",
    ),
    _unknown(
        "queue.future_times",
        "This queue's age can't be told: its items lie in the future.",
        "Check the clock of the machine that writes them, and timezone of this queue in greenlight.toml.",
    ),
    _unknown(
        "queue.no_scores",
        "This queue's age can't be told: its scores are no times.",
        "If a job library writes it, set format of this queue in greenlight.toml (bullmq, rq, …).",
        "The lowest score lies outside 2001 to ten years ahead, in every unit.",
    ),
    _unknown(
        "queue.no_group",
        "This stream has no consumer group {group}.",
        "Correct group of this queue in greenlight.toml, or start the consumer that makes it.",
    ),
    _unknown(
        "queue.no_permission",
        "Greenlight's Redis user may not read this queue.",
        "Allow it for the user in REDIS_URL: ACL SETUSER <user> ~{key}* +@read.",
        "NOPERM (ACL) on the key or a command.",
    ),
    _unknown("queue.unreadable", "This queue could not be read.", "Mend Redis first: its own row says what is wrong."),
    _unknown("queue.too_large", "This queue's items are too large to look at.", "Keep items under 500 kB."),
    # -- the prober itself ----------------------------------------------------------------------------------------
    _unknown(
        "prober.late",
        "Greenlight itself was too busy to measure this.",
        "Nothing to do if it passes; else give the worker a machine of its own.",
        "The event loop's lag was a large part of the deadline, so the time-out isn't billed to the target.",
    ),
    _unknown(
        "prober.fault",
        "Greenlight made a mistake while measuring this.",
        "Report it with the worker's log; the other probes go on.",
    ),
    _unknown(
        "prober.set_aside",
        "One check could not be stored: {reason}.",
        "Look for what is unusual in the answer; the next check counts again, and the other probes go on.",
    ),
    _unknown(
        "prober.own_network",
        "Not known: nothing outside this machine is reached, so our own network is down.",
        "Check this machine's network, VPN and name servers. What it watches may be well.",
        "The target and every reference address could not be reached; nothing counts.",
    ),
    _unknown("prober.never", "This was not measured yet.", "Wait for the first probe, or press Probe now."),
    _unknown("prober.stale", "This was not measured lately.", "Check that the worker runs."),
)

_SEVERITIES: Mapping[State, str] = {"ok": "none", "slow": "warning", "down": "error", "unknown": "info"}


def _of_kinds() -> dict[str, Diagnosis]:
    return {
        f"{kind.name}.{code}": Diagnosis(
            code=f"{kind.name}.{code}", outcome=message.outcome, sentence=message.what, fix=message.fix,
            background=message.detail, severity=_SEVERITIES[message.outcome],
        )
        for kind in KINDS.values() for code, message in kind.messages.items()
    }  # fmt: skip


DIAGNOSES: Mapping[str, Diagnosis] = {row.code: row for row in _TABLE} | _of_kinds()


class _Words(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def diagnosis(code: str) -> Diagnosis:
    """The row of that code; an unknown code (from another version's store) is *unknown*, never ok."""
    found = DIAGNOSES.get(code)
    if found is None and ":" in code.split(".", 1)[0]:
        found = DIAGNOSES.get("queue." + code.split(".", 1)[1])
    if found is not None:
        return found
    return Diagnosis(
        code=code,
        outcome="unknown",
        sentence="This finding is not known to this version.",
        fix="Start the same version of portal and worker.",
        severity="info",
    )


def sentence(code: str, words: Mapping[str, Any]) -> str:
    """The operator's sentence with its blanks filled."""
    return diagnosis(code).sentence.format_map(_Words(words))


# Sentences whose sense hangs on their blanks, told without them.
_BRIEF: Mapping[str, str] = {
    "dependencies.degraded": "The application reports something unhealthy that it does not require.",
    "redis.no_permission": "Redis forbids this user a command.",
    "redis.no_key_permission": "Redis forbids this user the keys that are asked for.",
    "queue.no_group": "This stream has no consumer group of that name.",
    "redis.memory_high": "Redis has little memory left.",
    "redis.evicting": "Redis threw away keys, for lack of memory.",
    "redis.clients_high": "Redis has few connections left.",
    "inngest.function_count": "The application serves another number of Inngest functions than expected.",
    "inngest.fewer_functions": "The application serves fewer Inngest functions than at the last good look.",
    "pulse.not_scheduled": "Inngest accepted an event, but started no run for it in time.",
    "pulse.not_started": "Inngest scheduled a run, but did not start it in time.",
    "pulse.not_finished": "Inngest started a run, but it did not finish in time.",
    "pulse.failed": "Inngest ran our pulse, and the run did not complete.",
    "runs.stuck": "Inngest runs are stuck.",
    "runs.none_completed": "No Inngest run completed for hours.",
    "runs.limited": "Inngest asked us to wait before reading its runs again.",
}


def brief(code: str) -> str:
    """The sentence without its blanks, for where the reading's words are not at hand: told for itself, or up to its
    first colon; "" for no code."""
    if not code:
        return ""
    known = _BRIEF.get(code) or _OF_KINDS.get(code)
    return known or diagnosis(code).sentence.split(":")[0].rstrip(".") + "."


def _briefly(message: Message) -> str:
    """A kind's sentence about *it*, whose name stands beside it."""
    if message.brief:
        return message.brief
    text = re.sub(r"^\{label\}", "It", message.what.split(":")[0].split("{asked}")[0]).replace("{label}", "it")
    return text.rstrip(".") + "."


_OF_KINDS: Mapping[str, str] = {
    f"{kind.name}.{code}": _briefly(message) for kind in KINDS.values() for code, message in kind.messages.items()
}


def fix(code: str, words: Mapping[str, Any]) -> str:
    """The next step with its blanks filled."""
    return diagnosis(code).fix.format_map(_Words(words))
