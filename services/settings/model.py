"""The settings, their kinds and defaults. The published JSON Schema is made from here."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from services.dependencies.registry import KINDS
from services.dependencies.tables import STRICT, DeclaredTable, Milliseconds, Seconds, Table, http_url

if TYPE_CHECKING:
    Declared = DeclaredTable
else:  # the table that its kind names
    _TABLES = tuple(kind.settings for kind in KINDS.values() if kind.settings is not None)
    Declared = Annotated[Union[_TABLES], Field(discriminator="kind")]  # noqa: UP007

SLI_NAMES = (
    "readiness_uptime",
    "redis_ping_latency",
    "redis_write_latency",
    "inngest_run_success",
    "inngest_queue_wait",
    "queue_aging_p95",
    "canary_pass_rate",
    "dependency_uptime",
    "dependency_latency",
    "tool_error_rate",
    "cost_per_run",
    "tokens_per_run",
)
QUEUE_AGING = "queue_aging_p95"
DEPENDENCY_LATENCY = "dependency_latency"
DEPENDENCY_SLIS = ("dependency_uptime", DEPENDENCY_LATENCY)  # of every declared dependency
Window = Literal["7d", "28d", "30d", "90d"]
BurnRule = Literal["page_fast", "page_slow", "ticket_fast", "ticket_slow"]
# What each burn-rate rule multiplies the budget by (services/slo/burn.py says where they come from).
BURN_FACTORS: dict[BurnRule, float] = {"page_fast": 14.4, "page_slow": 6, "ticket_fast": 3, "ticket_slow": 1}


class Readiness(Table):
    """How `GET /api/health/ready` is judged."""

    slow_ms: Milliseconds = Field(1000, description="Slower answers count as `slow`.")
    deadline_s: Seconds = Field(10, description="No answer within this time counts as a failure.")


class Report(Table):
    """How `GET /api/runtime/dependencies`, the application's own report, is judged."""

    slow_ms: Milliseconds = 2000
    deadline_s: Seconds = 10


class Redis(Table):
    """How Redis is probed; its URL comes from the environment's secrets (`REDIS_URL`)."""

    ping_slow_ms: Milliseconds = 250
    write_slow_ms: Milliseconds = 500
    deadline_s: Seconds = 5
    memory_warn_fraction: float = Field(0.9, gt=0, le=1, description="Warn when this part of maxmemory is used.")
    clients_warn_fraction: float = Field(0.9, gt=0, le=1, description="Warn when this part of maxclients is used.")
    key_prefix: str = Field("greenlight:probe", pattern=r"^[A-Za-z0-9:_\-]{1,64}$")
    command_budget_per_month: int | None = Field(
        None, gt=0, description="Commands a month that the plan allows; the page shows the monitor's own share."
    )


class Inngest(Table):
    """What the environment's Inngest route is expected to be."""

    mode: Literal["cloud", "dev"] = "cloud"
    expected_functions: int = Field(4, ge=0, le=10_000)
    path: str = Field("/inngest", pattern=r"^/[A-Za-z0-9/_\-]*$")
    api_url: str | None = Field(None, description="API origin that the app should use; unset means Inngest Cloud.")
    slow_ms: Milliseconds = 2000
    deadline_s: Seconds = 10
    runs: bool = Field(True, description="Read the list of runs from Inngest's API, where its signing key is known.")
    app_id: str | None = Field(None, max_length=120, description="Count this app's runs only; unset means all.")
    wait_slow_s: Seconds = Field(60, description="A run that waits longer before it starts counts as late.")
    moved_within_s: Annotated[float, Field(gt=0, le=31 * 86_400)] = Field(
        86_400, description="A run must have completed within this time, or work does not move."
    )
    stuck_after_s: Annotated[float, Field(gt=0, le=31 * 86_400)] = Field(
        1800, description="A run without progress for this long is named as stuck."
    )

    @field_validator("api_url")
    @classmethod
    def _api_url(cls, value: str | None) -> str | None:
        return None if value is None else http_url(value)


