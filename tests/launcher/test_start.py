"""`start.py` for real: one start, a second start told off, an orderly stop, and a sentence for each failure."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT, free_port, start_alone
from tests.patience import PATIENCE_S, wait_until


class Started:
    """A running `start.py`."""

    def __init__(self, data: Path, *words: str, **variables: str) -> None:
        self.port, self.data = free_port(), data
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "REDIS_", "INNGEST_"))}
        self.process = start_alone(
            [sys.executable, "start.py", "--port", str(self.port), "--data", str(data), "--no-browser", *words],
            data,
            cwd=ROOT,
            env=clean | variables,
        )

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def wait(self) -> None:
        wait_until(self._is_ready)

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(self.process.communicate()[0])
        try:
            return httpx.get(f"{self.url}/api/health/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def environment(self, name: str = "local") -> dict[str, object]:
        token = (self.data / "api_token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        body: dict[str, object] = httpx.get(
            f"{self.url}/api/v1/environments/{name}", headers=headers, timeout=PATIENCE_S
        ).json()
        return body

    def wait_for_state(self, state: str, name: str = "local", **beside: object) -> dict[str, object]:
        """The environment once it has this state, and beside it all that is named."""
        seen: dict[str, object] = {}
        asked = {"state": state, **beside}

        def has_come() -> bool:
            seen.update(self.environment(name))
            return asked.items() <= {key: seen[key] for key in asked}.items()

        wait_until(has_come, found=lambda: seen)
        return seen

    def wait_for_finding(self, words: str) -> None:
        wait_until(lambda: words in str(self.environment()["findings"]), found=self.environment)

    def note(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.data / "stack.json").read_text())
        return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    made: list[Started] = []

    def go(*words: str, data: Path | None = None, **variables: str) -> Started:
        made.append(Started(data or tmp_path / "data", *words, **variables))
        return made[-1]

    yield go
    for started in made:
        if started.process.poll() is None:
            started.process.send_signal(signal.SIGTERM)
            try:
                started.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                started.process.kill()
        if started.process.stdout is not None:
            started.process.stdout.close()


def pids_of(data: Path) -> list[int]:
    """Processes whose command line or environment names that data folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(data).encode() in words:
                found.append(int(entry.name))
    return found


def redis_pid(stack: Started) -> int:
    """The process of the stack's Redis, which names only its port."""
    address = f"-server 127.0.0.1:{stack.note()['redis_port']}".encode()
    return next(
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and address in (entry / "cmdline").read_bytes()
    )


