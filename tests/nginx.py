"""A real nginx that shows a portal below a path."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.patience import answers, wait_until

SITE = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location /portal/ {{
      proxy_pass http://127.0.0.1:{portal};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header X-Forwarded-For 203.0.113.9;
      proxy_set_header X-Forwarded-User ada@example.org;
    }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, *, port: int, portal: int) -> Iterator[str]:
    """Start it for the portal that runs with that data folder; the portal's address through it."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert binary is not None, "this test needs nginx (on Debian: apt install nginx-light)"
    folder.chmod(0o755)
    config = folder / "nginx.conf"
    config.write_text(SITE.format(folder=folder, port=port, portal=portal))
    process = subprocess.Popen([binary, "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    url = f"http://localhost:{port}/portal"
    wait_until(lambda: answers(f"{url}/api/health/live"), found=(folder / "portal.log").read_text)
    yield url
    process.terminate()
    process.wait()
