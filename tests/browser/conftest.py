"""A real OpenID provider for the tests of signing in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import free_port
from tests.patience import answers, wait_until

PROVIDER = """
import sys, time, warnings
warnings.simplefilter("ignore")
from oidc_provider_mock import User, run_server_in_thread
people = [User(sub="vi", claims={"name": "Vi Viewer"}), User(sub="op", claims={"name": "Ola Operator"}),
          User(sub="en", claims={"name": "Eva Engineer"}),
          User(sub="ev", claims={"name": "![x](http://127.0.0.1:9/x) <b>Eve</b>"})]
with run_server_in_thread(port=int(sys.argv[1]), user_claims=people):
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", PROVIDER, str(port)], stderr=subprocess.DEVNULL)
    url = f"http://localhost:{port}"
    wait_until(lambda: answers(f"{url}/.well-known/openid-configuration"))
    yield url
    process.kill()
    process.wait()
