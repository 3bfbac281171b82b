"""The PTO from the first step to the exported report, in a real browser with a real worker and a real (simulated) swarm.

The soak's hours are a setting; here they are seconds.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from services.report import seal
from tests.conftest import ROOT, free_port, start_alone

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
Open = Callable[..., Page]


class Demo:
    """`start.py --demo` with a short soak."""

    def __init__(self, folder: Path) -> None:
        self.port, self.data = free_port(), folder / "data"
        config = folder / "greenlight.toml"
        config.write_text(
            '[soak]\nhours = 0.008\ncanaries = 0\n[[environments]]\nname = "other"\nbase_url = "http://127.0.0.1:9"\n'
        )
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "REDIS_", "INNGEST_"))}
        words = ["start.py", "--demo", "--port", str(self.port), "--data", str(self.data), "--no-browser"]
        environment = clean | {"GREENLIGHT_CONFIG": str(config)}
        self._process = start_alone([sys.executable, *words], self.data, cwd=ROOT, env=environment)
        self.config = config
        self.url = f"http://localhost:{self.port}"

    def wait(self) -> None:
        give_up = time.monotonic() + 90
        while time.monotonic() < give_up:
            assert self._process.poll() is None, self._process.communicate()[0]
            try:
                if len(self.api("/api/v1/environments")["environments"]) == 3:
                    return
            except (httpx.HTTPError, OSError, KeyError):
                time.sleep(0.3)
        raise AssertionError("it did not start")

    def api(self, path: str, **json_: object) -> dict[str, object]:
        token = (self.data / "api_token").read_text().strip()
        method = "POST" if json_ else "GET"
        answer = httpx.request(method, self.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=20,
                               json=json_ or None)  # fmt: skip
        return dict(answer.json())

    def verdict(self, name: str) -> str:
        return str(self.api(f"/api/v1/environments/{name}/verdict")["verdict"])

    def wait_for(self, condition: Callable[[], bool], patience_s: float = 90) -> None:
        give_up = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < give_up, json.dumps(self.api("/api/v1/environments/production/verdict"), indent=1)
            time.sleep(0.5)

    def env_file(self, name: str) -> Path:
        return self.data / "demo" / f"{name}.env"

    def redeploy(self, name: str) -> None:
        """What a hosting platform does: the old process ends, a new one reads the variables."""
        listed = subprocess.run(
            ["ps", "axww", "-o", "pid=,command="], capture_output=True, text=True, check=True
        ).stdout
        file = str(self.env_file(name))
        line = next(x for x in listed.splitlines() if "examples.swarm" in x and file in x)
        pid, command = line.strip().split(" ", 1)
        os.kill(int(pid), signal.SIGTERM)
        time.sleep(1.5)
        words = command.split()
        variables = dict(os.environ) | {"GREENLIGHT_SWARM_DEMO": "1", "GREENLIGHT_PARENT_PID": str(os.getpid())}
        self.again = subprocess.Popen(
            words, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def fault(self, name: str, fault: str, *, on: bool) -> None:
        words = [sys.executable, "-m", "examples.swarm", "fault", name, fault, "on" if on else "off"]
        subprocess.run(words, cwd=ROOT, env=dict(os.environ) | {"GREENLIGHT_DATA": str(self.data)}, check=True,
                       capture_output=True)  # fmt: skip

    def stop(self) -> None:
        if hasattr(self, "again"):
            self.again.kill()
            self.again.wait()
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=30)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    made = Demo(tmp_path)
    made.wait()
    yield made
    made.stop()


def step(page: Page, demo: Demo, key: str) -> None:
    page.goto(f"{demo.url}/strict_mode_checklist?env=production&step={key}")
    page.locator(".gl .answer").first.wait_for(timeout=20_000)


def row(page: Page, key: str) -> str:
    """What the list says of a step."""
    link = page.locator(f".gl .step:has(a[href*='step={key}'])")
    return link.inner_text()


def verify(page: Page, demo: Demo, key: str) -> None:
    step(page, demo, key)
    page.get_by_role("button", name="Verify").click()
    expect(page.locator(f".gl .step:has(a[href*='step={key}'])")).to_contain_text("done", timeout=60_000)


def confirm(page: Page, button: str) -> None:
    page.get_by_role("button", name=button).click()
    page.get_by_label("Your name").fill("Ada Łukasz")
    page.get_by_label("Note").fill("Minutes of 20 November")
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.get_by_text("Ada Łukasz").first).to_be_visible(timeout=20_000)


def test_from_the_first_step_to_the_report_through_what_goes_wrong(demo: Demo, open_page: Open) -> None:
    page = open_page(f"{demo.url}/strict_mode_checklist?env=production")
    expect(page.locator(".answer").first).to_contain_text("No-Go for production")
    for name in ("staging", "production"):
        step(page, demo, f"inputs-{name}")
        page.get_by_role("button", name="Verify").click()
        confirm(page, "Confirm the decision")
        expect(page.locator(f".gl .step:has(a[href*='step=inputs-{name}'])")).to_contain_text("done", timeout=60_000)
        verify(page, demo, f"inngest-{name}")
    for name in ("staging", "production"):
        demo.api("/api/v1/replays", agent=f"{name} swarm")
    # Staging is strict already in this story; its soak breaks on a readiness 503 and runs again by itself.
    demo.fault("staging", "readiness_503", on=True)
    time.sleep(8)
    demo.fault("staging", "readiness_503", on=False)
    step(page, demo, "soak-staging")
    expect(page.get_by_text("Readiness failed: the application was not ready").first).to_be_visible(timeout=30_000)
    # Production is strict in its file, but nothing applies before a redeploy.
    file = demo.env_file("production")
    file.write_text(file.read_text().replace("REDIS_REQUIRED=false", "REDIS_REQUIRED=true")
                    .replace("INNGEST_REQUIRED=false", "INNGEST_REQUIRED=true"))  # fmt: skip
    step(page, demo, "apply-production")
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("it runs relaxed").first).to_be_visible(timeout=20_000)
    demo.redeploy("production")
    expect(page.locator(".gl .step:has(a[href*='step=apply-production'])")).to_contain_text("done", timeout=60_000)
    # The variables changed: what was proven under the old ones has to be proven again.
    for key in ("inputs-production", "validate-production", "verify-production"):
        verify(page, demo, key)
    demo.api("/api/v1/replays", agent="production swarm")
    demo.wait_for(lambda: demo.verdict("production") == "GO")
    step(page, demo, "go-production")
    expect(page.locator(".answer").first).to_contain_text("Go for production", timeout=20_000)
    confirm(page, "Sign off the Go")
    with page.expect_download(timeout=60_000) as waiting:
        page.get_by_role("button", name="PDF").click()
    checked = seal.check(Path(waiting.value.path()).read_bytes())
    assert checked.whole
    assert waiting.value.suggested_filename.startswith("greenlight-completion-production-simulated-")
    # After the Go: a changed variable makes it stale, and says what changed.
    file.write_text(file.read_text() + "REDIS_MAX_CONNECTIONS_NOTE=1\n")
    demo.wait_for(lambda: demo.verdict("production") != "GO")
    page.goto(f"{demo.url}/?env=production")
    expect(page.get_by_text("no longer covers it: its variables changed").first).to_be_visible(timeout=30_000)
