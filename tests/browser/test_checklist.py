"""The PTO from the first step to the exported report, in a real browser with a real worker and a real (simulated) swarm.

The soak's hours are a setting; here they are seconds.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from services import clock
from services.evidence import chain
from services.evidence.model import Evidence
from services.report import seal
from services.store.migrate import opened
from tests.conftest import ROOT, free_port, start_alone
from tests.patience import PATIENCE_S, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
Open = Callable[..., Page]


class Demo:
    """`start.py --demo` with a soak of that length."""

    def __init__(self, folder: Path, *, soak_hours: float, strict_since_h: float = 0) -> None:
        self.port, self.data = free_port(), folder / "data"
        if strict_since_h:
            seen_strict(self.data, "staging", clock.now_ms() - round(strict_since_h * 3_600_000))
        config = folder / "greenlight.toml"
        config.write_text(
            f"[soak]\nhours = {soak_hours}\ncanaries = 0\n"
            '[[environments]]\nname = "other"\nbase_url = "http://127.0.0.1:9"\n'
        )
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GREENLIGHT_", "REDIS_", "INNGEST_"))}
        words = ["start.py", "--demo", "--port", str(self.port), "--data", str(self.data), "--no-browser"]
        environment = clean | {"GREENLIGHT_CONFIG": str(config)}
        self._process = start_alone([sys.executable, *words], self.data, cwd=ROOT, env=environment)
        self.again: list[subprocess.Popen[bytes]] = []
        self.url = f"http://localhost:{self.port}"

    def wait(self) -> None:
        wait_until(self._has_started)

    def _has_started(self) -> bool:
        assert self._process.poll() is None, self._process.communicate()[0]
        try:
            return len(self.api("/api/v1/environments")["environments"]) == 3
        except (httpx.HTTPError, OSError, KeyError):
            return False

    def api(self, path: str, **json_: object) -> dict[str, object]:
        token = (self.data / "api_token").read_text().strip()
        method = "POST" if json_ else "GET"
        answer = httpx.request(method, self.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S,
                               json=json_ or None)  # fmt: skip
        return dict(answer.json())

    def verdict(self, name: str) -> str:
        return str(self.api(f"/api/v1/environments/{name}/verdict")["verdict"])

    def wait_for(self, condition: Callable[[], bool]) -> None:
        wait_until(condition, found=lambda: json.dumps(self.api("/api/v1/environments/production/verdict"), indent=1))

    def wait_for_state(self, name: str, *states: str) -> None:
        wait_until(lambda: self.api(f"/api/v1/environments/{name}")["state"] in states)

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
        self.again.append(
            subprocess.Popen(words, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        address = f"http://127.0.0.1:{words[words.index('--port') + 1]}/api/health/ready"
        self.wait_for(lambda: _answers(address))

    def fault(self, name: str, fault: str, *, on: bool) -> None:
        words = [sys.executable, "-m", "examples.swarm", "fault", name, fault, "on" if on else "off"]
        subprocess.run(words, cwd=ROOT, env=dict(os.environ) | {"GREENLIGHT_DATA": str(self.data)}, check=True,
                       capture_output=True)  # fmt: skip

    def stop(self) -> None:
        for process in self.again:
            process.kill()
            process.wait()
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=PATIENCE_S)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code in {200, 503}
    except httpx.HTTPError:
        return False


def seen_strict(data: Path, name: str, at_ms: int) -> None:
    """What a worker would have written down then. The looks since are those of the generated past."""
    data.mkdir(parents=True)
    with opened(f"sqlite:///{data / 'greenlight.db'}", prepare=True) as store, store.write() as connection:
        records = [Evidence(environment=name, check=check, outcome="pass", at_ms=at_ms, simulated=True)
                   for check in ("redis.required", "inngest.required")]  # fmt: skip
        chain.append(store, connection, records)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    made = Demo(tmp_path, soak_hours=0.008)
    made.wait()
    yield made
    made.stop()


def step(page: Page, demo: Demo, key: str) -> None:
    page.goto(f"{demo.url}/strict_mode_checklist?env=production&step={key}")
    page.locator(".gl .answer").first.wait_for()


def row(page: Page, key: str) -> Locator:
    """A step in the list."""
    return page.locator(f".gl .step:has(a[href*='step={key}'])")


def done(page: Page, key: str) -> Locator:
    """The mark of a step that is done."""
    return row(page, key).locator(".badge.good")


def verify(page: Page, demo: Demo, key: str) -> None:
    step(page, demo, key)
    page.get_by_role("button", name="Verify").click()
    expect(done(page, key)).to_be_visible()


def press(page: Page, button: str) -> None:
    """Press what is drawn to its end, as a person does."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    page.get_by_role("button", name=button).click()


def confirm(page: Page, button: str, *, sent: str = "Confirm") -> None:
    press(page, button)
    page.get_by_label("Your name").fill("Ada Łukasz")
    page.get_by_label("Note").fill("Minutes of 20 November")
    page.get_by_role("dialog").get_by_role("button", name=sent, exact=True).click()
    expect(page.get_by_text("Ada Łukasz").first).to_be_visible()


