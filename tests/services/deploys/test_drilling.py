"""A drill is asked for by name, sent once, deployed once, followed to its end by whichever worker there is, and counted."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from services import clock
from services.access import local_operator
from services.deploys import drill, drill_lines, drill_state, drill_view, drilling
from services.deploys.drill_state import State
from services.deploys.drilling import NotDrilled
from services.evidence import chain, decisions
from services.evidence.decisions import Refused
from services.evidence.model import Evidence
from services.settings import load
from services.settings.model import Settings
from services.store import Store, jobs
from services.store.jobs import Job
from tests.conftest import RealRedis, Served
from tests.patience import until
from tests.services.dependencies.test_inngest_server import KEY, Fake, row
from tests.services.deploys.test_drill import OLD, line

Serve = Callable[..., Served]
ADA = local_operator("Ada")
EVENT_KEY = "planted5ecret-event-key"
STEPS = 3  # two, and the closing one


class Server(Fake):
    """It counts the events that it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    async def event(self, request: Request) -> Response:
        self.events += await request.json()
        return await super().event(request)


def settings_of(folder: Path, url: str, *, table: str = "", role: str = "staging", env: str | None = None) -> Settings:
    keys = f"INNGEST_EVENT_KEY={EVENT_KEY}\nINNGEST_SIGNING_KEY={KEY}\nRAILWAY_DEPLOYMENT_DRAINING_SECONDS=90\n"
    (folder / "p.env").write_text(keys if env is None else env)
    inngest = f'inngest = {{ mode = "cloud", api_url = "{url}" }}\n' if url else ""
    (folder / "greenlight.toml").write_text(
        f'[[environments]]\nname = "p"\nrole = "{role}"\nbase_url = "http://127.0.0.1:9"\nenv_file = "p.env"\n{inngest}'
        f"simulated = {'false' if url else 'true'}\n{table}"
    )
    return load({"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder)})


def table(*deploy: str, **more: object) -> str:
    rest = "".join(f"{name} = {json.dumps(value)}\n" for name, value in more.items())
    return f'[environments.drill]\nsteps_s = [1, 1]\nlines = "d.jsonl"\ndeploy = {json.dumps(deploy)}\n{rest}'


class Drill:
    """One that was asked for, and the worker's side of it."""

    def __init__(self, store: Store, settings: Settings, folder: Path) -> None:
        self.store, self.settings, self.folder = store, settings, folder
        self.job = drilling.ask(store, settings, "p", by=ADA)

    def says(self, step: int, phase: str, at: float, **more: Any) -> None:
        """A worker's line."""
        with (self.folder / "d.jsonl").open("ab") as stream:
            stream.write(line(step, phase, at, **{"id": self.job.id} | more) + b"\n")

    def rest(self, *, again: bool = False) -> None:
        """The rest of a drill whose first step has begun: a new process takes over."""
        self.says(1, "end", 101)
        if again:
            self.says(2, "begin", 101, attempt="cut")
        self.says(2, "begin", 101.2, up_s=0.5)
        self.says(2, "end", 102.2, up_s=1.5)
        self.says(3, "begin", 102.3, up_s=1.6)
        self.says(3, "end", 102.3, up_s=1.6)

    async def carry_out(self) -> str:
        async def progress(done: int, total: int) -> None:
            assert 0 <= done <= total == STEPS

        return await drilling.carry_out(self.store, self.settings, self.job, progress)

    @property
    def state(self) -> State:
        with self.store.read() as connection:
            found = drill_state.load(connection, "p")
        assert found is not None
        return found

    def is_at(self, **wanted: object) -> bool:
        with self.store.read() as connection:
            found = drill_state.load(connection, "p")
        return found is not None and all(getattr(found, name) == value for name, value in wanted.items())

    @property
    def evidence(self) -> Evidence | None:
        with self.store.read() as connection:
            return chain.newest(connection, "p", drill.CHECK)


def finish(store: Store, job: Job) -> None:
    with store.write() as connection:
        jobs.claim(connection, "w", now_ms=clock.now_ms(), lease_ms=60_000, environments=("p",))
        jobs.finish(connection, job.id, "w", state="done", message="", now_ms=clock.now_ms())


def test_a_person_deploys_when_the_first_step_has_begun_and_what_is_found_is_evidence(
    sqlite_store: Store, serve: Serve, tmp_path: Path
) -> None:
    fake = Server()
    fake.run = [row("01R", "COMPLETED", ended_s=1)]
    settings = settings_of(tmp_path, serve(fake.app()).url, table=table())
    found = Drill(sqlite_store, settings, tmp_path)

    async def both() -> str:
        following = asyncio.create_task(found.carry_out())
        await until(lambda: found.is_at(phase="waiting"))
        found.says(1, "begin", 100, up_s=OLD)
        await until(lambda: found.is_at(deploy="asked"))
        found.rest()
        return await following

    assert "interrupted nothing" in asyncio.run(both())
    (event,) = fake.events
    assert (event["name"], event["data"]) == ("greenlight/drill", {"id": found.job.id, "steps_s": [1.0, 1.0]})
    proof = found.evidence
    assert proof is not None
    assert (proof.outcome, proof.code, proof.version) == ("pass", "drill.passed", None)
    assert proof.detail["terms"] == {"overlap_s": 0, "draining_s": 90, "transport": "serve"}
    assert (proof.detail["by"], proof.detail["counts"]["moved"]) == ("Ada (unverified)", True)
    assert found.state.phase == "done"
    with sqlite_store.read() as connection:
        said = decisions.newest(connection, "p", "drill")
    assert said is not None
    assert said.detail["drill"] == found.job.id


def test_its_result_is_stale_when_the_terms_of_a_deploy_change(
    sqlite_store: Store, serve: Serve, tmp_path: Path
) -> None:
    fake = Server()
    fake.run = [row("01R", "COMPLETED", ended_s=1)]
    url = serve(fake.app()).url
    settings = settings_of(tmp_path, url, table=table())
    found = Drill(sqlite_store, settings, tmp_path)
    found.says(1, "begin", 100)
    found.rest()
    asyncio.run(found.carry_out())
    finish(sqlite_store, found.job)

    def stale(now: Settings) -> str:
        return drill_view.view(sqlite_store, now, "p", clock.now_ms()).stale

    assert stale(settings) == ""
    assert stale(settings_of(tmp_path, url, table=table(transport="connect"))) == "transport changed since"
    (tmp_path / "p.env").write_text((tmp_path / "p.env").read_text().replace("=90", "=3"))
    assert stale(settings) == "draining changed since"


def test_the_command_runs_once_and_its_last_line_holds_no_secret(
    sqlite_store: Store, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "Zq7-5ecret-of-deploys")
    monkeypatch.setenv("OTHER_SECRET", "planted5ecret-other")
    fake = Server()
    fake.run = [row("01R", "COMPLETED", ended_s=1)]
    code = (
        "import os; open('ran','a').write('x'); print('noise'*50000);"
        "print('with', os.environ['DEPLOY_TOKEN'], os.environ.get('OTHER_SECRET'), '" + EVENT_KEY + "', 'released v7')"
    )
    settings = settings_of(
        tmp_path, serve(fake.app()).url, table=table(sys.executable, "-c", code, deploy_variables=["DEPLOY_TOKEN"])
    )
    found = Drill(sqlite_store, settings, tmp_path)

    async def both() -> str:
        following = asyncio.create_task(found.carry_out())
        await until(lambda: found.is_at(phase="waiting"))
        assert not (tmp_path / "ran").exists(), "not before a step has begun"
        found.says(1, "begin", 100)
        await until(lambda: found.is_at(deploy="ok"))
        found.rest(again=True)
        return await following

    assert "step 2 began more than once" in asyncio.run(both())
    assert (tmp_path / "ran").read_text() == "x"
    proof = found.evidence
    assert proof is not None
    assert (proof.outcome, proof.code) == ("fail", "drill.twice")
    assert proof.detail["deploy_said"] == "with [removed] None [removed] released v7"
    stored = (tmp_path / "greenlight.db").read_bytes().decode("latin-1")
    assert "planted5ecret" not in stored
    assert "Zq7-5ecret" not in stored


@pytest.mark.parametrize(
    ("command", "why"),
    [((sys.executable, "-c", "print('no such service'); exit(3)"), "ended with 3 and said: no such service"),
     (("/no/such/command",), "can't be started (No such file or directory)")],
)  # fmt: skip
def test_a_deploy_that_fails_is_named_and_proves_nothing(
    sqlite_store: Store, serve: Serve, tmp_path: Path, command: tuple[str, ...], why: str
) -> None:
    found = Drill(sqlite_store, settings_of(tmp_path, serve(Server().app()).url, table=table(*command)), tmp_path)
    found.says(1, "begin", 100)
    assert why in asyncio.run(found.carry_out())
    assert found.evidence is not None
    assert (found.evidence.outcome, found.evidence.code) == ("unknown", "drill.deploy_failed")


def test_a_worker_that_takes_over_sends_nothing_and_deploys_nothing_a_second_time(
    sqlite_store: Store, serve: Serve, tmp_path: Path
) -> None:
    fake = Server()
    fake.run = [row("01R", "COMPLETED", ended_s=1)]
    code = "import time; open('ran','a').write('b'); time.sleep(1.5); print('x' * 100); open('ran','a').write('e')"
    settings = settings_of(tmp_path, serve(fake.app()).url, table=table(sys.executable, "-c", code))
    found = Drill(sqlite_store, settings, tmp_path)

    async def cut() -> None:
        following = asyncio.create_task(found.carry_out())
        found.says(1, "begin", 100)
        await until(lambda: found.is_at(deploy="running") and (tmp_path / "ran").exists())
        following.cancel()
        await asyncio.wait([following])

    asyncio.run(cut())
    found.rest()
    assert "interrupted nothing" in asyncio.run(found.carry_out())
    assert (len(fake.events), found.state.deploy) == (1, "unseen")

    async def ended() -> None:
        await until(lambda: (tmp_path / "ran").read_text() == "be")

    asyncio.run(ended())  # the command went on without us


def test_time_that_is_over_counts_what_is_there(sqlite_store: Store, serve: Serve, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, serve(Server().app()).url, table=table(longest_s=2))
    nobody = Drill(sqlite_store, settings, tmp_path)
    assert "No worker began the drill within 2 s" in asyncio.run(nobody.carry_out())
    finish(sqlite_store, nobody.job)
    half = Drill(sqlite_store, settings, tmp_path)
    half.says(1, "begin", 100)
    half.says(1, "end", 101)
    assert "steps 2, 3 never ended" in asyncio.run(half.carry_out())
    assert half.evidence is not None
    assert half.evidence.outcome == "fail"


@pytest.mark.parametrize(
    ("status", "words"), [(401, "refuses the event key"), (500, "did not take the event (HTTP 500)")]
)
def test_an_event_that_is_not_taken_is_no_drill(
    sqlite_store: Store, serve: Serve, tmp_path: Path, status: int, words: str
) -> None:
    fake = Server()
    fake.status["event"] = (status, {})
    found = Drill(sqlite_store, settings_of(tmp_path, serve(fake.app()).url, table=table()), tmp_path)
    with pytest.raises(NotDrilled) as refused:
        asyncio.run(found.carry_out())
    assert words in str(refused.value)
    assert (found.state.phase, found.state.what, found.evidence) == ("stopped", str(refused.value), None)


def test_where_no_drill_can_be_started_it_says_why(sqlite_store: Store, tmp_path: Path) -> None:
    url = "http://127.0.0.1:9"

    def why(where: str = url, **more: Any) -> str:
        settings = settings_of(tmp_path, where, **{"table": table()} | more)
        with pytest.raises(NotDrilled) as refused:
            drilling.ask(sqlite_store, settings, "p", by=ADA)
        return str(refused.value)

    assert "never for production" in why(role="production")
    assert "not marked for drills" in why(table="")
    assert "set inngest.api_url" in why("")
    assert "no INNGEST_EVENT_KEY" in why(env="")
    no_place = table().replace('lines = "d.jsonl"\n', "")
    assert "No REDIS_URL" in why(table=no_place)
    settings = settings_of(tmp_path, url, table=table())
    with pytest.raises(Refused, match="name"):
        drilling.ask(sqlite_store, settings, "p", by=local_operator("x").__class__(name="", role="engineer"))
    drilling.ask(sqlite_store, settings, "p", by=ADA)
    assert "under way" in why()


def test_lines_are_read_from_redis_and_its_trouble_is_named(
    make_redis: Callable[..., RealRedis], tmp_path: Path
) -> None:
    import redis

    server = make_redis()
    keys = f"INNGEST_EVENT_KEY={EVENT_KEY}\nINNGEST_SIGNING_KEY={KEY}\nREDIS_URL={server.url}\n"
    settings = settings_of(tmp_path, "http://127.0.0.1:9", table="[environments.drill]\n", env=keys)

    def read(id_: str) -> drill_lines.Found:
        return asyncio.run(drill_lines.read(settings.environment("p"), tmp_path, id_))

    client = redis.Redis.from_url(server.url)
    assert read("none") == ()
    client.rpush("greenlight:drill:some", b"one", b"\xff")
    assert read("some") == (b"one", b"\xff")
    client.set("greenlight:drill:text", "x")
    assert "Redis answers error" in read("text")
    client.close()
    server.stop()
    assert "Redis answers refused" in read("some")


def test_a_row_of_another_version_is_no_state(sqlite_store: Store) -> None:
    from services.store import readings

    with sqlite_store.write() as connection:
        readings.keep(connection, "p", drill_state.KIND, at_ms=1, body={"id": "x"})
        assert drill_state.load(connection, "p") is None