class Queue(Table):
    """One queue in the environment's Redis."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_\-]{0,39}$")
    kind: Literal["list", "stream", "zset"] | None = Field(
        None, description="What the key holds, where no job library's format applies."
    )
    format: Literal["bullmq", "bull", "rq", "celery", "arq", "sidekiq", "laravel"] | None = Field(
        None, description="The job library that writes the queue; key is then its name there, such as bull:email."
    )
    key: str = Field(min_length=1, max_length=512)
    timestamp_field: str | None = Field(
        None, description="Field of a list's JSON items (or a sorted set's JSON members) that holds the enqueue time."
    )
    timezone: str | None = Field(
        None, description="Zone of times that the items write without one, such as Europe/Berlin."
    )
    group: str | None = Field(
        None, min_length=1, max_length=200, description="Consumer group of a stream; without, the one furthest behind."
    )
    threshold_s: Seconds = Field(300, description="Items older than this (95th percentile) mean that work is late.")

    @model_validator(mode="after")
    def _fits_together(self) -> Queue:
        if (self.kind is None) == (self.format is None):
            raise ValueError("set one of the two: kind (list, stream, zset), or format for a job library's queue")
        if self.kind == "list" and not self.timestamp_field:
            raise ValueError("a list holds no times of its own: set timestamp_field to the items' field")
        if self.group is not None and self.kind != "stream":
            raise ValueError('group is for a stream: set kind = "stream", or remove group')
        return self

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ValueError, OSError, ZoneInfoNotFoundError) as error:
                raise ValueError("timezone is no known zone: write one such as Europe/Berlin or UTC") from error
        return value

    @property
    def form(self) -> str:
        """What is read: the format, or the kind of key."""
        return self.format or self.kind or ""

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone of times without one; None where it isn't known."""
        return None if self.timezone is None else ZoneInfo(self.timezone)


class Objective(Table):
    """An objective: the share of good events over a window."""

    sli: str
    target: float = Field(gt=0, le=1)
    threshold: float | None = Field(None, gt=0, description="Unit of the SLI: ms for latencies, s for queues.")
    window: Window = "30d"
    min_events: int = Field(30, ge=1, le=1_000_000, description="With fewer events measured, nothing is said.")
    burn: tuple[BurnRule, ...] = Field(
        ("page_fast", "page_slow", "ticket_fast", "ticket_slow"), description="The burn-rate rules that warn."
    )

    @model_validator(mode="after")
    def _reachable(self) -> Objective:
        for rule in self.burn:
            highest = 1 / (1 - self.target) if self.target < 1 else float("inf")
            if BURN_FACTORS[rule] > highest:
                raise ValueError(
                    f"with a target of {self.target:g} nothing burns faster than {highest:.3g} times the budget, so "
                    f"the rule {rule} ({BURN_FACTORS[rule]:g} times) could never warn: raise the target, or leave the "
                    "rule out of burn"
                )
        return self


class Sli(Table):
    """An SLI of the team's own: a number that a probe already finds."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{2,39}$")
    probe: str = Field(pattern=r"^[a-z][a-z0-9_.:\-]{0,79}$", description="redis.info, queue:email, dependencies, …")
    field: str = Field(
        pattern=r"^[A-Za-z0-9_\-]{1,60}(\.[A-Za-z0-9_\-]{1,60}){0,5}$",
        description="Where the number is in the probe's detail, or latency_ms.",
    )
    unit: str = Field("", max_length=12)
    good: Literal["at_most", "at_least"] = "at_most"
    threshold: float = Field(allow_inf_nan=False, description="A measurement is good at most, or at least, at this.")

    @field_validator("name")
    @classmethod
    def _own(cls, value: str) -> str:
        if value in SLI_NAMES:
            raise ValueError("is the name of a built-in SLI: choose another")
        return value


DEFAULT_OBJECTIVES = (
    Objective(sli="readiness_uptime", target=0.995),
    Objective(sli="redis_ping_latency", target=0.99, threshold=250),
    Objective(sli="redis_write_latency", target=0.99, threshold=500),
    Objective(sli="inngest_run_success", target=0.99, min_events=10),
    Objective(sli="queue_aging_p95", target=0.99),
    Objective(sli="canary_pass_rate", target=0.95, min_events=10),
    Objective(sli="dependency_uptime", target=0.99),
    Objective(sli="dependency_latency", target=0.95),
)


class Intervals(Table):
    """Seconds between two probes. The defaults keep Redis under half of a free plan's commands a month."""

    readiness: Seconds = 30
    dependencies: Seconds = 60
    redis_ping: Seconds = 30
    redis_write: Seconds = 60
    redis_info: Seconds = 300
    inngest: Seconds = 60
    inngest_pulse: Seconds = 60
    inngest_runs: Seconds = 60
    queues: Seconds = 60


