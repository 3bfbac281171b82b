"""Runs the whole test suite on a bare machine. Requirements, browser, then pytest; its status is ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from launcher import environment
from launcher.environment import PYTHON, ROOT
from launcher.say import Refusal, step

SERVERS = {"nginx": "nginx-light", "pgbouncer": "pgbouncer"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")


def run(arguments: list[str]) -> int:
    """Set up and run pytest with these arguments."""
    environment.prepare("requirements.txt", "requirements-dev.txt")
    _servers()
    variables = dict(os.environ)
    browser = _browser()
    if browser is not None:
        variables["GREENLIGHT_TEST_BROWSER"] = browser
    # A file's tests share servers, so files, not tests, are spread; `-n0` runs one after another. Tests wait for real
    # servers for two thirds of their time, so there is one more at work than there are cores.
    spread = ["-n", str(min((os.cpu_count() or 1) + 1, 5)), "--dist", "loadfile"]
    command = [str(PYTHON), "-m", "pytest", *spread, *arguments]
    return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode


def _browser() -> str | None:
    """A Chromium to drive; installed where it may be. None leaves Playwright's own, or fails the browser tests."""
    named = os.environ.get("GREENLIGHT_TEST_BROWSER")
    if named:
        return named
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is not None:
        return found
    if sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get"):
        with step("Installing Chromium from Debian's packages (for the browser tests)"):
            _apt("update")
            _apt("install", "-y", "--no-install-recommends", "chromium")
        return shutil.which("chromium")
    with step("Installing Playwright's own Chromium (for the browser tests)"):
        done = subprocess.run([str(PYTHON), "-m", "playwright", "install", "chromium"], check=False)
        if done.returncode != 0:
            raise Refusal("No browser could be installed: install Chromium, or name one in GREENLIGHT_TEST_BROWSER.", 1)
    return None


def _servers() -> None:
    """The reverse proxy and the pooler that tests stand behind; installed where they may be, else those tests fail."""
    places = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"
    missing = [package for name, package in SERVERS.items() if shutil.which(name, path=places) is None]
    if missing and sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get"):
        with step(f"Installing {' and '.join(missing)} from Debian's packages (for the tests)"):
            _apt("update")
            _apt("install", "-y", "--no-install-recommends", *missing)


def _apt(*words: str) -> None:
    done = subprocess.run(
        ["apt-get", "-qq", *words],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Refusal(f"apt-get {words[0]} failed: {last[:300]}", 1)