def test_from_the_first_step_to_the_report_through_what_goes_wrong(demo: Demo, open_page: Open) -> None:
    page = open_page(f"{demo.url}/strict_mode_checklist?env=production")
    expect(page.locator(".answer").first).to_contain_text("No-Go for production")
    for name in ("staging", "production"):
        step(page, demo, f"inputs-{name}")
        page.get_by_role("button", name="Verify").click()
        confirm(page, "Confirm for")
        expect(done(page, f"inputs-{name}")).to_be_visible()
        verify(page, demo, f"inngest-{name}")
    # Said in haste: taken back, by name, and said again. All three stay on record.
    step(page, demo, "inputs-production")
    press(page, "Take it back")
    expect(page.get_by_role("dialog").get_by_text("What Ada Łukasz said will no longer stand.")).to_be_visible()
    page.get_by_label("Your name").fill("Ada Łukasz")
    page.get_by_label("Note").fill("that was the other environment")
    page.get_by_role("dialog").get_by_role("button", name="Confirm", exact=True).click()
    expect(page.get_by_role("button", name="Confirm for")).to_be_visible()
    confirm(page, "Confirm for")
    page.get_by_text("Campaigns, and what people decided").click()
    expect(page.get_by_text("taken back").first).to_be_visible()
    # A key that the application does not run with: the step that tries the inputs says so, and the next one waits.
    file = demo.env_file("production")
    right = file.read_text()
    file.write_text(re.sub("(?m)^INNGEST_SIGNING_KEY=.*$", f"INNGEST_SIGNING_KEY=signkey-prod-{'ab' * 32}", right))
    step(page, demo, "inputs-production")
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("The application refuses our Inngest signing key: it runs with another one. Compare "
                            "INNGEST_SIGNING_KEY here with the application's, and redeploy after a change.").first
           ).to_be_visible()  # fmt: skip
    expect(row(page, "inputs-production")).to_contain_text("not done")
    expect(row(page, "inngest-production")).to_contain_text("waits for step 2")
    assert demo.verdict("production") == "NO_GO"
    file.write_text(right)
    for key in ("inputs-production", "inngest-production"):
        verify(page, demo, key)
    # Staging is strict already in this story; its soak breaks on a readiness 503 and runs again by itself.
    demo.fault("staging", "readiness_503", on=True)
    demo.wait_for_state("staging", "not_ready")
    demo.fault("staging", "readiness_503", on=False)
    step(page, demo, "soak-staging")
    expect(page.get_by_text("Readiness failed: the application was not ready").first).to_be_visible()
    # Production is strict in its file, but nothing applies before a redeploy.
    strict = right.replace("QUIRED=false", "QUIRED=true")
    file.write_text(f"{strict}AGENT_WEAKNESS=lenient\n")
    step(page, demo, "apply-production")
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("keeps running without").first).to_be_visible()
    demo.redeploy("production")
    expect(done(page, "apply-production")).to_be_visible()
    # The variables changed: what was proven under the old ones has to be proven again.
    prove_again = ("inputs-production", "validate-production", "verify-production")
    for key in prove_again:
        verify(page, demo, key)
    # The agent that was deployed with them passes 94 of 100 cases, and 95 are needed.
    for name in ("staging", "production"):
        demo.api("/api/v1/replays", agent=f"{name} swarm")
    step(page, demo, "replay-production")
    expect(page.get_by_text("47 of 50 cases passed: 94 %; 95 % are needed.").first).to_be_visible()
    expect(row(page, "replay-production")).to_contain_text("not done")
    expect(page.locator(".answer").first).to_contain_text("No-Go for production. 47 of 50 cases passed")
    step(page, demo, "go-production")
    expect(page.get_by_text("It can be signed once the verdict is Go.")).to_be_visible()
    assert page.get_by_role("button", name="Sign the Go").count() == 0
    file.write_text(strict)
    demo.redeploy("production")
    for key in prove_again:
        verify(page, demo, key)
    demo.api("/api/v1/replays", agent="production swarm")
    demo.wait_for(lambda: demo.verdict("production") == "GO")
    step(page, demo, "go-production")
    expect(page.locator(".answer").first).to_contain_text("Go for production")
    confirm(page, "Sign the Go", sent="Sign the Go")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="PDF").click()
    checked = seal.check(Path(waiting.value.path()).read_bytes())
    assert checked.whole
    with page.expect_download() as waiting_for_json:
        page.get_by_role("button", name="JSON").click()
    told = json.loads(Path(waiting_for_json.value.path()).read_text())["report"]
    assert told["verdict"]["state"] == "GO"
    assert [d["by"] for d in told["decisions"] if d["what"] == "sign off"] == ["Ada Łukasz"], "signed a moment ago"
    assert waiting.value.suggested_filename.startswith("greenlight-completion-production-simulated-")
    page.goto(f"{demo.url}/?env=production")
    expect(page.get_by_text("Last report: completion").first).to_contain_text("it said Go")
    # After the Go: a changed variable makes it stale, and says what changed.
    file.write_text(f"{strict}REDIS_MAX_CONNECTIONS_NOTE=1\n")
    demo.wait_for(lambda: demo.verdict("production") != "GO")
    page.goto(f"{demo.url}/?env=production")
    expect(page.get_by_text("no longer covers production: its variables changed").first).to_be_visible()


def test_a_readiness_503_in_the_23rd_hour_begins_the_soak_anew(tmp_path: Path, open_page: Open) -> None:
    demo = Demo(tmp_path, soak_hours=24, strict_since_h=22.5)
    demo.wait()
    try:
        page = open_page(f"{demo.url}/strict_mode_checklist?env=production&step=soak-staging")
        expect(page.get_by_text(re.compile("Running: 1 h (2[0-9]|30) min are left")).first).to_be_visible()
        demo.fault("staging", "readiness_503", on=True)
        expect(page.get_by_text("Readiness failed: the application was not ready").first).to_be_visible()
        demo.fault("staging", "readiness_503", on=False)
        expect(page.get_by_text(re.compile("Running: (23 h 5[0-9] min|24 h) are left")).first).to_be_visible()
        assert done(page, "soak-staging").count() == 0
        expect(row(page, "apply-production")).to_contain_text("waits for")
        rules = demo.api("/api/v1/environments/production/verdict")["rules"]
        assert isinstance(rules, dict)
        assert rules["soak"] == "unknown"
    finally:
        demo.stop()