class Drill(Table):
    """The deploy drill of an environment that is marked for it. Without this table none can be started."""

    steps_s: tuple[Annotated[float, Field(gt=0, le=3600)], ...] = Field(
        (10, 60, 300), min_length=1, max_length=20, description="How long each of its steps takes."
    )
    gap_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        5, description="Work may pause so long between two steps; a longer pause fails the drill."
    )
    deploy: tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...] = Field(
        (),
        max_length=40,
        description="A command and its arguments that deploy, run without a shell; unset means that a person deploys.",
    )
    deploy_variables: tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,79}$")], ...] = Field(
        (), max_length=20, description="Variables of the worker's process that the command gets, beside harmless ones."
    )
    deploy_at: int = Field(1, ge=1, le=20, description="The deploy is asked for when this step has begun.")
    lines: str | None = Field(
        None, min_length=1, max_length=400,
        description="The file to which the workers write, relative to this one; unset means the environment's Redis.",
    )  # fmt: skip
    transport: Literal["serve", "connect"] | None = Field(
        None, description="How Inngest reaches its workers; unset means [durable] transport."
    )
    longest_s: Annotated[float, Field(gt=0, le=86_400)] = Field(
        3600, description="After this time the drill is counted as it is."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Drill:
        if self.longest_s < sum(self.steps_s):
            raise ValueError("longest_s is shorter than all steps together: raise it, or shorten steps_s")
        if self.deploy_at > len(self.steps_s):
            raise ValueError("deploy_at names a step that is not there: steps_s has fewer")
        return self


class Secrets(Table):
    """What opens the environment's doors. Never printed: `SecretStr` shows asterisks."""

    redis_url: SecretStr | None = None
    inngest_signing_key: SecretStr | None = None
    inngest_event_key: SecretStr | None = None
    dashboard_token: SecretStr | None = None


class EnvironmentTable(Table):
    """One `[[environments]]` table as written in the file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_\-]{0,39}$")
    role: Literal["staging", "production", "other"] = "other"
    base_url: str
    env_file: str | None = None
    env_prefix: str | None = Field(None, pattern=r"^[A-Z][A-Z0-9_]{0,39}$")
    simulated: bool = False
    owner: str = Field("", max_length=100, description="Who answers for it: a person or a team, named in reports.")
    readiness: Readiness = Readiness()
    report: Report = Field(Report(), description="The application's own dependency report.")
    dependencies: tuple[Declared, ...] = Field(
        (), max_length=100, description="Dependencies of the team's own: [[environments.dependencies]]."
    )
    redis: Redis = Redis()
    inngest: Inngest = Inngest()
    queues: tuple[Queue, ...] = ()
    slis: tuple[Sli, ...] = Field((), description="SLIs of the team's own, beside the built-in ones.")
    objectives: tuple[Objective, ...] = DEFAULT_OBJECTIVES
    intervals: Intervals = Intervals()
    drill: Drill | None = Field(None, description="Marks the environment for deploy drills: [environments.drill].")

    @model_validator(mode="before")
    @classmethod
    def _report_as_it_was_called(cls, value: Any) -> Any:
        """Until there were declared dependencies, `[environments.dependencies]` was the table of the report."""
        if isinstance(value, dict) and isinstance(value.get("dependencies"), dict) and "report" not in value:
            return {**{k: v for k, v in value.items() if k != "dependencies"}, "report": value["dependencies"]}
        return value

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        return http_url(value)

    @model_validator(mode="after")
    def _consistent(self) -> EnvironmentTable:
        if self.env_file is not None and self.env_prefix is not None:
            raise ValueError("has both env_file and env_prefix: secrets come from one place, so keep one of them")
        names = [queue.name for queue in self.queues]
        if len(set(names)) != len(names):
            raise ValueError("two queues have the same name: give each its own")
        declared = [dependency.name for dependency in self.dependencies]
        if len(set(declared)) != len(declared):
            raise ValueError("two dependencies have the same name: give each its own")
        own = [sli.name for sli in self.slis]
        if len(set(own)) != len(own):
            raise ValueError("two slis have the same name: give each its own")
        for objective in self.objectives:
            self._knows(objective.sli, own)
        named = [objective.sli for objective in self.objectives]
        if len(set(named)) != len(named):
            raise ValueError("two objectives are for the same SLI: keep one of them")
        return self

    def instances(self, sli: str) -> tuple[str, ...]:
        """Whose series an SLI has one each for: queues, or dependencies; () for any other."""
        if sli == QUEUE_AGING:
            return tuple(queue.name for queue in self.queues)
        if sli not in DEPENDENCY_SLIS:
            return ()
        return tuple(d.name for d in self.dependencies if d.timed or sli != DEPENDENCY_LATENCY)

    def _knows(self, sli: str, own: list[str]) -> None:
        base, _, instance = sli.partition(":")
        if base not in SLI_NAMES and base not in own:
            known = ", ".join((*SLI_NAMES, *own))
            raise ValueError(f"an objective names an unknown SLI; choose one of: {known}")
        if instance and instance not in self.instances(base):
            what = "dependency" if base in DEPENDENCY_SLIS else "queue"
            raise ValueError(f"an objective names the SLI {sli!r}, but there is no such {what}")


class Server(Table):
    """The Inngest server that moves an environment's work: where its API and its events are.

    `pulsed`: our own worker is synced with it too, so that a pulse can be sent through it. `worker_url` and `declared`
    (names and crons of functions) are then filled in by the worker.
    """

    api_url: str
    event_url: str
    cloud: bool
    pulsed: bool = False
    persistent: bool | None = None  # whether its work survives a restart; None where we did not start it ourselves
    worker_url: str = ""
    declared: tuple[tuple[str, str], ...] = ()


class Environment(EnvironmentTable):
    """A watched environment with its secrets resolved, and its env file's place."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)

    secrets: Secrets = Secrets()
    variables: dict[str, SecretStr] = Field(default_factory=dict)  # those that settings name, where they are set
    platform_token: str = ""  # the one of them with the platform's token; empty where no platform is asked
    strict: tuple[str, ...] = STRICT  # the dependencies that strict mode is about
    env_path: Path | None = None
    server: Server | None = None
    secrets_source: str = "nowhere: set env_file or env_prefix"
    is_own: bool = False  # the stack that Greenlight itself runs as


class Policy(Table):
    """What the team has decided."""

    strict: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_\-]{0,39}$")], ...] = Field(
        STRICT,
        min_length=1,
        max_length=20,
        description="Dependencies that strict mode requires the application to require.",
    )
    drill: bool = Field(False, description="Whether a passed deploy drill is a rule of the verdict.")
    alerts: bool = Field(False, description="Whether proof that alerts reach somebody is a rule of the verdict.")


