"""What is registered with the Inngest server: our functions, their crons, our address. Compared with what we serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from services import clock
from services.clock import DAY_MS
from services.dependencies.inngest.api import Api, Refusal, rfc3339
from services.dependencies.model import Check, Reading

if TYPE_CHECKING:
    from services.settings.model import Environment

NAME = "inngest.sync"
APP_ID = "greenlight-worker"
QUERY = "{ apps { name url method error functionCount } functions { slug triggers { type value } } }"
WORKERS = (
    '{ workerConnections(first: 40, orderBy: [{field: CONNECTED_AT, direction: DESC}], filter: {from: "FROM"}) '
    "{ edges { node { instanceId status } } } }"
)
DEADLINE_S = 5.0
SHOWN = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Registered:
    """What the server knows of our app; `functions` are (name, cron or event), `url` where it calls us."""

    url: str
    error: str
    functions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncProbe:
    """One question to the server."""

    api: Api
    worker_url: str
    declared: tuple[tuple[str, str], ...]
    interval_s: float
    siblings: Callable[[], Sequence[str]] = tuple  # where the other workers of this installation are
    deadline_s: float = 2 * DEADLINE_S + 1
    name: str = NAME

    @classmethod
    def from_settings(cls, environment: Environment, siblings: Callable[[], Sequence[str]] = tuple) -> SyncProbe:
        """The probe of an environment whose Inngest server our worker is synced with."""
        server = environment.server
        assert server is not None  # noqa: S101 - the registry has checked
        return cls(
            api=Api.from_settings(environment),
            worker_url=server.worker_url,
            declared=server.declared,
            interval_s=environment.intervals.inngest_pulse,
            siblings=siblings,
        )

    async def run(self, previous: Mapping[str, Any]) -> Reading:  # noqa: ARG002 - nothing to remember
        """Compare once."""
        found = await registered(self.api)
        if isinstance(found, Refusal):
            code = {"no_answer": "no_answer", "limited": "no_answer", "wrong_kind": "wrong_kind",
                    "key_refused": "key_refused"}.get(found.code, "no_api")  # fmt: skip
            return Reading(code=f"sync.{code}", words={"why": found.why}, detail={"declared": _shown(self.declared)})
        return await self._compared(found)

    async def _compared(self, found: Registered | None) -> Reading:
        detail: dict[str, Any] = {"declared": _shown(self.declared), "worker_url": self.worker_url}
        if is_connected(self.worker_url):
            detail["connected"] = await _connected(self.api)
        if found is not None:
            detail |= {"url": found.url, "registered": _shown(found.functions)}
        code, words = verdict(found, self.declared, self.worker_url)
        if code == "sync.repointed" and found is not None:
            if is_connected(found.url) != is_connected(self.worker_url):
                code, words = "sync.two_ways", {"ours": _way(self.worker_url), "theirs": _way(found.url)}
            elif is_one_of(found.url, await asyncio.to_thread(self.siblings)):
                code = "sync.sibling"
        good = code in {"sync.ok", "sync.sibling"}
        check = Check(name="inngest.registered", outcome="pass" if good else "fail", value=code, threshold="sync.ok")
        return Reading(code=code, detail=detail, words=words, checks=(check,))


async def registered(api: Api) -> Registered | Refusal | None:
    """What the server knows of our app; None where it knows nothing of it."""
    data = await api.graphql(QUERY, deadline_s=DEADLINE_S)
    if isinstance(data, Refusal):
        return data
    apps, functions = data.get("apps"), data.get("functions")
    if not isinstance(apps, list):
        return Refusal(code="no_api", why="its answer names no apps")
    own = next((app for app in apps if isinstance(app, dict) and app.get("name") == APP_ID), None)
    if own is None:
        return None
    listed = functions if isinstance(functions, list) else []
    named = (_function(item) for item in listed if isinstance(item, dict))
    return Registered(
        url=str(own.get("url") or "")[:200],
        error=str(own.get("error") or "")[:200],
        functions=tuple(sorted(item for item in named if item is not None)),
    )


async def _connected(api: Api) -> list[list[str]]:
    """The workers that are connected: instance and status; [] where the server doesn't say."""
    since = rfc3339(clock.now_ms() - DAY_MS)
    data = await api.graphql(WORKERS.replace("FROM", since), deadline_s=DEADLINE_S)
    edges = (data.get("workerConnections") or {}).get("edges") if not isinstance(data, Refusal) else None
    nodes = [edge.get("node") for edge in edges if isinstance(edge, dict)] if isinstance(edges, list) else []
    found = [(str(n.get("instanceId"))[:80], str(n.get("status"))[:20]) for n in nodes if isinstance(n, dict)]
    return [[name, status] for name, status in found if status != "DISCONNECTED"][:SHOWN]


def _function(item: Mapping[str, Any]) -> tuple[str, str] | None:
    slug = item.get("slug")
    if not isinstance(slug, str) or not slug.startswith(f"{APP_ID}-"):
        return None
    triggers = item.get("triggers")
    values = [str(t.get("value")) for t in triggers if isinstance(t, dict)] if isinstance(triggers, list) else []
    return slug.removeprefix(f"{APP_ID}-")[:80], ", ".join(values)[:120]


CONNECTED = "ws://connect"  # what stands in the place of an address where workers connect
Place = Literal["ours", "elsewhere"]


def place(url: str, worker_url: str) -> Place:
    """Whether the registered address is this worker's. The server writes `localhost` for 127.0.0.1.

    Workers that connect have no address: `ws://connect?app_name=…` is all of them.
    """
    if is_connected(worker_url):
        return "ours" if is_connected(url) else "elsewhere"
    return "ours" if _address(url) == _address(worker_url) else "elsewhere"


def is_connected(url: str) -> bool:
    """Whether this stands for workers that connect."""
    return url.startswith((CONNECTED, "wss://connect"))


def is_one_of(url: str, workers: Iterable[str]) -> bool:
    """Whether the registered address is that of one of these workers."""
    return any(place(url, worker) == "ours" for worker in workers)


def _address(url: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return url, None
    host = parts.hostname or ""
    return "localhost" if host in {"127.0.0.1", "::1", "0.0.0.0"} else host, port


def verdict(
    found: Registered | None, declared: tuple[tuple[str, str], ...], worker_url: str
) -> tuple[str, dict[str, Any]]:
    """Which code the comparison comes to. With nothing declared (a check from outside the worker) names aren't held
    against anything."""
    if found is None:
        return "sync.absent", {}
    if worker_url and place(found.url, worker_url) == "elsewhere":
        return "sync.repointed", {"url": found.url}
    if found.error:
        return "sync.error", {"why": found.error}
    difference = _difference(dict(found.functions), dict(declared)) if declared else ""
    return ("sync.differs", {"difference": difference}) if difference else ("sync.ok", {})


def _way(url: str) -> str:
    return "connects" if is_connected(url) else "is served"


def _difference(known: Mapping[str, str], served: Mapping[str, str]) -> str:
    parts = [f"{name} is missing" for name in served if name not in known]
    parts += [f"{name} is no longer served" for name in known if name not in served]
    parts += [f"{name} runs at {known[name]} instead of {served[name]}"
              for name in served if name in known and known[name] and known[name] != served[name]]  # fmt: skip
    return "; ".join(parts)[:300]


def _shown(functions: tuple[tuple[str, str], ...]) -> list[list[str]]:
    return [list(item) for item in functions[:SHOWN]]
