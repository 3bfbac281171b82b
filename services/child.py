"""The environment variables that a command of the team's is started with."""

from __future__ import annotations

import os
from collections.abc import Sequence

from services.paths import ROOT

# What programs need to start and to find their files, on every system. Nothing here holds a secret.
HARMLESS = (
    "PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "USER", "LOGNAME", "SHELL", "TERM",
    "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "NODE_PATH",
    "LD_LIBRARY_PATH", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA",
    "PROGRAMDATA", "USERPROFILE",
)  # fmt: skip


def variables_of(named: Sequence[str]) -> dict[str, str]:
    """Harmless variables of ours and the named ones, never our secrets."""
    names = [*HARMLESS, *named]
    kept = {name: os.environ[name] for name in names if name in os.environ}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("LC_")}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))}