class Network(Table):
    """How Greenlight tells its own network's trouble from that of what it watches."""

    reference: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = Field(
        (), max_length=5, description="Hosts, as host:port, that answer whenever our own network works."
    )


class Portal(Table):
    """Who may reach the portal."""

    allowed_hosts: tuple[str, ...] = Field(
        (), description="Host names (no port) under which the portal is reached, beside localhost."
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses or networks of reverse proxies that sign people in; only they may then connect."
    )
    base_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*/?$",
        max_length=200,
        description="Path below which a reverse proxy shows the portal, such as /portal; empty for a host of its own.",
    )
    metrics: Literal["local", "token", "open"] = Field(
        "local",
        description="Who may read /metrics, which names environments: programs on this machine without a token and "
        "others with one, only who holds a token, or everybody.",
    )

    @field_validator("allowed_hosts")
    @classmethod
    def _are_host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]", name) is None:
                raise ValueError(f"{name[:80]!r} is no host name: write it without scheme, port, path or wildcard")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                network = ipaddress.ip_network(text.strip(), strict=False)
            except ValueError:
                raise ValueError(
                    f"{text[:80]!r} is no address: write an IP address or a network such as 10.0.0.0/8"
                ) from None
            if network.prefixlen == 0:
                raise ValueError(f"{text[:80]!r} trusts everybody: name the proxy's own network")
        return value


