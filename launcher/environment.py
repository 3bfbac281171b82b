"""Keeps the virtual environment at exactly the locked requirements."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from launcher.say import Refusal, step

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / ".greenlight"


def prepare(*lists: str) -> None:
    """Make the environment and install the requirement lists (file names), unless that was done before."""
    wanted = _fingerprint(lists)
    if PYTHON.exists() and wanted in _stamps():
        return
    if not PYTHON.exists():
        with step("Making a virtual environment in .venv"):
            _make()
    with step("Installing the locked packages (a minute or two the first time)"):
        _install(lists)
    _link_project()
    STAMP.write_text("\n".join({*_stamps(), wanted} if _same_python() else {wanted}), encoding="utf-8")


def _fingerprint(lists: tuple[str, ...]) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for name in lists:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _stamps() -> set[str]:
    try:
        return set(STAMP.read_text(encoding="utf-8").split())
    except OSError:
        return set()


def _same_python() -> bool:
    return STAMP.exists()


def _make() -> None:
    try:
        import ensurepip  # noqa: F401
        import venv
    except ImportError:
        raise Refusal(
            "This Python comes without the venv module: install it (on Debian and Ubuntu: apt install python3-venv)."
        ) from None
    try:
        venv.create(VENV, with_pip=True, clear=VENV.exists())
    except PermissionError as error:
        raise Refusal(f"The folder {ROOT} can't be written: give it to this user, or clone elsewhere.") from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise Refusal(f"No virtual environment can be made in {VENV}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "the venv module failed (on Debian: apt install python3-venv)"


def _install(lists: tuple[str, ...]) -> None:
    chosen = [word for name in lists for word in ("-r", str(ROOT / name))]
    done = subprocess.run(
        [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *chosen],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return
    text = done.stderr
    offline = ("Temporary failure in name resolution", "NewConnectionError", "No matching distribution", "Max retries")
    if any(words in text for words in offline):
        raise Refusal(
            "The packages could not be fetched: the package index is not reached. Connect to a network (or set "
            "PIP_INDEX_URL to your mirror) and start again; what was fetched is kept."
        )
    if "No space left" in text:
        raise Refusal("The packages could not be installed: the disk is full. Free about 1 GB and start again.")
    raise Refusal(f"The packages could not be installed: {_cause(done.returncode, text)}")


def _cause(status: int, text: str) -> str:
    """What pip says is wrong: its first error, not a warning that happens to stand last; "interrupted" for a signal."""
    if status < 0:
        return f"the installation was interrupted (signal {-status}). Start again: it goes on where it stopped."
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
    others = [line for line in lines if not line.lower().startswith(("warning", "[notice]", "note:", "hint:"))]
    found = next(iter(errors), "") or (others[-1] if others else "pip gave no reason; start again")
    return found[:300]


def _link_project() -> None:
    """Let every command line of this environment import our packages, wherever it is run from."""
    done = subprocess.run(
        [str(PYTHON), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    (Path(done.stdout.strip()) / "greenlight.pth").write_text(f"{ROOT}\n", encoding="utf-8")