def test_the_whole_story_of_a_first_start(start: Callable[..., Started]) -> None:
    """Fresh real probes; a second start is told off; Redis and the worker going away are told the truth about."""
    stack = start()
    stack.wait()
    found = stack.wait_for_state("ready")
    assert set(found["dependencies"]) == {"readiness", "dependencies", "redis", "inngest", "store"}  # type: ignore[call-overload]
    assert (stack.data / "api_token").stat().st_mode & 0o777 == 0o600

    second = start()
    said = second.process.communicate(timeout=PATIENCE_S)[0]
    assert second.process.returncode == 2
    assert "already runs" in said
    assert str(stack.port) in said

    redis = redis_pid(stack)
    os.kill(redis, signal.SIGKILL)
    stack.wait_for_state("degraded")
    stack.wait_for_finding("Redis is not reached: nothing listens at its address")

    worker = next(pid for pid in pids_of(stack.data) if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(worker, signal.SIGKILL)
    stack.wait_for_state("unknown", stale=True)

    stack.process.send_signal(signal.SIGINT)
    said = stack.process.communicate(timeout=PATIENCE_S)[0]
    assert stack.process.returncode == 0
    assert "The worker ended" in said
    assert "The redis ended" in said
    assert pids_of(stack.data) == []


def test_redis_going_and_coming_back_turns_it_red_and_green(start: Callable[..., Started], tmp_path: Path) -> None:
    from tests.conftest import RealRedis

    server = RealRedis(tmp_path / "redis")
    server.start()
    stack = start(REDIS_URL=server.url, REDIS_REQUIRED="true")
    stack.wait()
    stack.wait_for_state("ready")
    server.stop()
    stack.wait_for_state("not_ready")
    stack.wait_for_finding("Redis is not reached: nothing listens at its address")
    server.start()
    stack.wait_for_state("ready")
    server.stop()


def test_a_launcher_that_is_killed_leaves_nothing_that_stops_the_next(start: Callable[..., Started]) -> None:
    first = start()
    first.wait()
    first.process.kill()
    first.process.wait()
    second = start()
    second.wait()
    second.wait_for_state("ready")
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(PATIENCE_S) == 0
    wait_until(lambda: not pids_of(second.data))  # also the first one's worker and portal are gone


def test_the_demo_shows_two_simulated_environments_with_a_past(start: Callable[..., Started]) -> None:
    stack = start("--demo")
    stack.wait()
    for name in ("staging", "production"):
        found = stack.wait_for_state("ready", name)
        assert found["simulated"] is True
    assert stack.environment("staging")["policy"] == "strict"
    assert stack.environment("production")["policy"] == "relaxed"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "REDIS_"))}
    beside = subprocess.run(
        [sys.executable, "scripts/probe.py", "--env", "staging", "--json"],
        cwd=ROOT, env=clean | {"GREENLIGHT_DATA": str(stack.data)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert beside.returncode == 0, beside.stderr
    assert json.loads(beside.stdout)["state"] == "ready"
    switched = subprocess.run(
        [sys.executable, "-m", "examples.swarm", "fault", "staging", "readiness_503", "on", "--data", str(stack.data)],
        cwd=ROOT, env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "readiness_503" in switched.stdout, switched.stderr
    stack.wait_for_state("not_ready", "staging")


def refused(*words: str, **variables: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "start.py", "--no-browser", *words],
        cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        status, said = refused("--data", str(tmp_path), "--port", str(holder.getsockname()[1]))
    assert status == 2
    assert "taken by another program" in said


def test_a_data_folder_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    status, said = refused("--data", str(tmp_path / "file" / "data"))
    assert status == 2
    assert "--data" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])
def test_listening_elsewhere_without_sign_in_is_refused(tmp_path: Path, host: str) -> None:
    status, said = refused("--data", str(tmp_path), "--port", str(free_port()), "--host", host)
    assert status == 2
    assert "sign-in" in said or "taken" in said


@pytest.mark.parametrize("words", [("--port", "abc"), ("--port", "0"), ("--port", "70000"), ("--colour", "red")])
def test_wrong_usage_exits_2(words: tuple[str, ...]) -> None:
    assert refused(*words)[0] == 2


def test_wrong_settings_are_listed(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("colour = 1")
    status, said = refused(
        "--data", str(tmp_path / "d"), "--port", str(free_port()), GREENLIGHT_CONFIG=str(tmp_path / "bad.toml")
    )
    assert status == 2
    assert "colour: is not a known setting" in said


def test_without_a_network_the_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from launcher import environment
    from launcher.say import Refusal

    (tmp_path / "r.txt").write_text("no-such-package-4711==1\n")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "PYTHON", Path(sys.executable))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(Refusal, match="package index is not reached"):
        environment._install(("r.txt",))


def test_an_old_python_is_told_so() -> None:
    code = "import sys; sys.version_info = (3, 9, 1); exec(open('start.py').read())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "3.11 or newer" in done.stderr


@pytest.mark.parametrize(
    ("status", "said", "cause"),
    [
        (1, "ERROR: Could not build wheels for x\nWARNING: Running pip as the 'root' user can break permissions", "Could not build"),
        (1, "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n[notice] A new release of pip", "HASHES"),
        (-2, "WARNING: Running pip as the 'root' user", "interrupted"),
        (1, "WARNING: Retrying\n[notice] new pip", "no reason"),
        (1, "something odd", "something odd"),
    ],
)  # fmt: skip
def test_a_failed_installation_names_its_cause_and_no_unrelated_warning(status: int, said: str, cause: str) -> None:
    from launcher import environment

    found = environment._cause(status, said)
    assert cause in found
    assert "WARNING" not in found


def test_a_crash_of_the_launcher_is_one_line_and_status_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from launcher import main as launcher_main

    def broken(_options: object) -> int:
        raise ValueError("planted-secret")

    monkeypatch.setattr(launcher_main, "_run", broken)
    assert launcher_main.main([]) == 70
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    assert "ValueError at" in said
    assert "planted-secret" not in said