class Retention(Table):
    """How long measurements are kept; evidence, state changes and sums of whole days are kept for ever."""

    raw_days: int = Field(30, ge=1, le=400, description="Single samples.")
    minute_days: int = Field(30, ge=4, le=400, description="Sums of a minute; the burn rates need four days.")
    hour_days: int = Field(396, ge=31, le=4000, description="Sums of an hour; at least as long as the longest window.")


class Slo(Table):
    """What a team does about its SLOs."""

    ok: str = Field("Ship as usual.", max_length=500, description="What to do while an SLO is met.")
    at_risk: str = Field(
        "Find out what spends the budget before shipping anything risky; who is on call looks today.", max_length=500
    )
    broken: str = Field("Ship nothing but fixes until the SLO is met again; write down what happened.", max_length=500)
    no_data: str = Field("Make it measurable first: an unmeasured SLO proves nothing.", max_length=500)


class Agent(Table):
    """An agent that replays may be run against from the page and by the worker."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.\-]{0,59}$")
    url: str = Field(description="Where it takes a case by POST.")
    environment: str | None = Field(
        None, description="The environment that it belongs to: its canary runs, evidence and dashboard token."
    )

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return http_url(value)


class JudgeTable(Table):
    """A model as judge."""

    name: str = Field("", pattern=r"^[A-Za-z0-9._ -]{0,40}$", description="What it is called; unset means its model.")
    url: str = Field(description="The endpoint that takes messages by POST.")
    model: str = Field(min_length=1, max_length=200)
    wire: Literal["chat", "anthropic"] = Field("chat", description="Chat completions, or Anthropic messages.")
    key_variable: str = Field("GREENLIGHT_JUDGE_KEY", pattern=r"^[A-Z][A-Z0-9_]{0,79}$")
    timeout_s: Seconds = 60
    concurrency: int = Field(4, ge=1, le=100)
    max_tokens: int = Field(1500, ge=100, le=100_000)
    token_budget: int | None = Field(None, gt=0, description="Tokens that one run may use; then answers are unscored.")
    price_in: float | None = Field(None, ge=0, description="Price of a million input tokens.")
    price_out: float | None = Field(None, ge=0, description="Price of a million output tokens.")

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return http_url(value)


class AccessPerson(Table):
    """Somebody's role: by issuer and subject, or by an e-mail that the issuer verified."""

    issuer: str = Field(min_length=1, max_length=300)
    subject: str | None = Field(None, min_length=1, max_length=300)
    email: str | None = Field(None, min_length=3, max_length=300)
    role: Literal["viewer", "operator", "engineer"]

    @model_validator(mode="after")
    def _one_of_both(self) -> AccessPerson:
        if (self.subject is None) == (self.email is None):
            raise ValueError("names a person by subject or by email: give exactly one of them")
        return self


class AccessToken(Table):
    """A further API token: its secret is in a process variable, never in this file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_\-]{0,39}$")
    variable: str = Field(pattern=r"^[A-Z][A-Z0-9_]{0,79}$")
    role: Literal["viewer", "operator", "engineer"]


class Access(Table):
    """Who may do what, once people sign in."""

    default_role: Literal["viewer", "operator", "engineer"] = Field(
        "viewer", description="Of everybody who signs in and is not listed."
    )
    proxy_user_header: str = Field(
        "X-Forwarded-User", pattern=r"^[A-Za-z0-9-]{1,60}$", description="In which a trusted proxy names who signed in."
    )
    proxy_role_header: str | None = Field(
        None, pattern=r"^[A-Za-z0-9-]{1,60}$", description="In which it names their role; without it, people decides."
    )
    people: tuple[AccessPerson, ...] = ()
    tokens: tuple[AccessToken, ...] = ()


class Soak(Table):
    """What staging must stand before production may be made strict."""

    hours: float = Field(24, gt=0, le=24 * 14, allow_inf_nan=False)
    coverage: float = Field(0.99, gt=0, le=1, description="The part of the time that must have been observed.")
    canaries: int = Field(3, ge=0, le=100, description="Canary runs that must have passed inside.")


class Durable(Table):
    """How our own worker's functions run on Inngest."""

    transport: Literal["serve", "connect"] = Field(
        "serve", description="How Inngest reaches this worker: it calls our address, or we connect to it."
    )
    retries: int = Field(3, le=20, description="Of a run that fails; two or more.")
    replay_concurrency: int = Field(8, ge=1, le=1000, description="Cases of replays that Inngest runs side by side.")

    @field_validator("retries")
    @classmethod
    def _survives_a_deploy(cls, value: int) -> int:
        if value < 2:
            raise ValueError(
                "is less than 2: a run whose worker is restarted uses up a try, so it would fail at every deploy"
            )
        return value


class Replay(Table):
    """How replays are run."""

    golden: str | None = Field(None, description="The golden set; unset means the one in golden/.")
    min_pass_rate: float = Field(0.95, gt=0, le=1)
    concurrency: int = Field(8, ge=1, le=1000)
    timeout_s: Seconds = 60
    canary_minutes: Literal[15, 30, 60, 120, 180, 240, 360, 720, 1440] = Field(
        60, description="How often the canary subset is replayed against agents with an environment."
    )
    agents: tuple[Agent, ...] = ()
    judge: JudgeTable | None = None
    review: int = Field(
        1, ge=1, le=5, description="How many people must stand behind a draft case before it is published."
    )
    judges: tuple[JudgeTable, ...] = Field(
        (), max_length=9, description="Several models that judge each answer; the majority decides (judge panel)."
    )
    min_judge_alpha: float = Field(
        0.667, ge=0, le=1, description="Krippendorff's alpha below which the judges of a panel agree too little."
    )
    calibration: str | None = Field(None, description="Labelled answers of your own; unset means those in golden/.")
    aa: Literal["never", "daily", "weekly"] = Field(
        "never", description="How often each agent with an environment is replayed twice, to measure how much flips."
    )

    @model_validator(mode="after")
    def _a_panel(self) -> Replay:
        labels = [table.name or table.model for table in self.judges]
        if len(labels) == 1:
            raise ValueError("has one judge under judges: a panel needs two or more; write one as [replay.judge]")
        if len(set(labels)) < len(labels):
            raise ValueError("has two judges of the same name: give each a name of its own")
        hosts: dict[str, str] = {}
        for table in (*self.judges, *((self.judge,) if self.judge is not None else ())):
            host = urlsplit(table.url).netloc
            if hosts.setdefault(table.key_variable, host) != host:
                raise ValueError(
                    f"has judges of two hosts with the key_variable {table.key_variable}: name one for each, so that "
                    "no provider is sent another's key"
                )
        return self


class Deploys(Table):
    """The platform that deploys the watched applications, and where its settings are written."""

    platform: Literal["railway"] | None = Field(
        None, description="Whose API is asked for settings and deploys; unset means none."
    )
    project: str | None = Field(None, max_length=100, description="Its id; unset means the token's own.")
    service: str | None = Field(None, max_length=100, description="Id of the service that runs background work.")
    token_variable: str = Field(
        "RAILWAY_TOKEN",
        pattern=r"^[A-Z][A-Z0-9_]{0,79}$",
        description="Variable of each environment's env file (or prefix) that holds a project token, for reading.",
    )
    api_url: str = Field("https://backboard.railway.com/graphql/v2", description="Where the platform's API is.")
    cost_per_step: float | None = Field(
        None, ge=0, le=1_000_000, allow_inf_nan=False, description="What a step costs that is cut and runs again."
    )

    files: tuple[Annotated[str, Field(max_length=400)], ...] = Field(
        (), max_length=10, description="railway.json, railway.toml or .railway/railway.ts, read as text, never run."
    )

    @field_validator("api_url")
    @classmethod
    def _api_url(cls, value: str) -> str:
        return http_url(value)


class AlertChannel(Table):
    """Where alerts go. Its address is a secret, so it comes from a process variable, never from this file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_\-]{0,39}$")
    url_variable: str = Field(pattern=r"^[A-Z][A-Z0-9_]{0,79}$", description="The variable that holds its address.")
    environments: tuple[str, ...] = Field(
        (), max_length=500, description="Of which it is told; unset means all that aren't simulated."
    )
    severities: tuple[Literal["page", "notify", "digest"], ...] = Field(
        ("page", "notify", "digest"), min_length=1, description="What it takes; digest comes in the daily digest alone."
    )
    quiet: str | None = Field(
        None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        description="Hours in which only pages are sent, such as 22:00-07:00; the rest waits for their end.",
    )
    digest_at: str | None = Field(
        None, pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="When the daily digest is sent; unset means never."
    )
    timezone: str = Field("UTC", max_length=60, description="Of quiet and digest_at, such as Europe/Berlin.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, ZoneInfoNotFoundError) as error:
            raise ValueError("is no known zone: write one such as Europe/Berlin or UTC") from error
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> AlertChannel:
        if self.quiet is not None and self.quiet[:5] == self.quiet[6:]:
            raise ValueError("has quiet hours that end when they begin: set another end, or remove quiet")
        if self.severities == ("digest",) and self.digest_at is None:
            raise ValueError("takes the digest alone, but no time is set for it: set digest_at")
        return self


class Alerts(Table):
    """Who is told when something fails, and who is told when Greenlight itself is gone."""

    dead_man_url_variable: str | None = Field(
        None,
        pattern=r"^[A-Z][A-Z0-9_]{0,79}$",
        description="The variable with the address that the worker calls every minute while all of it is at work.",
    )
    portal_url: str | None = Field(
        None, description="The address under which people open the portal; links in messages begin with it."
    )
    resolved_after_s: float = Field(
        300, ge=0, le=3600, allow_inf_nan=False, description="An alert is over once all is well for this long."
    )
    channels: tuple[AlertChannel, ...] = Field((), max_length=50)

    @field_validator("portal_url")
    @classmethod
    def _portal_url(cls, value: str | None) -> str | None:
        return None if value is None else http_url(value)

    @model_validator(mode="after")
    def _unlike(self) -> Alerts:
        names = [channel.name for channel in self.channels]
        if len(set(names)) != len(names):
            raise ValueError("two channels have the same name: give each its own")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels, in the file's order."""
        return tuple(channel.name for channel in self.channels)


class Traces(Table):
    """Traces of the watched agents: where they come from, and how long they are kept."""

    files: tuple[Annotated[str, Field(max_length=400)], ...] = Field(
        (),
        max_length=50,
        description="Trace files to follow, beside those that env files name in TRACE_ENVELOPE_FILE.",
    )
    content: bool = Field(False, description="Whether prompts and answers are kept; sizes and hashes always are.")
    retention_days: int = Field(30, ge=1, le=400)
    max_gb: float = Field(
        5, gt=0, le=10_000, allow_inf_nan=False, description="Room for traces; the oldest days go first."
    )


class SettingsFile(Table):
    """The whole of `greenlight.toml`."""

    portal: Portal = Portal()
    retention: Retention = Retention()
    slo: Slo = Slo()
    replay: Replay = Replay()
    durable: Durable = Durable()
    soak: Soak = Soak()
    access: Access = Access()
    policy: Policy = Policy()
    network: Network = Network()
    deploys: Deploys = Deploys()
    alerts: Alerts = Alerts()
    traces: Traces = Traces()
    environments: tuple[EnvironmentTable, ...] = ()

    @model_validator(mode="after")
    def _windows_fit(self) -> SettingsFile:
        for table in self.environments:
            for objective in table.objectives:
                if int(objective.window[:-1]) > self.retention.hour_days:
                    raise ValueError(
                        f"the objective {objective.sli} of {table.name} looks back {objective.window}, but sums of "
                        f"an hour are kept for {self.retention.hour_days} days: shorten window or raise hour_days"
                    )
        return self

    @model_validator(mode="after")
    def _agents_fit(self) -> SettingsFile:
        names = [agent.name for agent in self.replay.agents]
        if len(set(names)) != len(names) or "reference" in names:
            raise ValueError("two agents have the same name (or the name reference): give each its own")
        known = {table.name for table in self.environments}
        for agent in self.replay.agents:
            if agent.environment is not None and agent.environment not in known:
                raise ValueError(f"the agent {agent.name!r} names an environment that is not listed")
        return self


class Own(Table):
    """What this installation itself runs on: its worker's Redis, Inngest keys and policy."""

    redis_url: SecretStr | None = None
    redis_required: bool = False
    inngest_required: bool = False
    inngest_signing_key: SecretStr | None = None
    inngest_event_key: SecretStr | None = None
    inngest_dev: bool = False
    inngest_configured: bool = False  # an Inngest server is there for our worker: keys, INNGEST_DEV or an address
    inngest_api_url: str = ""
    inngest_event_url: str = ""
    inngest_serve_origin: str | None = None  # under which Inngest reaches the worker, behind a proxy

    @property
    def inngest_cloud(self) -> bool:
        """Cloud mode: a signing key is set (an empty one is none) and nothing asks for dev mode."""
        return self.inngest_signing_key is not None and not self.inngest_dev

    @property
    def inngest_keys(self) -> bool:
        """Whether both keys are set and not empty."""
        return self.inngest_signing_key is not None and self.inngest_event_key is not None


class Settings(Table):
    """Everything that a process needs to know, resolved and frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)

    source: str
    data_dir: Path
    database_url: SecretStr
    portal: Portal
    retention: Retention
    slo: Slo = Slo()
    environments: tuple[Environment, ...]
    replay: Replay = Replay()
    durable: Durable = Durable()
    soak: Soak = Soak()
    access: Access = Access()
    policy: Policy = Policy()
    network: Network = Network()
    deploys: Deploys = Deploys()
    alerts: Alerts = Alerts()
    traces: Traces = Traces()
    channel_urls: dict[str, SecretStr] = Field(default_factory=dict)  # by name: the addresses of alert channels
    dead_man_url: SecretStr | None = None
    portal_url: str = ""  # under which people open the portal, without a slash at its end; empty where it isn't known
    settings_dir: Path = Path()  # where the settings file is: other files are named relative to it
    access_tokens: dict[str, SecretStr] = Field(default_factory=dict)  # by name: the secrets of [access] tokens
    drain_seconds: float = 30.0
    worker_port: int = 8502
    own: Own = Own()
    api_token: SecretStr | None = None
    deploy_key: SecretStr | None = None  # signs what pipelines tell of deploys; the API token where it is unset
    keys_file: Path | None = None
    steps_file: Path | None = None

    @property
    def pulsed(self) -> tuple[Environment, ...]:
        """Environments whose Inngest server is our own worker's too: the stack's own, or those that share it."""
        return tuple(e for e in self.environments if e.server is not None and e.server.pulsed)

    @property
    def is_first_start(self) -> bool:
        """Whether nobody has configured an environment yet: what is there comes with Greenlight itself."""
        return all(e.is_own for e in self.environments)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the environments, in the file's order."""
        return tuple(environment.name for environment in self.environments)

    def environment(self, name: str) -> Environment:
        """The environment of that name; raises UnknownEnvironment with the names that exist."""
        from services.errors import UnknownEnvironment

        for environment in self.environments:
            if environment.name == name:
                return environment
        raise UnknownEnvironment(name, self.names)
